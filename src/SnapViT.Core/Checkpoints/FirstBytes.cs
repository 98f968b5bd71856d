using System.Text;

namespace SnapViT.Core.Checkpoints;

/// <summary>What a file is that is no checkpoint, by its first bytes, and what to do about it.</summary>
internal static class FirstBytes
{
    private const int Examined = 512;
    private const int LongestText = 60;
    private const int TarAt = 257;
    private const string Unpack = "unpack it first";
    private const string Again = "download the model again";

    /// <summary>Beginnings of files that people have under a model's name. None of them can begin a safetensors file.</summary>
    private static readonly (byte[] Start, string Found)[] Table =
    [
        ([.. "version https://git-lfs.github.com/"u8],
            "a Git LFS pointer, which stands for the file and is not the file: "
            + "run 'git lfs pull' in its folder, or download the file itself"),
        ([0x1f, 0x8b], $"a gzip file: {Unpack} (gunzip)"),
        ([.. "BZh"u8], $"a bzip2 file: {Unpack} (bunzip2)"),
        ([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0], $"an xz file: {Unpack} (unxz)"),
        ([0x28, 0xb5, 0x2f, 0xfd], $"a zstd file: {Unpack} (unzstd)"),
        ([(byte)'7', (byte)'z', 0xbc, 0xaf, 0x27, 0x1c], $"a 7z archive: {Unpack}"),
        ([.. "Rar!"u8], $"a RAR archive: {Unpack}"),
        ([0x89, .. "HDF"u8], "an HDF5 file, as of Keras: export the weights to safetensors first"),
        ([0x93, .. "NUMPY"u8], "one NumPy array (.npy): expected all weights of a model"),
        ([.. "GGUF"u8], "a GGUF file: get the original weights in safetensors or PyTorch format"),
        ([.. "%PDF"u8], $"a PDF document: {Again}"),
        ([0x89, .. "PNG"u8], "a PNG image: expected a model"),
        ([0xff, 0xd8, 0xff], "a JPEG image: expected a model"),
        ([.. "PK\x05\x06"u8], "an empty zip archive"),
    ];

    /// <summary>Refuses a file that begins as something else than a checkpoint.</summary>
    /// <exception cref="CheckpointFormatException">It does; the message says what it is and what to do.</exception>
    public static void RefuseOthers(CheckpointFile file)
    {
        byte[] start = new byte[(int)Math.Min(file.Length, Examined)];
        file.Read(0, start);
        if (!MayBeSafetensors(start) && Find(start, file.Length) is string found)
        {
            throw new CheckpointFormatException(file.Path, $"expected a model in safetensors or PyTorch format, found {found}");
        }
    }

    /// <summary>A length that is not absurd, then the JSON of a header: what that is wrong about is the reader's to say.</summary>
    private static bool MayBeSafetensors(ReadOnlySpan<byte> start) =>
        start.Length > sizeof(ulong) && start[sizeof(ulong)] == '{' && start[4..sizeof(ulong)].IndexOfAnyExcept((byte)0) < 0;

    private static string? Find(byte[] start, long length)
    {
        if (length == 0)
        {
            return $"an empty file: {Again}";
        }

        foreach ((byte[] beginning, string found) in Table)
        {
            if (start.AsSpan().StartsWith(beginning))
            {
                return found;
            }
        }

        if (start.Length > TarAt + 5 && start.AsSpan(TarAt, 5).SequenceEqual("ustar"u8))
        {
            return $"a tar archive: {Unpack} (tar -xf)";
        }

        if (start.Length > 2 && start[0] == 0x80 && start[1] is >= 2 and <= 5)
        {
            return "a pickle that torch.save did not write: load it in Python "
                + "and save its weights with safetensors.torch.save_file or torch.save";
        }

        if (start.Length >= sizeof(ulong) && start.AsSpan().IndexOfAnyExcept((byte)0) < 0)
        {
            return $"zeros at its begin, as an interrupted download leaves them: {Again}";
        }

        return start.Length > 3 && start[0] == 8 && start[1] is > 0 and < 32 && start[2] is 0x12 or 0x3a
            ? "what may be an ONNX graph: pass the weights that it was exported from"
            : TextOf(start, length);
    }

    /// <summary>Pages and messages of servers, and other text.</summary>
    private static string? TextOf(byte[] start, long length)
    {
        string text = Encoding.UTF8.GetString(start).TrimStart('\ufeff', ' ', '\n', '\r', '\t');
        if (text.StartsWith('<'))
        {
            return $"a page of HTML or XML, as a server answers a download that needs a login, a licence or a quota: {Again}";
        }

        bool isText = !start.Any(value => value < 0x20 && value is not ((byte)'\n' or (byte)'\r' or (byte)'\t'))
            && !text.Contains('\ufffd', StringComparison.Ordinal);
        return !isText || text.Length == 0 ? null
            : text[0] is '{' or '[' ? $"JSON text {Quoted(text)}: pass the file with the weights, or {Again}"
            : $"text {Quoted(text)} ({length} bytes): perhaps a server's answer; {Again}";
    }

    private static string Quoted(string text) =>
        CheckpointFormatException.Quote(text.Length > LongestText ? text[..LongestText] + "..." : text.TrimEnd());
}
