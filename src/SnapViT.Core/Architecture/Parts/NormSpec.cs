namespace SnapViT.Core.Architecture.Parts;

/// <summary>The parameters of a LayerNorm: weight and bias, [D] each.</summary>
internal sealed class NormSpec
{
    /// <summary>The norm before the first block, where a model has one (CLIP).</summary>
    public static LayerName Pre { get; } = new("norm_pre");

    /// <summary>The norm after the last block.</summary>
    public static LayerName Final { get; } = new("norm");

    /// <summary>A norm of that name.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="architecture">The model.</param>
    /// <param name="block">Block, 0..L-1; null for a norm outside the blocks.</param>
    public NormSpec(LayerName name, ViTArchitecture architecture, int? block = null)
    {
        Weight = new ParameterSpec(name.Weight, [architecture.EmbedDim], ParameterRole.NormWeight) { Block = block };
        Bias = new ParameterSpec(name.Bias, [architecture.EmbedDim], ParameterRole.NormBias) { Block = block };
        Epsilon = architecture.LayerNormEpsilon;
    }

    /// <summary>Weight, [D].</summary>
    public ParameterSpec Weight { get; }

    /// <summary>Bias, [D].</summary>
    public ParameterSpec Bias { get; }

    /// <summary>What is added to the variance.</summary>
    public double Epsilon { get; }

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters => [Weight, Bias];
}
