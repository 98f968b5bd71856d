using System.Buffers.Binary;
using System.Collections.ObjectModel;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// Reads NumPy's <c>.npz</c>: a zip of arrays, as Google publishes its Vision Transformers (AugReg). Arrays of Python objects are refused:
/// reading them would run what they hold.
/// </summary>
/// <remarks>Format: numpy/lib/format.py, versions 1 to 3.</remarks>
internal sealed partial class NpzReader : ITensorArchive
{
    private const string ArrayEnd = ".npy";
    private const int MagicLength = 8;
    private const int MaxHeader = 1 << 16;

    private readonly ZipArchiveFile _zip;
    private readonly OrderedDictionary<string, TensorEntry> _entries = [];
    private readonly Dictionary<string, (ZipEntry Entry, long Begin, bool ColumnsFirst)> _arrays = [];

    private NpzReader(string path, ZipArchiveFile zip)
    {
        (Path, _zip, Tensors) = (path, zip, new ReadOnlyDictionary<string, TensorEntry>(_entries));
        foreach (ZipEntry entry in zip.Entries.Values.Where(entry => entry.Name.EndsWith(ArrayEnd, StringComparison.Ordinal)))
        {
            Add(entry);
        }
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <summary>Always empty.</summary>
    public IReadOnlyDictionary<string, string> Metadata => ReadOnlyDictionary<string, string>.Empty;

    /// <summary>The arrays by the names of their files without <c>.npy</c>.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Whether a zip with these entries is NumPy's.</summary>
    public static bool IsNpz(IEnumerable<string> entries)
    {
        string[] files = [.. entries.Where(name => !name.EndsWith('/'))];
        return files.Length > 0 && files.All(name => name.EndsWith(ArrayEnd, StringComparison.Ordinal));
    }

    /// <inheritdoc cref="TorchArchiveReader.Open"/>
    public static NpzReader Open(string path)
    {
        CheckpointFile file = CheckpointFile.Open(path);
        try
        {
            return new NpzReader(path, new ZipArchiveFile(file));
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
        TensorEntry tensor = this.Require(name, destination.Length);
        (ZipEntry entry, long begin, bool columnsFirst) = _arrays[name];
        if (!columnsFirst || tensor.ElementCount == 0)
        {
            _zip.ReadIntact(entry, begin, destination);
            return;
        }

        byte[] bytes = new byte[destination.Length];
        _zip.ReadIntact(entry, begin, bytes);
        long[] strides = new long[tensor.Shape.Count];
        long stride = 1;
        for (int i = 0; i < strides.Length; i++)
        {
            strides[i] = stride;
            stride *= tensor.Shape[i];
        }

        StridedGather.Copy(bytes, tensor.Shape, strides, tensor.Type.BitsPerElement() / 8, destination);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _zip.Dispose();

    private static TensorType? TypeOf(string descr) => descr switch
    {
        "<f8" => TensorType.Float64,
        "<f4" => TensorType.Float32,
        "<f2" => TensorType.Float16,
        "<i8" => TensorType.Int64,
        "<i4" => TensorType.Int32,
        "<i2" => TensorType.Int16,
        "|i1" => TensorType.Int8,
        "<u8" => TensorType.UInt64,
        "<u4" => TensorType.UInt32,
        "<u2" => TensorType.UInt16,
        "|u1" => TensorType.UInt8,
        "|b1" => TensorType.Bool,
        "|V2" => TensorType.BFloat16,
        _ => null,
    };

    private void Add(ZipEntry entry)
    {
        string name = entry.Name[..^ArrayEnd.Length];
        (string header, long begin) = ReadHeader(entry, name);
        if (Header().Match(header) is not { Success: true } match)
        {
            throw new CheckpointFormatException(
                Path, $"expected the header of a NumPy array, found {CheckpointFormatException.Quote(header)}", name);
        }

        string descr = match.Groups["descr"].Value;
        TensorType type = TypeOf(descr)
            ?? throw new CheckpointFormatException(
                Path, $"expected little-endian numbers, found the type {CheckpointFormatException.Quote(descr)}", name);
        string[] sizes = match.Groups["shape"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        long[] shape = new long[sizes.Length];
        for (int i = 0; i < sizes.Length; i++)
        {
            shape[i] = long.TryParse(sizes[i].TrimEnd('L'), NumberStyles.None, CultureInfo.InvariantCulture, out long size)
                ? size
                : throw new CheckpointFormatException(Path, $"expected a size, found {CheckpointFormatException.Quote(sizes[i])}", name);
        }

        if (TensorEntry.Measure(type, shape, out _, out long bytes) is string fault)
        {
            throw new CheckpointFormatException(Path, fault, name);
        }

        if (bytes != entry.Size - begin)
        {
            throw new CheckpointFormatException(
                Path, $"expected {bytes} bytes for the shape [{string.Join(", ", shape)}], found {entry.Size - begin}", name);
        }

        _entries.Add(name, new TensorEntry(name, type, shape));
        _arrays.Add(name, (entry, begin, match.Groups["order"].Value == "True" && shape.Length > 1));
    }

    private (string Header, long Begin) ReadHeader(ZipEntry entry, string name)
    {
        byte[] start = new byte[Math.Min(entry.Size, MagicLength + sizeof(uint))];
        _zip.ReadIntact(entry, 0, start);
        if (start.Length < MagicLength + sizeof(uint) || !start.AsSpan().StartsWith(Magic) || start[6] is < 1 or > 3)
        {
            throw new CheckpointFormatException(Path, "expected a NumPy array, found another file", name);
        }

        bool isShort = start[6] == 1;
        long length = isShort
            ? BinaryPrimitives.ReadUInt16LittleEndian(start.AsSpan(MagicLength))
            : BinaryPrimitives.ReadUInt32LittleEndian(start.AsSpan(MagicLength));
        long begin = MagicLength + (isShort ? sizeof(ushort) : sizeof(uint));
        if (length > MaxHeader || length > entry.Size - begin)
        {
            throw new CheckpointFormatException(Path, $"expected the header of a NumPy array, found a length of {length}", name);
        }

        byte[] header = new byte[begin + length];
        _zip.ReadIntact(entry, 0, header);
        return (Encoding.UTF8.GetString(header.AsSpan((int)begin)).TrimEnd(), begin + length);
    }

    [GeneratedRegex(
        @"\A\{\s*'descr':\s*'(?<descr>[^']*)',\s*'fortran_order':\s*(?<order>True|False),"
        + @"\s*'shape':\s*\((?<shape>[0-9L,\s]*)\),?\s*\}\s*\z",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Header();
}
