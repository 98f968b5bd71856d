using System.IO.Compression;
using CsCheck;
using SnapViT.Core.Randomness;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>Compressed content can be read from the middle, and gives what .NET's own streams give.</summary>
public sealed class InflatedBytesTests
{
    private static readonly Gen<byte[]> Contents = Gen.Select(Gen.ULong, Gen.Int[0, 3_000_000], Gen.Int[0, 3], Content);

    [Fact]
    public void Any_part_of_any_content_is_read() => Gen.Select(Contents, Gen.Int[0, 3], Gen.Double.Unit, Gen.Int[0, 100_000]).Sample(
        (content, level, share, count) =>
        {
            InflatedBytes inflated = Of(Archives.Gzip(content, (CompressionLevel)level));
            int from = (int)(share * content.Length);
            byte[] part = new byte[count];
            int read = inflated.Read(from, part);
            Assert.Equal(content.AsSpan(from, Math.Min(count, content.Length - from)), part.AsSpan(0, read));
            Assert.Equal(content.Length, inflated.Length);
            Assert.Equal(content, inflated.ReadAll(content.Length));
        },
        iter: 60);

    [Fact]
    public void Parts_are_read_from_many_threads_in_any_order()
    {
        byte[] content = Content(7, 90_000_000, 1);
        InflatedBytes inflated = Of(Archives.Gzip(content, CompressionLevel.Fastest));
        Assert.Equal(content.Length, inflated.Length);
        Parallel.For(0, 200, i =>
        {
            int from = (int)((long)i * 7919 * 104_729 % (content.Length - 1000));
            byte[] part = new byte[1000];
            inflated.ReadExactly(from, part);
            Assert.True(content.AsSpan(from, 1000).SequenceEqual(part));
        });
    }

    [Fact]
    public void Members_of_one_file_follow_each_other()
    {
        byte[] first = Content(1, 1_500_000, 1), second = Content(2, 700_000, 2);
        InflatedBytes inflated = Of([.. Archives.Gzip(first), .. Archives.Gzip([]), .. Archives.Gzip(second), .. new byte[512]]);
        Assert.Equal([.. first, .. second], inflated.ReadAll(int.MaxValue));
        byte[] across = new byte[200];
        inflated.ReadExactly(first.Length - 100, across);
        Assert.Equal([.. first[^100..], .. second[..100]], across);
    }

    [Fact]
    public void Content_that_is_damaged_or_cut_short_is_refused()
    {
        byte[] whole = Archives.Gzip(Content(3, 200_000, 2));
        Gen.Int[0, whole.Length - 1].Sample(
            length => Assert.Throws<ImageException>(() => Of(whole[..length]).Length),
            iter: 100);
        Gen.Select(Gen.Int[10, whole.Length - 1], Gen.Int[1, 255]).Sample(
            (at, change) =>
            {
                byte[] damaged = [.. whole];
                damaged[at] ^= (byte)change;
                Assert.Throws<ImageException>(() => Of(damaged).Length);
            },
            iter: 200);
    }

    [Fact]
    public void Any_bytes_are_content_or_refused() => Gen.Byte.Array[0, 400].Sample(
        bytes =>
        {
            InflatedBytes inflated = new("x", new MemoryBytes(bytes), isGzip: false);
            try
            {
                Assert.InRange(inflated.Length, 0, 400 * 1032);
            }
            catch (ImageException exception)
            {
                Assert.StartsWith("x: ", exception.Message, StringComparison.Ordinal);
            }
        },
        iter: 20_000);

    [Fact]
    public void A_bomb_is_refused_while_it_is_read()
    {
        byte[] bomb = Archives.Gzip(new byte[300_000_000]);
        Assert.Contains("at most 100 times", Assert.Throws<ImageException>(() => Of(bomb).Length).Message, StringComparison.Ordinal);
    }

    private static InflatedBytes Of(byte[] gzip) => new("x.gz", new MemoryBytes(gzip), isGzip: true);

    /// <summary>Noise, text-like content, long runs, or a mixture.</summary>
    private static byte[] Content(ulong seed, int length, int kind)
    {
        SeededRandom random = new(seed);
        byte[] content = new byte[length];
        for (int i = 0; i < length; i++)
        {
            content[i] = kind switch
            {
                0 => (byte)random.NextInt(256),
                1 => (byte)((i / 251) ^ (i * 7 % 13)),
                2 => (byte)(97 + (random.NextInt(26) / 3)),
                _ => i / 40_000 % 2 == 0 ? (byte)random.NextInt(256) : (byte)(i / 100_000),
            };
        }

        return content;
    }
}
