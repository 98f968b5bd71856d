using System.Collections;
using SnapViT.Core.Architecture.Parts;

namespace SnapViT.Core.Architecture;

/// <summary>
/// Every learned tensor that an architecture with given widths has, as <see cref="ParameterSpec"/> in the order of the forward pass, and
/// the parts that they belong to. What a checkpoint must hold, what a model is built from and what is written are all this one table.
/// </summary>
internal sealed class ParameterTable : IReadOnlyList<ParameterSpec>
{
    private readonly ParameterSpec[] _parameters;

    private ParameterTable(ViTArchitecture architecture, SubnetWidths widths)
    {
        ViTArchitecture a = architecture;
        Tokens = new TokensSpec(a);
        PatchEmbedding = new PatchEmbeddingSpec(a);
        PreNorm = a.HasPreNorm ? new NormSpec(NormSpec.Pre, a) : null;
        Blocks = [.. widths.Select((block, index) => new BlockSpec(a, index, block))];
        Norm = new NormSpec(NormSpec.Final, a);
        AttentionPool = a.Pooling == Pooling.Attention ? new AttentionPoolSpec(a) : null;
        Output = new OutputSpec(a);
        _parameters =
        [
            .. Tokens.Parameters,
            .. PatchEmbedding.Layer.Parameters,
            .. PreNorm?.Parameters ?? [],
            .. Blocks.SelectMany(block => block.Parameters),
            .. Norm.Parameters,
            .. AttentionPool?.Parameters ?? [],
            .. Output.Parameters,
        ];
    }

    /// <summary>Learned tokens and positions.</summary>
    public TokensSpec Tokens { get; }

    /// <summary>The patch embedding.</summary>
    public PatchEmbeddingSpec PatchEmbedding { get; }

    /// <summary>The norm before the first block; null where the model has none.</summary>
    public NormSpec? PreNorm { get; }

    /// <summary>The blocks, L.</summary>
    public IReadOnlyList<BlockSpec> Blocks { get; }

    /// <summary>The norm after the last block.</summary>
    public NormSpec Norm { get; }

    /// <summary>The attention pool; null where the model pools otherwise.</summary>
    public AttentionPoolSpec? AttentionPool { get; }

    /// <summary>Projection and classifiers.</summary>
    public OutputSpec Output { get; }

    /// <inheritdoc/>
    public int Count => _parameters.Length;

    /// <inheritdoc/>
    public ParameterSpec this[int index] => _parameters[index];

    /// <summary>The table of a model.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block; <see cref="ViTArchitecture.FullWidths"/> for the unpruned model.</param>
    /// <exception cref="ArgumentException">The widths have another number of blocks, or exceed the architecture's.</exception>
    public static ParameterTable For(ViTArchitecture architecture, SubnetWidths widths)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ArgumentNullException.ThrowIfNull(widths);
        widths.RequireFit(architecture);
        return new ParameterTable(architecture, widths);
    }

    /// <inheritdoc/>
    public IEnumerator<ParameterSpec> GetEnumerator() => ((IEnumerable<ParameterSpec>)_parameters).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
