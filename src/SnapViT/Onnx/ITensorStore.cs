using Google.Protobuf;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Onnx;

/// <summary>Where the bytes of a graph's tensors go.</summary>
internal interface ITensorStore
{
    /// <summary>Stores a tensor, or finds it stored; gives what the graph holds of it.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="isOfHeads">
    /// Whether it is [A, rows of a head, ...], so that heads may be stored with more rows than are asked for: the graph then holds all rows
    /// of the first heads.
    /// </param>
    TensorProto Place(TensorToWrite tensor, bool isOfHeads);
}

/// <summary>Tensors inside the graph.</summary>
internal sealed class InlineTensors : ITensorStore
{
    public TensorProto Place(TensorToWrite tensor, bool isOfHeads)
    {
        byte[] bytes = new byte[tensor.Entry.ByteLength];
        using MemoryStream stream = new(bytes);
        tensor.Write(stream);
        TensorProto placed = Describe(tensor.Entry, tensor.Entry.Shape);
        placed.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
        return placed;
    }

    /// <summary>Name, type and shape, without the values.</summary>
    /// <param name="entry">Says name and type.</param>
    /// <param name="shape">The shape.</param>
    public static TensorProto Describe(TensorEntry entry, IReadOnlyList<long> shape)
    {
        TensorProto tensor = new()
        {
            Name = entry.Name,
            DataType = entry.Type switch
            {
                TensorType.Float32 => TensorProto.Types.DataType.Float,
                TensorType.Float16 => TensorProto.Types.DataType.Float16,
                TensorType.Int8 => TensorProto.Types.DataType.Int8,
                _ => throw new ArgumentException($"{entry}: no tensor of that type is written to ONNX", nameof(entry)),
            },
        };
        tensor.Dims.AddRange(shape);
        return tensor;
    }
}
