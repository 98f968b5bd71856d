using SnapViT.Onnx;

namespace SnapViT.Export;

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
