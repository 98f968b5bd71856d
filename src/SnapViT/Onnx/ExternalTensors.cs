using System.Globalization;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Onnx;

/// <summary>
/// Tensors in one file beside the graphs, each written once: a tensor of a name that is there already is the first rows of that one, so
/// graphs of any widths point at prefixes of the same bytes. Of heads with fewer dimensions the graph takes what it needs out of all rows
/// of the first heads.
/// </summary>
/// <param name="stream">The file.</param>
/// <param name="location">Its name, as graphs in the same folder say it.</param>
internal sealed class ExternalTensors(Stream stream, string location) : ITensorStore
{
    private const int Page = 4096;
    private const int CacheLine = 64;

    private readonly Dictionary<string, (long Offset, TensorEntry Entry)> _written = [];

    public TensorProto Place(TensorToWrite tensor, bool isOfHeads)
    {
        if (!_written.TryGetValue(tensor.Entry.Name, out (long Offset, TensorEntry Entry) found))
        {
            found = (Write(tensor), tensor.Entry);
            _written.Add(tensor.Entry.Name, found);
        }

        RequirePrefix(tensor.Entry, found.Entry, isOfHeads);
        TensorProto placed = InlineTensors.Describe(tensor.Entry, [.. tensor.Entry.Shape.Take(1), .. found.Entry.Shape.Skip(1)]);
        long length = found.Entry.Shape is [> 0 and long rows, ..] ? found.Entry.ByteLength / rows * tensor.Entry.Shape[0] : 0;
        placed.DataLocation = TensorProto.Types.DataLocation.External;
        placed.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        placed.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = found.Offset.ToString(CultureInfo.InvariantCulture) });
        placed.ExternalData.Add(
            new StringStringEntryProto { Key = "length", Value = length.ToString(CultureInfo.InvariantCulture) });
        return placed;
    }

    /// <summary>A tensor of a page or more begins a page, so that it can be mapped; smaller ones waste no page.</summary>
    private long Write(TensorToWrite tensor)
    {
        int alignment = tensor.Entry.ByteLength >= Page ? Page : CacheLine;
        long offset = (stream.Position + alignment - 1) / alignment * alignment;
        stream.Position = offset;
        tensor.Write(stream);
        return stream.Position - offset == tensor.Entry.ByteLength
            ? offset
            : throw new InvalidOperationException(
                $"{tensor.Entry}: expected {tensor.Entry.ByteLength} bytes, found {stream.Position - offset}");
    }

    private static void RequirePrefix(TensorEntry asked, TensorEntry stored, bool isOfHeads)
    {
        int free = isOfHeads ? 2 : 1;
        bool prefix = asked.Type == stored.Type
            && asked.Shape.Count == stored.Shape.Count
            && asked.Shape.Skip(free).SequenceEqual(stored.Shape.Skip(free))
            && asked.Shape.Zip(stored.Shape).All(pair => pair.First <= pair.Second);
        if (!prefix)
        {
            throw new ArgumentException($"{asked}: expected the first rows of {stored}");
        }
    }
}
