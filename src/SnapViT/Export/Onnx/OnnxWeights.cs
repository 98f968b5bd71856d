using SnapViT.Core.Checkpoints;
using SnapViT.Elastic;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Export.Onnx;

/// <summary>
/// The weights of one model as values of a graph. Every pruned axis comes first: <c>fc2</c>, <c>w3</c> and <c>proj</c> are stored input-major,
/// so that what a sub-network keeps of a tensor in importance order is its first rows, one contiguous piece.
/// </summary>
/// <param name="graph">The graph.</param>
/// <param name="weights">The model's weights; stay the caller's.</param>
/// <param name="precision">How matrices are stored.</param>
/// <param name="storeOf">Where the tensors go that are made of the weight of that canonical name.</param>
internal sealed class OnnxWeights(OnnxGraph graph, ViTWeights weights, OnnxPrecision precision, Func<string, ITensorStore> storeOf)
{
    private const double LargestHalf = 65504;

    /// <summary>Whether the model has a tensor of that canonical name.</summary>
    public bool Has(string name) => weights.Find(name) is not null;

    /// <summary>The linear layer of that canonical name over rows [.., in] to [.., out].</summary>
    public string Linear(string x, string name)
    {
        using DisposeScope scope = NewDisposeScope();
        bool inputMajor = PrunedAxis.Of(name + ".weight", weights.Architecture) is { Dimension: 1 };
        Tensor weight = weights[name + ".weight"];
        string matrix = inputMajor
            ? Matrix(name + ".weight", weight.t(), outputs: 1, suffix: ".transposed")
            : Matrix(name + ".weight", weight.reshape(-1, weight.shape[^1]), outputs: 0);
        return graph.Gemm(x, matrix, Has(name + ".bias") ? Vector(name + ".bias") : null, transposed: !inputMajor);
    }

    /// <summary>The patch convolution: images [batch, 3, S, S] to [batch, D, g, g].</summary>
    public string Convolution(string images, string name, long stride)
    {
        using DisposeScope scope = NewDisposeScope();
        string kernel = Matrix(name + ".weight", weights[name + ".weight"], outputs: 0);
        return graph.Node(
            "Conv", Has(name + ".bias") ? [images, kernel, Vector(name + ".bias")] : [images, kernel], OnnxAttribute.Ints("strides", stride, stride));
    }

    /// <summary>The LayerNorm of that canonical name.</summary>
    public string Norm(string x, string name) =>
        graph.LayerNorm(x, Vector(name + ".weight"), Vector(name + ".bias"), weights.Architecture.LayerNormEpsilon);

    /// <summary>A bias, scale or token, flat: float32 in every precision.</summary>
    public string Vector(string name)
    {
        using Tensor flat = weights[name].reshape(-1);
        return Store(name, name, flat, ScalarType.Float32);
    }

    /// <summary>A table that was computed from the architecture and weights that are never pruned.</summary>
    public string Table(string name, Tensor values) => Store(name, name, values, ScalarType.Float32);

    private string Matrix(string source, Tensor values, int outputs, string suffix = "")
    {
        string name = source + suffix;
        return precision switch
        {
            OnnxPrecision.Float32 => Store(source, name, values, ScalarType.Float32),
            OnnxPrecision.Float16 => graph.Node(
                "Cast", [Store(source, name, RequireHalf(name, values), ScalarType.Float16)], OnnxAttribute.Int("to", (long)TensorProto.Types.DataType.Float)),
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
        TensorType stored = type switch { ScalarType.Int8 => TensorType.Int8, ScalarType.Float16 => TensorType.Float16, _ => TensorType.Float32 };
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
            : throw new ArgumentException($"{name}: expected values within half precision (up to {LargestHalf}), found {largest:G4}; write float32");
    }
}
