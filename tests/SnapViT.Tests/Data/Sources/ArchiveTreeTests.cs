using System.Formats.Tar;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>The same photos are the same images in a folder, in a zip and in a tar archive, compressed or not.</summary>
public sealed class ArchiveTreeTests : IDisposable
{
    private static readonly (string Name, byte[] Content)[] Photos =
    [
        .. Enumerable.Range(0, 12).Select(i => (
            $"{(i % 3 == 0 ? "train/cat" : i % 3 == 1 ? "train/dog" : "test/cat")}/{i:D2}.png",
            TemporaryImages.Encode(TemporaryImages.Random(9 + i, 12, (ulong)i), SkiaSharp.SKEncodedImageFormat.Png))),
    ];

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, byte[]> Kinds => new()
    {
        { "photos.zip", Archives.Zip(Photos) },
        { "photos.tar", Archives.Tar(Photos) },
        { "photos.tar.gz", Archives.Gzip(Archives.Tar(TarEntryFormat.Pax, Photos)) },
        { "renamed.dat", Archives.Gzip(Archives.Tar(Photos)) },
        { "photos.tgz", Archives.Gzip(Archives.Tar(TarEntryFormat.Gnu, Photos)) },
        { "wrapped.tar", Archives.Tar([.. Photos.Reverse().Select(photo => ($"./set/v1/{photo.Name}", photo.Content))]) },
        { "wrapped.zip", Archives.Zip([.. Photos.Select(photo => ($"set/{photo.Name}", photo.Content)), ("__MACOSX/._x.png", [1])]) },
    };

    [Theory, MemberData(nameof(Kinds))]
    public void An_archive_holds_what_a_folder_does(string name, byte[] archive)
    {
        string path = _folder.Put(name, archive);
        Array.ForEach(Photos, photo => _folder.Put($"photos/{photo.Name}", photo.Content));
        string folder = Path.Combine(_folder.Root, "photos");
        foreach (string split in new[] { "train", "test" })
        {
            ImageSet expected = ImageSet.FromFolder(Path.Combine(folder, split)), found = ImageSet.Open($"{path}#{split}");
            Assert.Equal(expected.Hash(), found.Hash());
            Assert.Equal(expected.Classes, found.Classes);
            Assert.Equal(expected.Entries.Select(entry => entry.Label), found.Entries.Select(entry => entry.Label));
            Assert.All(expected.Entries.Zip(found.Entries), pair => Assert.Equal(pair.First.Decode().Pixels, pair.Second.Decode().Pixels));
        }
    }

    [Fact]
    public void What_is_hidden_or_a_systems_is_passed_over_in_an_archive_too()
    {
        string path = _folder.Put(
            "a.zip", Archives.Zip([("a/x.png", Photos[0].Content), ("b/y.png", [1]), ("__MACOSX/a/._x.png", [1]), ("a/.git/z.png", [1]), ("b/n.gif", [1])]));
        ImageSet images = ImageSet.Open(path);
        Assert.Equal(["a", "b"], images.Classes);
        Assert.Equal(["hidden entries: 1 (a/.git)", "entries of a system or a tool: 1 (__MACOSX)"], images.LeftOut.Take(2).Select(row => row.ToString()));
    }

    [Fact]
    public void Long_names_of_pax_and_of_gnu_are_read()
    {
        string name = string.Join('/', Enumerable.Range(0, 12).Select(i => $"folder-with-a-long-name-{i}")) + "/photo.png";
        foreach (TarEntryFormat format in new[] { TarEntryFormat.Pax, TarEntryFormat.Gnu })
        {
            byte[] archive = Archives.Tar(format, (name, Photos[0].Content), ("other/a.png", Photos[1].Content));
            Assert.Contains(TarTree.Read("x.tar", new MemoryBytes(archive)).Files, file => file.Name == name);
        }
    }

    [Theory]
    [InlineData("../out.png")]
    [InlineData("/etc/out.png")]
    [InlineData("a/../../out.png")]
    public void Names_that_leave_the_archive_are_refused(string name) => Assert.Contains(
        "expected names that stay inside the archive", Fault(Archives.Tar((name, [1]))), StringComparison.Ordinal);

    [Fact]
    public void An_archive_that_is_cut_short_or_damaged_is_refused()
    {
        byte[] archive = Archives.Tar([.. Photos.Take(2)]);
        Assert.Contains("cut short", Fault(archive[..700]), StringComparison.Ordinal);
        Assert.Contains("cut short", Fault(archive[..900]), StringComparison.Ordinal);
        byte[] damaged = [.. archive];
        damaged[512 + ((Photos[0].Content.Length + 511) / 512 * 512) + 3] ^= 1;
        Assert.Contains("expected the header of an entry", Fault(damaged), StringComparison.Ordinal);
    }

    [Fact]
    public void A_size_beyond_all_measure_is_refused()
    {
        byte[] archive = Archives.Tar(("a.png", [1]));
        byte[] octal = [.. archive];
        "77777777777"u8.CopyTo(octal.AsSpan(124));
        Assert.Contains("cut short: expected at least 8589935104 bytes", Fault(Checked(octal)), StringComparison.Ordinal);
        byte[] binary = [.. archive];
        binary.AsSpan(124, 12).Fill(0xff);
        Assert.Contains("more than 63 bits", Fault(Checked(binary)), StringComparison.Ordinal);
        byte[] name = [.. archive];
        name[156] = (byte)'L';
        "77777777777"u8.CopyTo(name.AsSpan(124));
        Assert.Contains("expected a name of at most", Fault(Checked(name)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 0x28, 0xb5, 0x2f, 0xfd, 0 }, "a zstd file: decompress it first")]
    [InlineData(new byte[] { 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0 }, "an xz file")]
    [InlineData(new byte[] { 0x42, 0x5a, 0x68, 0x39 }, "a bzip2 file")]
    [InlineData(new byte[] { 0x52, 0x61, 0x72, 0x21 }, "a RAR archive")]
    [InlineData(new byte[0], "an empty file")]
    public void Another_kind_is_refused_by_its_name(byte[] content, string fault) => Assert.Contains(
        fault, Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Put("photos.bin", content))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_photo_that_is_damaged_inside_a_zip_is_told_by_its_name()
    {
        byte[] zip = Archives.Zip([.. Photos.Take(2)]);
        int at = zip.AsSpan().IndexOf(Archives.Text(Photos[0].Name)) + Photos[0].Name.Length + 60;
        zip[at] ^= 0x55;
        ImageSet images = ImageSet.Open(_folder.Put("a.zip", zip));
        ImageEntry damaged = images.Entries.Single(entry => Photos[0].Name.EndsWith(entry.Name, StringComparison.Ordinal));
        Exception fault = Assert.ThrowsAny<Exception>(() => damaged.Decode());
        Assert.True(fault is ImageException or InvalidDataException, fault.ToString());
    }

    private static string Fault(byte[] archive) =>
        Assert.Throws<ImageException>(() => TarTree.Read("x.tar", new MemoryBytes(archive))).Message;

    /// <summary>The archive with the checksum of its changed first header.</summary>
    private static byte[] Checked(byte[] archive)
    {
        archive.AsSpan(148, 8).Fill((byte)' ');
        int sum = archive.AsSpan(0, 512).ToArray().Sum(value => value);
        Archives.Text($"{Convert.ToString(sum, 8).PadLeft(6, '0')}\0 ").CopyTo(archive.AsSpan(148));
        return archive;
    }
}
