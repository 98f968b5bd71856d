using Google.Protobuf;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Onnx;

/// <summary>Where the bytes of a graph's tensors go.</summary>
internal interface ITensorStore
{
    /// <summary>Stores a tensor, or finds it stored; gives what the graph holds of it.</summary>
    TensorProto Place(TensorToWrite tensor);
}

/// <summary>Tensors inside the graph.</summary>
internal sealed class InlineTensors : ITensorStore
{
    public TensorProto Place(TensorToWrite tensor)
    {
        byte[] bytes = new byte[tensor.Entry.ByteLength];
        using MemoryStream stream = new(bytes);
        tensor.Write(stream);
        TensorProto placed = Describe(tensor.Entry);
        placed.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
        return placed;
    }

    /// <summary>Name, type and shape, without the values.</summary>
    public static TensorProto Describe(TensorEntry entry)
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
        tensor.Dims.AddRange(entry.Shape);
        return tensor;
    }
}
