using CsCheck;
using SnapViT.Tensors;

namespace SnapViT.Tests.Tensors;

public sealed class GlibcxxPatchTests
{
    private static readonly byte[] Tiny = new TinyLibrary().Build();

    [Fact]
    public void Only_the_weak_flag_of_the_markers_version_changes()
    {
        byte[] patched = GlibcxxPatch.Apply(Tiny);
        int flags = Assert.Single(Differences(Tiny, patched));
        Assert.Equal((0, 2), (Tiny[flags], patched[flags]));
        Assert.Equal([0x42, 0xf8, 0x97, 0x02], patched[(flags - 4)..flags]); // the hash of GLIBCXX_3.4.32, which precedes its flags
    }

    [Fact]
    public void What_is_weak_already_stays_as_it_is()
    {
        byte[] patched = GlibcxxPatch.Apply(Tiny);
        Assert.Equal(patched, GlibcxxPatch.Apply(patched));
    }

    [Fact]
    public void A_library_that_really_uses_the_symbol_is_refused() =>
        AssertRefused("it really uses _ZSt21ios_base_library_initv of GLIBCXX_3.4.32", new TinyLibrary { UsesMarker = true }.Build());

    [Fact]
    public void A_library_that_does_not_need_the_version_is_refused() =>
        AssertRefused("it does not need GLIBCXX_3.4.32 of libstdc++.so.6", new TinyLibrary { Version = "GLIBCXX_3.4.30" }.Build());

    [Fact]
    public void The_same_version_of_another_library_is_refused() =>
        AssertRefused("it does not need GLIBCXX_3.4.32 of libstdc++.so.6", new TinyLibrary { Runtime = "libc++.so.1" }.Build());

    [Theory]
    [InlineData(0, 0x7e, "it is no ELF file")]
    [InlineData(4, 1, "it is not 64-bit little-endian ELF of version 1")]
    [InlineData(5, 2, "it is not 64-bit little-endian ELF of version 1")]
    [InlineData(6, 2, "it is not 64-bit little-endian ELF of version 1")]
    [InlineData(16, 2, "its type is 2, expected a shared library (3)")]
    [InlineData(18, 183, "its machine is 183, expected x86-64 (62)")]
    [InlineData(54, 32, "its program headers have 32 bytes, expected 56")]
    [InlineData(56, 1, "it has 0 dynamic tables, expected 1")]
    [InlineData(35, 0x40, "lie outside the")]
    public void A_file_of_another_kind_is_refused(int at, byte value, string reason)
    {
        byte[] other = [.. Tiny];
        other[at] = value;
        AssertRefused(reason, other);
    }

    [Fact]
    public void A_file_cut_short_anywhere_is_refused()
    {
        for (int length = 0; length < Tiny.Length; length++)
        {
            Assert.Throws<ElfFormatException>(() => GlibcxxPatch.Apply(Tiny.AsMemory(0, length)));
        }
    }

    [Fact]
    public void One_wrong_bit_anywhere_is_refused_or_harmless()
    {
        for (int bit = 0; bit < 8 * Tiny.Length; bit++)
        {
            byte[] damaged = [.. Tiny];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            AssertRefusedOrWeakened(damaged);
        }
    }

    [Fact]
    public void Any_wrong_bytes_are_refused_or_harmless() =>
        Gen.Select(Gen.Int[0, Tiny.Length - 1], Gen.Byte).Array[1, 8].Sample(
            changes =>
            {
                byte[] damaged = [.. Tiny];
                foreach ((int at, byte value) in changes)
                {
                    damaged[at] = value;
                }

                AssertRefusedOrWeakened(damaged);
            },
            iter: 5_000);

    private static void AssertRefused(string reason, byte[] library)
    {
        ElfFormatException refusal = Assert.Throws<ElfFormatException>(() => GlibcxxPatch.Apply(library));
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    private static void AssertRefusedOrWeakened(byte[] library)
    {
        byte[] patched;
        try
        {
            patched = GlibcxxPatch.Apply(library);
        }
        catch (ElfFormatException)
        {
            return;
        }

        Assert.All(Differences(library, patched), at => Assert.Equal(library[at] | 2, patched[at]));
        Assert.InRange(Differences(library, patched).Count, 0, 1);
    }

    private static List<int> Differences(byte[] one, byte[] other)
    {
        Assert.Equal(one.Length, other.Length);
        return [.. Enumerable.Range(0, one.Length).Where(i => one[i] != other[i])];
    }
}
