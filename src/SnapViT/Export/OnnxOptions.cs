using System.Diagnostics.CodeAnalysis;

namespace SnapViT.Export;

/// <summary>How the weights of linear layers and of the patch convolution are stored. Arithmetic is float32 in all of them.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "The members are types; these are their names.")]
public enum OnnxPrecision
{
    /// <summary>As they are.</summary>
    Float32,

    /// <summary>Half precision, cast to float32 before use: half the bytes, and the residual stream cannot overflow.</summary>
    Float16,

    /// <summary>8-bit integers with one scale per output channel, dequantised before use (DequantizeLinear): a quarter of the bytes.</summary>
    Int8,
}

/// <summary>What a graph gives.</summary>
[Flags]
public enum OnnxOutputs
{
    /// <summary>All that the model has.</summary>
    All = 0,

    /// <summary>The pooled features, <c>features</c> [batch, D].</summary>
    Features = 1,

    /// <summary>The scores of the model's own classifier, <c>logits</c> [batch, classes].</summary>
    Logits = 2,
}

/// <summary>How models become ONNX graphs.</summary>
public sealed record OnnxOptions
{
    /// <summary>How weights are stored.</summary>
    public OnnxPrecision Precision { get; init; } = OnnxPrecision.Float32;

    /// <summary>What the graph gives; logits need a model with a classifier.</summary>
    public OnnxOutputs Outputs { get; init; } = OnnxOutputs.All;

    /// <summary>
    /// Bytes of weights, counted as float32, up to which they are inside the .onnx file; more go into one file beside it, since no protocol
    /// buffer exceeds 2 GiB. At most 2^31 - 2^24; 0 always puts them beside. Families always do.
    /// </summary>
    public long InlineLimit { get; init; } = 1L << 30;
}
