using System.IO.Compression;
using System.Text;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Tests.Checkpoints.Zip;

namespace SnapViT.Core.Tests.Checkpoints;

/// <summary>What people have under a model's name and is none: named for what it is, with what to do.</summary>
public sealed class FirstBytesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "a Git LFS pointer, which stands for the file and is not the file: run 'git lfs pull'")]
    [InlineData("<!DOCTYPE html><html><head><title>Sign in</title></head></html>", "a page of HTML or XML")]
    [InlineData("\ufeff\r\n <html>", "a page of HTML or XML")]
    [InlineData("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a page of HTML or XML")]
    [InlineData("Entry not found", "text 'Entry not found' (15 bytes): perhaps a server's answer")]
    [InlineData("{\"error\": \"gated\"}", "JSON text")]
    [InlineData("", "an empty file: download the model again")]
    public void Answers_of_servers_are_named(string content, string found) => Assert.Contains(found, Refused(Encoding.UTF8.GetBytes(content)), StringComparison.Ordinal);

    public static TheoryData<string, byte[]> Archives => new()
    {
        { "a gzip file: unpack it first (gunzip)", Gzip([1, 2, 3]) },
        { "a bzip2 file", [.. "BZh91AY"u8, 0, 1] },
        { "an xz file", [0xfd, .. "7zXZ"u8, 0, 1, 2, 3] },
        { "a zstd file", [0x28, 0xb5, 0x2f, 0xfd, 4, 0, 0, 0, 0, 0] },
        { "a tar archive: unpack it first (tar -xf)", Tar() },
        { "an HDF5 file", [0x89, .. "HDF\r\n"u8, 0x1a, 10, 0, 0] },
        { "one NumPy array", [0x93, .. "NUMPY"u8, 1, 0, 10, 0] },
        { "a pickle that torch.save did not write", [0x80, 4, 0x95, 1, 0, 0, 0, 0, 0, 0, 0, (byte)'N', (byte)'.'] },
        { "zeros at its begin", new byte[100] },
        { "what may be an ONNX graph", [8, 8, 0x12, 7, .. "pytorch"u8] },
        { "a zip archive of 2 other files, such as 'model.safetensors': if the model is in it, unpack it first", ZipBytes.Of(new ZipPart("model.safetensors", [1]), new ZipPart("README.md", [2])) },
    };

    [Theory]
    [MemberData(nameof(Archives))]
    public void Archives_and_files_of_other_programs_are_named(string found, byte[] content) => Assert.Contains(found, Refused(content), StringComparison.Ordinal);

    [Fact]
    public void A_shard_that_is_a_pointer_is_named_itself()
    {
        string shard = _folder.Put("one.safetensors", Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\n"));
        string index = _folder.Put("model.safetensors.index.json", Encoding.UTF8.GetBytes("""{"weight_map": {"a": "one.safetensors"}}"""));
        Assert.StartsWith(shard, Assert.Throws<CheckpointFormatException>(() => CheckpointArchive.Open(index)).Message, StringComparison.Ordinal);
    }

    private static byte[] Gzip(byte[] content)
    {
        using MemoryStream target = new();
        using (GZipStream gzip = new(target, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }

        return target.ToArray();
    }

    private static byte[] Tar()
    {
        byte[] tar = new byte[1024];
        "model.pth"u8.CopyTo(tar);
        "ustar"u8.CopyTo(tar.AsSpan(257));
        return tar;
    }

    private string Refused(byte[] content)
    {
        string path = _folder.Put("model.safetensors", content);
        string message = Assert.Throws<CheckpointFormatException>(() => CheckpointArchive.Open(path)).Message;
        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
