using SnapViT.Core.Architecture;
using SnapViT.Models;
using SnapViT.Onnx;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Export;

/// <summary>
/// The model that an ONNX graph with smaller weights computes, in torch: every weight is what the graph's stored one stands for.
/// </summary>
internal static class DequantizedModel
{
    /// <summary>Rounds weights as <see cref="OnnxExport.Save"/> stores them.</summary>
    /// <param name="model">The model; stays the caller's.</param>
    /// <param name="precision">The graph's precision.</param>
    /// <returns>A model of its own, in float32.</returns>
    public static VisionTransformer Of(VisionTransformer model, OnnxPrecision precision)
    {
        ArgumentNullException.ThrowIfNull(model);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        return new VisionTransformer(model.Weights.Map(model.Widths, (parameter, tensor) =>
            parameter.IsWeight ? Rounded(parameter, tensor, precision) : tensor.to(ScalarType.Float32, copy: true)));
    }

    private static Tensor Rounded(ParameterSpec parameter, Tensor tensor, OnnxPrecision precision)
    {
        using DisposeScope scope = NewDisposeScope();
        return Stored(parameter, tensor, precision).to(ScalarType.Float32, copy: true).MoveToOuterDisposeScope();
    }

    private static Tensor Stored(ParameterSpec parameter, Tensor tensor, OnnxPrecision precision)
    {
        if (precision != OnnxPrecision.Int8 || tensor.numel() == 0)
        {
            return precision == OnnxPrecision.Float16 ? tensor.to(ScalarType.Float16) : tensor;
        }

        Tensor rows = parameter.ToCheckpoint(tensor).reshape(parameter.Shape[0], -1);
        (Tensor integers, Tensor scales) = ChannelQuantisation.Of(rows, outputs: 0);
        return parameter.ToModel(integers.mul(scales.unsqueeze(1)).reshape([.. parameter.Shape]));
    }
}
