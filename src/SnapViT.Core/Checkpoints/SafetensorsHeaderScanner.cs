using System.Text.Json;

namespace SnapViT.Core.Checkpoints;

/// <summary>Walks the JSON of a safetensors header and names the first thing that is not as the format says.</summary>
internal ref struct SafetensorsHeaderScanner
{
    private const int MaxDepth = 8;
    private readonly string _path;
    private Utf8JsonReader _json;

    public SafetensorsHeaderScanner(string path, ReadOnlySpan<byte> json)
    {
        _path = path;
        _json = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
    }

    public void BeginObject(string what) => Expect(JsonTokenType.StartObject, what, "an object");

    /// <summary>Moves to the next key of the current object; false at its end.</summary>
    public bool NextKey(out string key)
    {
        _json.Read();
        key = _json.TokenType == JsonTokenType.PropertyName ? Text("a key") : "";
        return _json.TokenType == JsonTokenType.PropertyName;
    }

    public string ReadString(string what)
    {
        Expect(JsonTokenType.String, what, "a string");
        return Text(what);
    }

    /// <summary>Nothing but white space may follow. The JSON reader itself refuses anything else.</summary>
    public void ExpectEnd() => _json.Read();

    /// <summary>Reads the description of one tensor and checks it by itself.</summary>
    public (TensorEntry Tensor, long Begin) ReadTensor(string name)
    {
        TensorType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        BeginObject(Of("the description", name));
        while (NextKey(out string key))
        {
            switch (key)
            {
                case "dtype" when type is null:
                    type = ReadType(name);
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(Of("shape", name), TensorEntry.MaxRank);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(Of("data_offsets", name), 2);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw new CheckpointFormatException(_path, $"{key} is given twice", name);
                default:
                    throw new CheckpointFormatException(
                        _path, $"expected dtype, shape and data_offsets, found {CheckpointFormatException.Quote(key)}", name);
            }
        }

        if (type is null || shape is null || offsets is null)
        {
            string missing = type is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            throw new CheckpointFormatException(_path, $"{missing} is missing", name);
        }

        return Check(name, type.Value, shape, offsets);
    }

    private readonly (TensorEntry Tensor, long Begin) Check(string name, TensorType type, long[] shape, long[] offsets)
    {
        if (offsets is not [>= 0 and var begin, var end] || end < begin)
        {
            throw new CheckpointFormatException(
                _path, $"expected data_offsets [begin, end] with 0 <= begin <= end, found [{string.Join(", ", offsets)}]", name);
        }

        if (TensorEntry.Measure(type, shape, out _, out long bytes) is { } fault)
        {
            throw new CheckpointFormatException(_path, fault, name);
        }

        if (end - begin != bytes)
        {
            throw new CheckpointFormatException(
                _path,
                $"expected {bytes} bytes for {type.SafetensorsName()}[{string.Join(", ", shape)}], "
                + $"found data_offsets of {end - begin} bytes",
                name);
        }

        return (new TensorEntry(name, type, shape), begin);
    }

    private TensorType ReadType(string name)
    {
        string found = ReadString(Of("dtype", name));
        return TensorTypeFacts.TryParseSafetensorsName(found, out TensorType type)
            ? type
            : throw new CheckpointFormatException(
                _path, $"expected a dtype of the format, found {CheckpointFormatException.Quote(found)}", name);
    }

    private long[] ReadNumbers(string what, int most)
    {
        Expect(JsonTokenType.StartArray, what, "an array of integers");
        List<long> numbers = [];
        while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
        {
            if (_json.TokenType != JsonTokenType.Number || !_json.TryGetInt64(out long number))
            {
                throw new CheckpointFormatException(
                    _path, $"{what}: expected integers of 63 bits, found {_json.TokenType} at byte {_json.TokenStartIndex} of the header");
            }

            numbers.Add(number);
            if (numbers.Count > most)
            {
                throw new CheckpointFormatException(_path, $"{what}: expected at most {most} numbers, found more");
            }
        }

        return [.. numbers];
    }

    private void Expect(JsonTokenType token, string what, string expected)
    {
        _json.Read();
        if (_json.TokenType != token)
        {
            throw new CheckpointFormatException(
                _path, $"{what}: expected {expected}, found {_json.TokenType} at byte {_json.TokenStartIndex} of the header");
        }
    }

    /// <summary>Text of the current token. JSON can escape half a surrogate pair, which is no text.</summary>
    private readonly string Text(string what)
    {
        try
        {
            return _json.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new CheckpointFormatException(
                _path,
                $"{what}: expected text, found an escape that is no character at byte {_json.TokenStartIndex} of the header",
                innerException: exception);
        }
    }

    private static string Of(string part, string name) => $"{part} of tensor {CheckpointFormatException.Quote(name)}";
}
