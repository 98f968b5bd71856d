using SnapViT.Core.Architecture.Parts;

namespace SnapViT.Core.Architecture;

/// <summary>Which tokens the FLOP count sees.</summary>
public enum FlopConvention
{
    /// <summary>The tokens that the model has.</summary>
    True,

    /// <summary>One class token and the patches, whatever the model has, as the reference counts.</summary>
    Reference,
}

/// <summary>
/// What a model costs. FLOPs of one image over N tokens, a multiplication and an addition as two: per block with A heads and H neurons
/// <c>MLP 4DHN</c> (SwiGLU <c>6DHN</c>), <c>qkv 6DdAN</c>, <c>proj 2DdAN</c>, <c>attention 4AdN^2 + 3AN^2</c>; once the patch embedding
/// <c>2 (N - prefix) p^2 3 D</c>. Norms, activations, pooling and classifiers are not counted (the reference's formula). Parameters are exact.
/// </summary>
public static class CostModel
{
    /// <summary>Learned parameters, every tensor counted.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block.</param>
    public static long Parameters(ViTArchitecture architecture, SubnetWidths widths) =>
        ParameterTable.For(architecture, widths).Sum(parameter => parameter.Elements);

    /// <summary>FLOPs of one image.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block.</param>
    /// <param name="convention">Which tokens are counted.</param>
    public static long Flops(ViTArchitecture architecture, SubnetWidths widths, FlopConvention convention = FlopConvention.True)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ParameterTable.RequireFit(architecture, widths);
        return PatchEmbeddingSpec.Flops(architecture)
            + (widths.TotalNeurons * NeuronFlops(architecture, convention))
            + (widths.TotalHeads * HeadFlops(architecture, convention));
    }

    /// <summary>FLOPs that one neuron costs, <c>4DN</c> or <c>6DN</c>.</summary>
    public static long NeuronFlops(ViTArchitecture architecture, FlopConvention convention = FlopConvention.True)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        return MlpSpec.NeuronFlops(architecture, Tokens(architecture, convention));
    }

    /// <summary>FLOPs that one head costs, <c>8DdN + 4dN^2 + 3N^2</c>.</summary>
    public static long HeadFlops(ViTArchitecture architecture, FlopConvention convention = FlopConvention.True)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        return AttentionSpec.HeadFlops(architecture, Tokens(architecture, convention));
    }

    /// <summary>Parameters that one neuron owns: its rows with biases and its column.</summary>
    public static long NeuronParameters(ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        return MlpSpec.NeuronParameters(architecture);
    }

    /// <summary>Parameters that one head owns: its query, key and value rows with biases and its columns of the projection.</summary>
    public static long HeadParameters(ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        return AttentionSpec.HeadParameters(architecture);
    }

    private static long Tokens(ViTArchitecture architecture, FlopConvention convention) =>
        convention == FlopConvention.Reference ? architecture.Patches + 1 : architecture.Tokens;
}
