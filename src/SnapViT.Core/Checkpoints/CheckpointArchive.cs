using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// Opens a checkpoint: a safetensors, PyTorch (zip) or NumPy .npz file, the index of a sharded safetensors or PyTorch checkpoint, or a
/// folder that contains one of the known file names.
/// </summary>
internal static class CheckpointArchive
{
    private const string IndexEnd = ".index.json";

    /// <summary>Names of weights in a folder, the safest format first (Hugging Face transformers, timm, open_clip).</summary>
    private static readonly string[] NamesInFolder =
    [
        "model.safetensors", "model.safetensors.index.json",
        "open_clip_model.safetensors", "pytorch_model.bin",
        "pytorch_model.bin.index.json", "open_clip_pytorch_model.bin",
    ];

    private static ReadOnlySpan<byte> ZipStart => "PK\x03\x04"u8;

    /// <summary>
    /// Opens a checkpoint. A path that ends in <c>.index.json</c> is read as an index; the format of any other file is recognised by its
    /// content.
    /// </summary>
    /// <param name="path">A file, the index of several (<c>….index.json</c>), or a folder with one of them.</param>
    /// <exception cref="CheckpointFormatException">It is no checkpoint, or a damaged one.</exception>
    /// <exception cref="FileNotFoundException">There is no such file, or none in the folder.</exception>
    /// <exception cref="IOException">The disk fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    internal static ITensorArchive Open(string path)
    {
        string file = Locate(path);
        return file.EndsWith(IndexEnd, StringComparison.Ordinal) ? ShardedArchive.Open(file) : OpenFile(file);
    }

    /// <summary>Opens one file.</summary>
    /// <inheritdoc cref="Open"/>
    internal static ITensorArchive OpenFile(string path) => KindOf(path) switch
    {
        Kind.Torch => TorchArchiveReader.Open(path),
        Kind.Npz => NpzReader.Open(path),
        _ => SafetensorsReader.Open(path),
    };

    /// <summary>The file with the weights: the path itself, or the one in the folder.</summary>
    /// <exception cref="FileNotFoundException">The folder has none.</exception>
    public static string Locate(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return !Directory.Exists(path)
            ? path
            : NamesInFolder.Select(name => Path.Combine(path, name)).FirstOrDefault(File.Exists)
                ?? throw new FileNotFoundException(
                    $"{path}: expected one of {string.Join(", ", NamesInFolder)} in the folder, found none", path);
    }

    /// <summary>All files that hold the tensors of a checkpoint, in the order of their names.</summary>
    /// <inheritdoc cref="Open"/>
    public static IReadOnlyList<string> Files(string path)
    {
        string file = Locate(path);
        return file.EndsWith(IndexEnd, StringComparison.Ordinal) ? ShardedArchive.Files(file) : [file];
    }

    /// <summary>
    /// Whether a file is PyTorch's: a zip that is not NumPy's, or a pickle file of PyTorch before 1.6, which its reader refuses.
    /// </summary>
    /// <exception cref="CheckpointFormatException">It is no checkpoint at all.</exception>
    public static bool IsTorch(string path) => KindOf(path) == Kind.Torch;

    /// <summary>Containers of one file.</summary>
    private enum Kind
    {
        Safetensors,
        Torch,
        Npz,
    }

    private static Kind KindOf(string path)
    {
        using CheckpointFile file = CheckpointFile.Open(path);
        Span<byte> start = stackalloc byte[ZipStart.Length];
        file.Read(0, start[..(int)Math.Min(start.Length, file.Length)]);
        if (start[0] == 0x80 && start[1] is >= 2 and <= 5 && start[2] == 0x8a)
        {
            return Kind.Torch;
        }

        if (start.SequenceEqual(ZipStart))
        {
            return NpzReader.IsNpz(ZipDirectory.Read(file).Keys) ? Kind.Npz : Kind.Torch;
        }

        FirstBytes.RefuseOthers(file);
        return Kind.Safetensors;
    }
}
