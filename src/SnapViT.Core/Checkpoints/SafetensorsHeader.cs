using System.Collections.ObjectModel;
using System.Text.Json;
using System.Text.Unicode;

namespace SnapViT.Core.Checkpoints;

/// <summary>The checked JSON header of a safetensors file.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Most bytes of a header: the limit of the format.</summary>
    public const int MaxLength = 100_000_000;

    /// <summary>The one key of the header that is no tensor.</summary>
    public const string MetadataKey = "__metadata__";

    private readonly OrderedDictionary<string, TensorEntry> _tensors = [];
    private readonly Dictionary<string, long> _begins = [];
    private readonly OrderedDictionary<string, string> _metadata = [];
    private readonly string _path;

    private SafetensorsHeader(string path)
    {
        _path = path;
        Tensors = new ReadOnlyDictionary<string, TensorEntry>(_tensors);
        Metadata = new ReadOnlyDictionary<string, string>(_metadata);
    }

    /// <summary>The tensors in the order of the header.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>First byte of every tensor, counted from the end of the header.</summary>
    public IReadOnlyDictionary<string, long> Begins => _begins;

    /// <summary>The free text of the header.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The header's bytes.</param>
    /// <param name="dataLength">Bytes after the header.</param>
    /// <exception cref="CheckpointFormatException">Anything is wrong.</exception>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        if (json[0] != '{')
        {
            throw new CheckpointFormatException(path, $"expected a header that begins with '{{', found byte 0x{json[0]:x2}");
        }

        if (!Utf8.IsValid(json))
        {
            throw new CheckpointFormatException(path, "expected a header in UTF-8, found invalid bytes");
        }

        SafetensorsHeader header = new(path);
        try
        {
            header.ReadEntries(json);
        }
        catch (JsonException exception)
        {
            throw new CheckpointFormatException(path, $"the header is no valid JSON: {exception.Message}", innerException: exception);
        }

        header.CheckCoverage(dataLength);
        return header;
    }

    private void ReadEntries(ReadOnlySpan<byte> json)
    {
        SafetensorsHeaderScanner scanner = new(_path, json);
        HashSet<string> names = [];
        scanner.BeginObject("the header");
        while (scanner.NextKey(out string name))
        {
            if (!names.Add(name))
            {
                throw new CheckpointFormatException(_path, "the header names it twice", name);
            }

            if (name == MetadataKey)
            {
                ReadMetadata(ref scanner);
            }
            else
            {
                (TensorEntry tensor, long begin) = scanner.ReadTensor(name);
                _tensors.Add(name, tensor);
                _begins.Add(name, begin);
            }
        }

        scanner.ExpectEnd();
    }

    private void ReadMetadata(ref SafetensorsHeaderScanner scanner)
    {
        scanner.BeginObject(MetadataKey);
        while (scanner.NextKey(out string key))
        {
            if (!_metadata.TryAdd(key, scanner.ReadString($"{MetadataKey} {CheckpointFormatException.Quote(key)}")))
            {
                throw new CheckpointFormatException(_path, $"{MetadataKey} has the key {CheckpointFormatException.Quote(key)} twice");
            }
        }
    }

    /// <summary>The tensors must cover the data from first to last byte, without hole or overlap.</summary>
    private void CheckCoverage(long dataLength)
    {
        long covered = 0;
        foreach (TensorEntry tensor in _tensors.Values.OrderBy(tensor => _begins[tensor.Name]).ThenBy(tensor => tensor.ByteLength))
        {
            long begin = _begins[tensor.Name];
            if (begin != covered)
            {
                string fault = begin < covered ? "overlaps the tensor before it" : "leaves a hole before it";
                throw new CheckpointFormatException(
                    _path, $"{fault}: expected to begin at byte {covered} of the data, found {begin}", tensor.Name);
            }

            if (tensor.ByteLength > dataLength - begin)
            {
                throw new CheckpointFormatException(
                    _path,
                    $"bytes {begin} to {begin + tensor.ByteLength} "
                    + $"lie outside the data of {dataLength} bytes: the file is cut or damaged",
                    tensor.Name);
            }

            covered = begin + tensor.ByteLength;
        }

        if (covered != dataLength)
        {
            throw new CheckpointFormatException(
                _path, $"expected {covered} bytes of data, found {dataLength}: bytes that belong to no tensor");
        }
    }
}
