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

/// <summary>What a budget limits.</summary>
public enum CostUnit
{
    /// <summary>FLOPs of one image (<see cref="CostModel"/>).</summary>
    Flops,

    /// <summary>Learned parameters.</summary>
    Parameters,

    /// <summary>Bytes of the model file.</summary>
    FileBytes,

    /// <summary>Nanoseconds of one forward pass, predicted by a latency table.</summary>
    Nanoseconds,
}

/// <summary>
/// What a model costs. FLOPs of one image over N tokens, a multiplication and an addition as two: per block with A heads and H neurons
/// <c>MLP 4DHN</c> (SwiGLU <c>6DHN</c>), <c>qkv 6DdAN</c>, <c>proj 2DdAN</c>, <c>attention 4AdN^2 + 3AN^2</c>; once the patch embedding
/// <c>2 (N - prefix) p^2 3 D</c>. Norms, activations, pooling and classifiers are not counted (the reference's formula). With fewer
/// dimensions in a head, d is q for queries and keys and v for values and their projection; where tokens are merged, attention sees those
/// that enter the block and the MLP those that leave it, and finding the pairs adds <c>q N^2 / 2</c> over the patch tokens. A last block
/// that gives nothing but the pooled tokens has queries, projection and MLP of those alone. Parameters are exact.
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
        ArgumentNullException.ThrowIfNull(widths);
        widths.RequireFit(architecture);
        int fewer = convention == FlopConvention.Reference ? architecture.Tokens - (architecture.Patches + 1) : 0;
        return Flops(architecture, widths, fewer);
    }

    /// <summary>
    /// FLOPs that one unit of an axis saves while everything else is whole: a neuron <c>4DN</c> or <c>6DN</c>, a head <c>8DdN + 4dN^2 +
    /// 3N^2</c>.
    /// </summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="convention">Which tokens are counted.</param>
    public static long UnitFlops(ViTArchitecture architecture, Axis axis, FlopConvention convention = FlopConvention.True)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        SubnetWidths full = architecture.FullWidths;
        return Flops(architecture, full, convention) - Flops(architecture, OneLess(full, axis), convention);
    }

    /// <summary>
    /// Parameters that one unit of an axis owns: of a neuron its rows with biases and its column, of a head its query, key and value rows
    /// with biases and its columns of the projection.
    /// </summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="axis">The axis.</param>
    public static long UnitParameters(ViTArchitecture architecture, Axis axis)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        SubnetWidths full = architecture.FullWidths;
        return Parameters(architecture, full) - Parameters(architecture, OneLess(full, axis));
    }

    /// <summary>FLOPs of widths that are known to fit, for searches that ask a hundred thousand times.</summary>
    internal static long FlopsOfFitting(ViTArchitecture architecture, SubnetWidths widths) => Flops(architecture, widths, fewer: 0);

    /// <summary>Parameters that the blocks own which pruning can remove, of widths that are known to fit.</summary>
    internal static long PrunableParameters(ViTArchitecture architecture, SubnetWidths widths)
    {
        long parameters = 0, ofNeuron = MlpSpec.NeuronParameters(architecture);
        for (int block = 0; block < widths.Count; block++)
        {
            parameters += AttentionSpec.PrunableParameters(architecture, widths[block]) + (widths[block][Axis.Neurons] * ofNeuron);
        }

        return parameters;
    }

    private static long Flops(ViTArchitecture architecture, SubnetWidths widths, int fewer)
    {
        long flops = PatchEmbeddingSpec.Flops(architecture);
        for (int block = 0; block < widths.Count; block++)
        {
            flops += BlockFlops(architecture, widths, block, fewer);
        }

        return flops;
    }

    private static SubnetWidths OneLess(SubnetWidths full, Axis axis) => full.With(0, axis, full[0][axis] - 1);

    private static long BlockFlops(ViTArchitecture a, SubnetWidths widths, int block, int fewer)
    {
        BlockWidths kept = widths[block];
        long into = widths.TokensInto(a, block) - fewer, left = kept[Axis.Tokens] - fewer;
        bool isPooled = block == widths.Count - 1 && a.PooledTokens > 0 && kept[Axis.Tokens] < widths.TokensInto(a, block);
        left = isPooled ? kept[Axis.Tokens] : left;
        return AttentionSpec.Flops(a, kept, into, isPooled ? left : into)
            + (isPooled ? 0 : AttentionSpec.MatchingFlops(a, kept, into, left))
            + (kept[Axis.Neurons] * MlpSpec.NeuronFlops(a, left));
    }
}
