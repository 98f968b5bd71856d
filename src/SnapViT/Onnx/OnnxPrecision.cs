using System.Diagnostics.CodeAnalysis;

namespace SnapViT.Onnx;

/// <summary>How the weights of linear layers and of the patch convolution are stored. Arithmetic is float32 in all of them.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "The members are types; these are their names.")]
public enum OnnxPrecision
{
    /// <summary>As they are.</summary>
    Float32,

    /// <summary>Half precision, cast to float32 before use: half the bytes, and the residual stream cannot overflow.</summary>
    Float16,

    /// <summary>
    /// 8-bit integers with one scale per output channel, dequantised before use (DequantizeLinear): a quarter of the bytes.
    /// </summary>
    Int8,
}
