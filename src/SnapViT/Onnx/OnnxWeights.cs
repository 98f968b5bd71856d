using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Onnx;

/// <summary>The tensors of a model as values of a graph, each stored once.</summary>
/// <param name="graph">The graph.</param>
/// <param name="precision">How weights of linear layers and convolutions are stored.</param>
/// <param name="storeOf">Where the tensors go that are made of the weight of that canonical name.</param>
internal sealed class OnnxWeights(OnnxGraph graph, OnnxPrecision precision, Func<string, ITensorStore> storeOf)
{
    private const double LargestHalf = 65504;

    /// <summary>A bias, scale or token, flat: float32 in every precision.</summary>
    /// <param name="name">Its canonical name.</param>
    /// <param name="values">Its values, of any shape.</param>
    public string Vector(string name, Tensor values)
    {
        using Tensor flat = values.reshape(-1);
        return Store(name, name, flat, ScalarType.Float32);
    }

    /// <summary>A table that is computed from the architecture and from weights that are never pruned.</summary>
    /// <param name="name">A name that no weight has.</param>
    /// <param name="values">Computes it, when the graph does not have it yet.</param>
    public string Table(string name, Func<Tensor> values)
    {
        if (graph.Has(name))
        {
            return name;
        }

        using DisposeScope scope = NewDisposeScope();
        return Store(name, name, values(), ScalarType.Float32);
    }

    /// <summary>
    /// The weight of a linear layer or the kernel of a convolution, in the precision of the graph and float32 again where it is used.
    /// </summary>
    /// <param name="source">Its canonical name.</param>
    /// <param name="values">Its values in the layout of the graph.</param>
    /// <param name="outputs">The dimension of the output channels.</param>
    /// <param name="suffix">What its name in the graph adds to the canonical one.</param>
    /// <exception cref="SnapViTException">A value is beyond half precision, in which it is to be stored.</exception>
    public string Matrix(string source, Tensor values, int outputs, string suffix = "")
    {
        string name = source + suffix;
        return precision switch
        {
            OnnxPrecision.Float32 => Store(source, name, values, ScalarType.Float32),
            OnnxPrecision.Float16 => graph.Node(
                "Cast",
                [Store(source, name, RequireHalf(name, values), ScalarType.Float16)],
                OnnxAttribute.Int("to", (long)TensorProto.Types.DataType.Float)),
            OnnxPrecision.Int8 => Quantised(source, name, values, outputs),
            _ => throw new InvalidOperationException($"unknown precision {precision}"),
        };
    }

    private string Quantised(string source, string name, Tensor values, int outputs)
    {
        (Tensor integers, Tensor scales) = ChannelQuantisation.Of(values, outputs);
        return graph.Node(
            "DequantizeLinear",
            [Store(source, name, integers, ScalarType.Int8), Store(source, name + ".scale", scales, ScalarType.Float32)],
            OnnxAttribute.Int("axis", outputs));
    }

    private string Store(string source, string name, Tensor values, ScalarType type)
    {
        TensorType stored = type switch
        {
            ScalarType.Int8 => TensorType.Int8,
            ScalarType.Float16 => TensorType.Float16,
            _ => TensorType.Float32,
        };
        return graph.Initializer(storeOf(source).Place(new TensorToWrite(name, stored, values.shape, stream =>
        {
            using Tensor cast = values.to(type, CPU);
            using Tensor contiguous = cast.contiguous();
            stream.Write(contiguous.bytes);
        })));
    }

    private static Tensor RequireHalf(string name, Tensor values)
    {
        double largest = values.numel() == 0 ? 0 : values.to(ScalarType.Float32).abs().max().item<float>();
        return largest <= LargestHalf
            ? values
            : throw new SnapViTException(
                ErrorKind.Numbers,
                $"{name}: expected values within half precision (up to {LargestHalf}), found {largest:G4}; write float32");
    }
}
