using System.IO.Compression;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Tests.Checkpoints.Zip;

public sealed class ZipArchiveFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, ZipPart> WrongParts => new()
    {
        { "is encrypted", new ZipPart("a", [1]) { Flags = 1 } },
        { "expected method 0 (stored) or 8 (deflated), found 99", new ZipPart("a", [1]) { Method = 99 } },
        { "expected one size for stored bytes, found 1 and 2", new ZipPart("a", [1]) { Size = 2 } },
        { "cannot hold 2000000000", new ZipPart("a", new byte[100]) { Deflated = true, Size = 2_000_000_000 } },
        { "do not fit a file of", new ZipPart("a", [1]) { CompressedSize = 999_999, Size = 999_999 } },
        { "reach into the directory", new ZipPart("a", [1]) { CompressedSize = 20, Size = 20 } },
        { "do not fit", new ZipPart("a", [1]) { HeaderOffset = uint.MaxValue } },
        { "lies outside the file", new ZipPart("a", [1]) { HeaderOffset = 1_000_000 } },
        { "contradicts the directory", new ZipPart("a", [1]) { HeaderOffset = 1 } },
        { "contradicts the directory", new ZipPart("a", [1]) { LocalName = "b" } },
        { "expected a folder without content, found 1 bytes", new ZipPart("a/", [1]) },
        { "stay inside the archive, found '../a'", new ZipPart("../a", [1]) },
        { "stay inside the archive", new ZipPart("a/../../b", [1]) },
        { "stay inside the archive", new ZipPart("/etc/passwd", [1]) },
        { "stay inside the archive", new ZipPart("a\\b", [1]) },
        { "stay inside the archive", new ZipPart("C:/a", [1]) },
        { "stay inside the archive", new ZipPart("a\0b", [1]) },
        { "stay inside the archive", new ZipPart("a//b", [1]) },
        { "stay inside the archive", new ZipPart("", [1]) },
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Stored_and_deflated_entries_are_read_in_part_and_as_a_whole()
    {
        byte[] content = [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i / 7))];
        using ZipArchiveFile zip = Open(ZipBytes.Of(new ZipPart("s", content), new ZipPart("d", content) { Deflated = true }, new ZipPart("folder/", [])));
        Assert.Equal(["s", "d", "folder/"], zip.Entries.Keys);
        foreach (string name in new[] { "s", "d" })
        {
            byte[] part = new byte[1000];
            zip.ReadIntact(zip.Entries[name], 150_000, part);
            Assert.Equal(content[150_000..151_000], part);
            Assert.Equal(content, zip.ReadAll(zip.Entries[name], content.Length));
        }
    }

    // Small files may hold large compressed entries of which thousands of tensors are parts: each was decompressed from the begin.
    [Theory]
    [InlineData(200_000, 0, true)]
    [InlineData(199_999, 1_000_000, true)]
    [InlineData(199_999, 999_000, false)]
    public void Parts_of_a_compressed_entry_are_read_from_what_is_kept_or_until_too_much_was_skipped(int mostKept, long mostSkipped, bool isRead)
    {
        byte[] content = [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i / 7))];
        using ZipArchiveFile zip = Open(ZipBytes.Of(new ZipPart("d", content) { Deflated = true }), mostKept, mostSkipped);
        byte[] part = new byte[100];
        for (int i = 0; i < 9; i++)
        {
            zip.ReadIntact(zip.Entries["d"], 100_000 + i, part);
            Assert.Equal(content[(100_000 + i)..(100_100 + i)], part);
        }

        void Last() => zip.ReadIntact(zip.Entries["d"], 99_964, part);
        if (isRead)
        {
            Last();
            Assert.Equal(content[99_964..100_064], part);
        }
        else
        {
            Assert.Contains("save or zip the file again without compression", Assert.Throws<CheckpointFormatException>(Last).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Entries_that_take_turns_are_decompressed_again_until_it_is_too_much()
    {
        byte[] content = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];
        using ZipArchiveFile zip = Open(
            ZipBytes.Of(new ZipPart("a", content) { Deflated = true }, new ZipPart("b", content) { Deflated = true }), mostKept: 1000, mostSkipped: 4000);
        byte[] part = new byte[10];
        void Read(string name) => zip.ReadIntact(zip.Entries[name], 500, part);
        foreach (string name in new[] { "a", "b", "a", "b", "a", "b", "b" })
        {
            Read(name);
            Assert.Equal(content[500..510], part);
        }

        Assert.Contains("save or zip the file again", Assert.Throws<CheckpointFormatException>(() => Read("a")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sixty_four_bit_records_are_understood()
    {
        ZipPart[] parts = [new("a", [1, 2, 3]) { Wide = true }, new("b", new byte[500]) { Wide = true, Deflated = true }];
        using ZipArchiveFile zip = Open(ZipBytes.Of(parts, wideEnd: true));
        Assert.Equal([1, 2, 3], zip.ReadAll(zip.Entries["a"], 10));
        Assert.Equal(new byte[500], zip.ReadAll(zip.Entries["b"], 500));
    }

    [Fact]
    public void Sizes_that_follow_the_bytes_are_taken_from_the_directory()
    {
        using ZipArchiveFile zip = Open(ZipBytes.Of(new ZipPart("a", [7]) { SizesFollow = true }));
        Assert.Equal([7], zip.ReadAll(zip.Entries["a"], 1));
    }

    [Fact]
    public void A_file_of_the_platforms_own_zip_library_is_understood()
    {
        MemoryStream stream = new();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            using Stream entry = archive.CreateEntry("folder/ä", CompressionLevel.Optimal).Open();
            entry.Write(new byte[5000]);
        }

        using ZipArchiveFile zip = Open(stream.ToArray());
        Assert.Equal(new byte[5000], zip.ReadAll(zip.Entries["folder/ä"], 5000));
    }

    [Theory]
    [MemberData(nameof(WrongParts))]
    public void A_wrong_entry_is_refused_by_its_own_fault(string fault, ZipPart part) =>
        Assert.Contains(fault, Refused(ZipBytes.Of(part)), StringComparison.Ordinal);

    [Fact]
    public void Two_entries_of_one_name_are_refused() =>
        Assert.Contains("the zip entry 'a' is there twice", Refused(ZipBytes.Of(new ZipPart("a", [1]), new ZipPart("a", [2]))), StringComparison.Ordinal);

    [Fact]
    public void Entries_that_share_bytes_are_refused()
    {
        // The second entry's header stands inside the stored bytes of the first one.
        byte[] inner = ZipBytes.Of(new ZipPart("b", new byte[20]));
        byte[] file = ZipBytes.Of(new ZipPart("a", inner[..51]), new ZipPart("b", new byte[20]) { HeaderOffset = 31 });
        Assert.Contains("the zip entries 'a' and 'b' overlap at byte 31", Refused(file), StringComparison.Ordinal);
    }

    [Fact]
    public void A_bomb_is_refused_by_its_own_account()
    {
        byte[] zeros = new byte[30 << 20];
        ZipPart[] parts = [.. Enumerable.Range(0, 3).Select(i => new ZipPart($"bomb{i}", zeros) { Deflated = true })];
        Assert.Contains("claim to decompress to 94371840, at most", Refused(ZipBytes.Of(parts)), StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_that_decompresses_to_more_or_less_than_it_claims_is_refused()
    {
        byte[] file = ZipBytes.Of(new ZipPart("more", new byte[5000]) { Deflated = true, Size = 4000 }, new ZipPart("less", new byte[5000]) { Deflated = true, Size = 6000 });
        using ZipArchiveFile zip = Open(file);
        Assert.Contains("decompresses to more than the 4000 bytes", ReadFault(zip, "more"), StringComparison.Ordinal);
        Assert.Contains("fewer than 6000 bytes", ReadFault(zip, "less"), StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_bytes_are_refused()
    {
        using ZipArchiveFile zip = Open(ZipBytes.Of(new ZipPart("crc", [1, 2]) { Crc = 5 }, new ZipPart("deflate", [0xff, 0xff, 0xff]) { Method = 8 }));
        Assert.Contains("do not match their checksum", ReadFault(zip, "crc"), StringComparison.Ordinal);
        Assert.Contains("damaged", ReadFault(zip, "deflate"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_part_of_damaged_bytes_is_refused_each_time(bool deflated)
    {
        using ZipArchiveFile zip = Open(ZipBytes.Of(new ZipPart("a", new byte[600_000]) { Crc = 5, Deflated = deflated }));
        for (int time = 0; time < 2; time++)
        {
            Assert.Contains("do not match their checksum", Assert.Throws<CheckpointFormatException>(() => zip.ReadIntact(zip.Entries["a"], 100, new byte[10])).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_larger_entry_than_expected_is_not_read()
    {
        using ZipArchiveFile zip = Open(ZipBytes.Of(new ZipPart("a", new byte[100])));
        Assert.Contains("expected at most 99 bytes, found 100", Assert.Throws<CheckpointFormatException>(() => zip.ReadAll(zip.Entries["a"], 99)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_zip_file_is_refused()
    {
        Assert.Contains("found no end of a zip directory in 0 bytes", Refused([]), StringComparison.Ordinal);
        Assert.Contains("found no end of a zip directory in 100000 bytes", Refused(new byte[100_000]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_zip_cut_at_any_length_or_with_any_byte_changed_is_refused_or_still_true()
    {
        byte[] whole = ZipBytes.Of([new ZipPart("f/a", [1, 2, 3]), new ZipPart("f/b", new byte[40]) { Deflated = true, Wide = true }], wideEnd: true);
        int accepted = 0;
        for (int i = 0; i < whole.Length; i++)
        {
            Assert.NotEmpty(Refused(whole[..i]));
            foreach (int mask in new[] { 0x01, 0x04, 0x80, 0xff })
            {
                byte[] changed = [.. whole];
                changed[i] ^= (byte)mask;
                accepted += OpensOrIsRefused(changed) ? 1 : 0;
            }
        }

        Assert.InRange(accepted, 1, whole.Length * 3);
    }

    private bool OpensOrIsRefused(byte[] content)
    {
        try
        {
            using ZipArchiveFile zip = Open(content);
            foreach (ZipEntry entry in zip.Entries.Values)
            {
                zip.ReadAll(entry, 1 << 20);
            }

            return true;
        }
        catch (CheckpointFormatException)
        {
            return false;
        }
    }

    private ZipArchiveFile Open(byte[] content) => new(CheckpointFile.Open(_folder.Put("zip", content)));

    private ZipArchiveFile Open(byte[] content, int mostKept, long mostSkipped) =>
        new(CheckpointFile.Open(_folder.Put("zip", content)), mostKept, mostSkipped);

    private string Refused(byte[] content)
    {
        using CheckpointFile file = CheckpointFile.Open(_folder.Put("zip", content));
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => ZipDirectory.Read(file));
        Assert.Equal(_folder.File("zip"), exception.Path);
        Assert.DoesNotContain('\n', exception.Message);
        return exception.Message;
    }

    private static string ReadFault(ZipArchiveFile zip, string name) =>
        Assert.Throws<CheckpointFormatException>(() => zip.ReadAll(zip.Entries[name], 1 << 20)).Message;
}
