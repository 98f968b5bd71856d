using SnapViT.Core.Checkpoints.Pickle;
using SnapViT.Core.Checkpoints.Zip;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// Writes PyTorch checkpoints (<c>.pt</c>, <c>.pth</c>, <c>.bin</c>) in the zip format of PyTorch 1.6 and later. The same input gives the
/// same bytes.
/// </summary>
internal static class TorchArchiveWriter
{
    private const string Folder = "archive";
    private const string PickleName = $"{Folder}/data.pkl";
    private const string ByteOrderName = $"{Folder}/byteorder";
    private const string VersionName = $"{Folder}/version";

    private static readonly byte[] LittleEndian = "little"u8.ToArray();
    private static readonly byte[] Version = "3\n"u8.ToArray();

    private static readonly string[] Ends = [".pt", ".pth", ".bin"];

    /// <summary>
    /// Whether the name of a model's file asks for PyTorch's format: <c>.pt</c>, <c>.pth</c> or <c>.bin</c>. Any other asks for
    /// safetensors.
    /// </summary>
    public static bool IsTorchName(string path) => Ends.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase);

    /// <summary>Writes tensors by name: a state dict, as plain <c>torch.load(path, weights_only=True)</c> reads it.</summary>
    /// <param name="path">The target; its folder must exist, an existing file is replaced.</param>
    /// <param name="tensors">The tensors; names are unique.</param>
    /// <exception cref="ArgumentException">
    /// Two tensors have one name, a type is unknown to PyTorch, or a tensor wrote more or fewer bytes than its shape has.
    /// </exception>
    /// <exception cref="SnapViTException">The file would reach 4 GiB.</exception>
    /// <exception cref="IOException">The folder does not exist, the target is a directory, or the disk refuses the bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the target may not be written.</exception>
    public static void WriteStateDict(string path, IEnumerable<TensorToWrite> tensors) => Write(path, StateDict(tensors));

    /// <summary>Bytes of the file that <see cref="WriteStateDict"/> makes; no value is asked for.</summary>
    /// <param name="tensors">The tensors; names are unique.</param>
    public static long Length(IEnumerable<TensorToWrite> tensors)
    {
        (byte[] pickle, IReadOnlyList<TensorToWrite> storages) = PickleWriter.Write(StateDict(tensors));
        return ZipStoredWriter.Length(
        [
            (PickleName, pickle.Length),
            (ByteOrderName, LittleEndian.Length),
            .. storages.Select((tensor, index) => (StorageName(index), tensor.Entry.ByteLength)),
            (VersionName, Version.Length),
        ]);
    }

    private static OrderedDictionary<string, object?> StateDict(IEnumerable<TensorToWrite> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        OrderedDictionary<string, object?> root = [];
        foreach (TensorToWrite tensor in tensors)
        {
            if (!root.TryAdd(tensor.Entry.Name, tensor))
            {
                throw new ArgumentException(
                    $"the name {CheckpointFormatException.Quote(tensor.Entry.Name)} is given twice", nameof(tensors));
            }
        }

        return root;
    }

    /// <summary>Writes a tree of values.</summary>
    /// <param name="path">The target; its folder must exist, an existing file is replaced.</param>
    /// <param name="root">
    /// A dictionary of null, bool, int, long, double, string, lists (any <see cref="System.Collections.IList"/>), dictionaries with string
    /// keys, <see cref="TensorToWrite"/> (its name is not written) and <see cref="TorchEnumMember"/>. Files with enumerations load in
    /// Python only where their classes are at hand and allowed.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The tree holds something else or contains itself, or a tensor wrote more or fewer bytes than its shape has.
    /// </exception>
    /// <exception cref="SnapViTException">The file would reach 4 GiB.</exception>
    /// <exception cref="IOException">The folder does not exist, the target is a directory, or the disk refuses the bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the target may not be written.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, object?> root)
    {
        ArgumentNullException.ThrowIfNull(root);
        (byte[] pickle, IReadOnlyList<TensorToWrite> tensors) = PickleWriter.Write(root);
        CheckLength(pickle, tensors);
        AtomicFile.Write(path, stream =>
        {
            ZipStoredWriter zip = new(stream);
            zip.Add(PickleName, pickle);
            zip.Add(ByteOrderName, LittleEndian);
            for (int i = 0; i < tensors.Count; i++)
            {
                zip.Add(StorageName(i), tensors[i]);
            }

            zip.Add(VersionName, Version);
            zip.Finish();
        });
    }

    private static string StorageName(int index) => $"{Folder}/data/{index}";

    /// <summary>Larger files need 64-bit zip records; whoever has so much writes safetensors.</summary>
    private static void CheckLength(byte[] pickle, IReadOnlyList<TensorToWrite> tensors)
    {
        const int OtherEntries = 3;
        Int128 length = pickle.Length + (OtherEntries * ZipStoredWriter.Overhead(StorageName(0)));
        for (int i = 0; i < tensors.Count; i++)
        {
            length += tensors[i].Entry.ByteLength + ZipStoredWriter.Overhead(StorageName(i));
        }

        if (length > ZipStoredWriter.MaxLength || tensors.Count > ZipStoredWriter.MaxEntries - OtherEntries)
        {
            throw new SnapViTException(
                ErrorKind.File,
                $"expected a PyTorch file below 4 GiB with at most {ZipStoredWriter.MaxEntries - OtherEntries} tensors, "
                + $"found {length} bytes and {tensors.Count} tensors: write safetensors");
        }
    }
}
