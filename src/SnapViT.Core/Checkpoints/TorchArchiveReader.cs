using System.Collections.ObjectModel;
using System.Text;
using SnapViT.Core.Checkpoints.Pickle;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// Reads a PyTorch checkpoint (<c>.pt</c>, <c>.pth</c>, <c>.bin</c>; the zip format of PyTorch 1.6 and later) without running anything in
/// it: names of tensors and plain values mean what they mean in Python, objects of any other class stay inert, and what only an attack
/// needs is refused. A whole pickled module and a TorchScript archive are read as the state dict that they hold.
/// </summary>
internal sealed class TorchArchiveReader : ITensorArchive
{
    private const int MaxPickle = 32 << 20;
    private const int MaxNameLength = 512;
    private const string PickleName = "data.pkl";

    private const long MostPassed = 4L << 30;

    /// <summary>How files of PyTorch before 1.6 begin: a pickled magic number.</summary>
    private static ReadOnlySpan<byte> LegacyStart => [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

    private readonly OrderedDictionary<string, TensorEntry> _entries = [];
    private readonly Dictionary<string, TorchTensor> _tensors = [];
    private readonly ZipArchiveFile _zip;
    private readonly long _mostPassed;
    private long _passed;

    private TorchArchiveReader(string path, ZipArchiveFile zip, long mostPassed)
    {
        (Path, _zip, _mostPassed, Tensors) = (path, zip, mostPassed, new ReadOnlyDictionary<string, TensorEntry>(_entries));
        string[] pickles =
            [.. zip.Entries.Keys.Where(name => name == PickleName || name.EndsWith($"/{PickleName}", StringComparison.Ordinal))];
        if (pickles is not [string pickle])
        {
            throw new CheckpointFormatException(path, pickles.Length > 1
                ? $"expected one {PickleName} in a PyTorch file, found {pickles.Length}"
                : $"expected a PyTorch file, found a zip archive of {zip.Entries.Count} other files{Example(zip)}: "
                    + "if the model is in it, unpack it first");
        }

        string folder = pickle[..^PickleName.Length];
        CheckByteOrder($"{folder}byteorder");
        Root = PickleMachine.Load(
            path,
            zip.ReadAll(zip.Entries[pickle], MaxPickle),
            key => zip.Entries.GetValueOrDefault($"{folder}data/{key}"),
            out string? rootClass);
        RootClass = rootClass;
        if (Root is IReadOnlyDictionary<string, object?> root)
        {
            Flatten("", root);
        }
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <summary>
    /// All that the file holds, as immutable values: null, bool, long (<see cref="System.Numerics.BigInteger"/> beyond 64 bits), double,
    /// string, <c>ReadOnlyMemory&lt;byte&gt;</c>, <c>IReadOnlyList&lt;object?&gt;</c> (list, tuple, set, torch.Size),
    /// <c>IReadOnlyDictionary&lt;string, object?&gt;</c> (dict, OrderedDict, argparse.Namespace; integer keys as decimal text; in the order
    /// of the file), <see cref="TorchTensor"/> and <see cref="TorchEnumMember"/>. Devices and dtypes are text: <c>cuda:0</c>,
    /// <c>torch.float32</c>. Modules are dictionaries of what they hold; keys that are neither text nor integers become text in angle
    /// brackets; objects of other classes are objects that say their class only.
    /// </summary>
    public object? Root { get; }

    /// <summary>The class of the whole where the file is a pickled module or a TorchScript archive; null for a dictionary.</summary>
    internal string? RootClass { get; }

    /// <summary>Always empty: what a PyTorch file says beside its tensors is in <see cref="Root"/>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => ReadOnlyDictionary<string, string>.Empty;

    /// <summary>
    /// The tensors of <see cref="Root"/> when it is a dictionary, also those of dictionaries inside it: keys joined by dots.
    /// </summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>Opens a file and reads all but the tensors' values; the file stays open until the reader is disposed.</summary>
    /// <exception cref="CheckpointFormatException">The file is no PyTorch file, a damaged one, or holds what is not allowed.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">The path is a directory or the disk fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <param name="path">The file.</param>
    /// <param name="mostPassed">The most bytes that are read only since they stand between the elements of tensors.</param>
    internal static TorchArchiveReader Open(string path, long mostPassed = MostPassed)
    {
        CheckpointFile file = CheckpointFile.Open(path);
        try
        {
            RefuseLegacy(file);
            return new TorchArchiveReader(path, new ZipArchiveFile(file), mostPassed);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, Span<byte> destination)
    {
        TensorEntry entry = this.Require(name, destination.Length);
        TorchTensor tensor = _tensors[name];
        int size = entry.Type.BitsPerElement() / 8;
        if (tensor.IsContiguous)
        {
            _zip.ReadIntact(tensor.Storage.Entry, tensor.Begin * size, destination);
            return;
        }

        long span = tensor.Span * size;
        if (span > Array.MaxLength)
        {
            throw new CheckpointFormatException(
                Path, $"its elements are spread over {span} bytes, at most {Array.MaxLength} can be gathered", name);
        }

        if (Interlocked.Add(ref _passed, span - destination.Length) > _mostPassed)
        {
            throw new CheckpointFormatException(
                Path, "too many tensors are spread over large storages: save copies of them, as tensor.clone() makes them", name);
        }

        byte[] spread = new byte[span];
        _zip.ReadIntact(tensor.Storage.Entry, tensor.Begin * size, spread);
        StridedGather.Copy(spread, tensor.Shape, tensor.Strides, size, destination);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _zip.Dispose();

    private static void RefuseLegacy(CheckpointFile file)
    {
        Span<byte> start = stackalloc byte[LegacyStart.Length];
        file.Read(0, start[..(int)Math.Min(start.Length, file.Length)]);
        if (start.SequenceEqual(LegacyStart))
        {
            throw new CheckpointFormatException(
                file.Path,
                "expected the zip format of PyTorch 1.6 and later, found the older one: "
                + "load and save it once with a newer PyTorch");
        }
    }

    private static string Example(ZipArchiveFile zip) =>
        zip.Entries.Keys.FirstOrDefault(name => !name.EndsWith('/')) is string first
            ? $", such as {CheckpointFormatException.Quote(first)}"
            : "";

    private void CheckByteOrder(string name)
    {
        string order = _zip.Entries.TryGetValue(name, out ZipEntry? entry)
            ? Encoding.ASCII.GetString(_zip.ReadAll(entry, most: 16))
            : "little";
        if (order != "little")
        {
            throw new CheckpointFormatException(
                Path, $"expected little-endian tensors, found byteorder {CheckpointFormatException.Quote(order)}");
        }
    }

    private void Flatten(string prefix, IReadOnlyDictionary<string, object?> dictionary)
    {
        foreach ((string key, object? value) in dictionary)
        {
            if (value is TorchTensor tensor)
            {
                Add(prefix + key, tensor);
            }
            else if (value is IReadOnlyDictionary<string, object?> { Count: > 0 } inner)
            {
                Flatten(Bounded(prefix + key) + ".", inner);
            }
        }
    }

    private void Add(string name, TorchTensor tensor)
    {
        if (!_tensors.TryAdd(Bounded(name), tensor))
        {
            throw new CheckpointFormatException(Path, "two tensors have this name when the keys of nested dictionaries are joined", name);
        }

        _entries.Add(name, new TensorEntry(name, tensor.Type, tensor.Shape));
    }

    private string Bounded(string name) => name.Length <= MaxNameLength
        ? name
        : throw new CheckpointFormatException(Path, $"expected a name of at most {MaxNameLength} characters, found {name.Length}", name);
}
