using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Onnx;

/// <summary>
/// Symmetric 8-bit quantisation with one scale per output channel: <c>w ~ scale q</c>, q in -127..127, scale = largest |w| / 127.
/// </summary>
internal static class ChannelQuantisation
{
    private const int Largest = 127;

    /// <summary>Integers as float32 of the same shape, and scales [out]. The tensors belong to the caller's dispose scope.</summary>
    /// <param name="values">Weights.</param>
    /// <param name="outputs">The axis of the output channels.</param>
    public static (Tensor Integers, Tensor Scales) Of(Tensor values, int outputs)
    {
        Tensor weights = values.to(ScalarType.Float32);
        long[] others = [.. Enumerable.Range(0, weights.shape.Length).Where(axis => axis != outputs)];
        Tensor largest = weights.abs().amax(others, keepdim: true);
        Tensor scales = where(largest.eq(zeros_like(largest)), ones_like(largest), largest.Div(Largest));
        return (weights.div(scales).round(), scales.reshape(-1));
    }
}
