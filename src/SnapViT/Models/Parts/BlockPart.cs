using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>
/// One pre-norm block: <c>x + ls1 attention(norm1 x)</c>, then <c>x + ls2 mlp(norm2 x)</c>. A branch without heads or neurons is its bias
/// alone.
/// </summary>
internal sealed class BlockPart(ViTWeights weights, BlockSpec spec)
{
    private readonly NormLayer _norm1 = new(weights, spec.Norm1);
    private readonly NormLayer _norm2 = new(weights, spec.Norm2);
    private readonly ResidualPart _residual1 = new(weights, spec.LayerScale1);
    private readonly ResidualPart _residual2 = new(weights, spec.LayerScale2);

    private readonly int _prefixTokens = weights.Architecture.PrefixTokens;
    private readonly int _embedDim = weights.Architecture.EmbedDim;

    /// <summary>Attention.</summary>
    public AttentionPart Attention { get; } = new(weights, spec);

    /// <summary>The MLP.</summary>
    public MlpPart Mlp { get; } = new(weights, spec.Mlp);

    /// <summary>The layers whose inputs pruning removes, in the order of the forward pass.</summary>
    public IEnumerable<LinearLayer> PrunedInputs => spec.PrunedInputs.Select(layer => this[layer.Layer!.Value]);

    /// <summary>One of its linear layers.</summary>
    public LinearLayer this[BlockLinear layer] => layer switch
    {
        BlockLinear.Qkv => Attention.Qkv,
        BlockLinear.Proj => Attention.Proj,
        BlockLinear.Fc1 => Mlp.First,
        BlockLinear.Fc2 => Mlp.Last,
        _ => throw new ArgumentOutOfRangeException(nameof(layer), layer, "no linear layer of a block"),
    };

    /// <summary>Tokens [B, N, D] to those that leave the block, [B, M, D].</summary>
    /// <param name="stream">Tokens.</param>
    /// <param name="left">Tokens that leave it, M: the most similar patch tokens are merged between attention and MLP.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    /// <param name="hook">Sees the linear layers; null for none.</param>
    public TokenStream Forward(TokenStream stream, long left, RotaryPart? rotary, IForwardHook? hook)
    {
        long count = stream.Tokens.shape[1];
        Tensor x = AfterAttention(stream, count, rotary, hook, merges: left < count, out TokenAffinity? affinity);
        TokenStream merged = left == count ? stream.With(x) : stream.With(x).Merge(affinity ?? Affinity(stream), left, _prefixTokens);
        return merged.With(AfterMlp(merged.Tokens, hook));
    }

    /// <summary>
    /// The first tokens behind the block, [B, N, D] to [B, M, D]: what the others would become is not computed. Exactly as if it were.
    /// </summary>
    /// <param name="stream">Tokens.</param>
    /// <param name="first">Tokens that are wanted, M.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    public TokenStream ForwardFirst(TokenStream stream, long first, RotaryPart? rotary) =>
        new(AfterMlp(AfterAttention(stream, first, rotary, hook: null, merges: false, out _), hook: null));

    /// <summary>Tokens to those that leave the block.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="stream">Tokens.</param>
    /// <param name="left">Tokens that leave it.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    public GraphTokens Forward(OnnxGraph graph, GraphTokens stream, int left, RotaryPart? rotary)
    {
        bool merges = left < stream.Count;
        GraphTokens x = AfterAttention(graph, stream, stream.Count, rotary, merges, out GraphAffinity? affinity);
        return AfterMlp(graph, merges ? x.Merge(graph, affinity ?? Affinity(graph, stream), left, _prefixTokens) : x);
    }

    /// <summary>The first tokens behind the block.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="stream">Tokens.</param>
    /// <param name="first">Tokens that are wanted.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    public GraphTokens ForwardFirst(OnnxGraph graph, GraphTokens stream, int first, RotaryPart? rotary) =>
        AfterMlp(graph, AfterAttention(graph, stream, first, rotary, merges: false, out _));

    private GraphTokens AfterAttention(
        OnnxGraph graph, GraphTokens stream, int queries, RotaryPart? rotary, bool merges, out GraphAffinity? affinity)
    {
        GraphTokens wanted = queries == stream.Count ? stream : stream.First(graph, queries);
        if (Attention.IsEmpty)
        {
            affinity = null;
            return wanted.With(_residual1.Forward(graph, wanted.Rows, Attention.Proj.OnnxBias(graph)));
        }

        (string branch, affinity) = Attention.Forward(graph, _norm1.Forward(graph, stream.Rows), stream, queries, rotary, merges);
        return wanted.With(_residual1.Forward(graph, wanted.Rows, branch));
    }

    private GraphTokens AfterMlp(OnnxGraph graph, GraphTokens x) => x.With(_residual2.Forward(
        graph, x.Rows, Mlp.IsEmpty ? Mlp.Last.OnnxBias(graph) : Mlp.Forward(graph, _norm2.Forward(graph, x.Rows))));

    private GraphAffinity Affinity(OnnxGraph graph, GraphTokens stream) =>
        new(graph.Reshape(_norm1.Forward(graph, stream.Rows), -1, 1, stream.Count, _embedDim), _embedDim);

    private Tensor AfterAttention(
        TokenStream stream, long queries, RotaryPart? rotary, IForwardHook? hook, bool merges, out TokenAffinity? affinity)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = stream.Tokens;
        Tensor wanted = queries == x.shape[1] ? x : x.narrow(1, 0, queries);
        if (Attention.IsEmpty)
        {
            affinity = null;
            return _residual1.Forward(wanted, Attention.Proj.Bias!).MoveToOuterDisposeScope();
        }

        Tensor branch = Attention.Forward(_norm1.Forward(x), stream, queries, rotary, hook, merges, out affinity);
        affinity?.Keys.MoveToOuterDisposeScope();
        affinity?.Attention?.MoveToOuterDisposeScope();
        return _residual1.Forward(wanted, branch).MoveToOuterDisposeScope();
    }

    private Tensor AfterMlp(Tensor x, IForwardHook? hook)
    {
        using DisposeScope scope = NewDisposeScope();
        return _residual2.Forward(x, Mlp.IsEmpty ? Mlp.Last.Bias! : Mlp.Forward(_norm2.Forward(x), hook)).MoveToOuterDisposeScope();
    }

    /// <summary>What tokens are compared by in a block without heads: what attention would see.</summary>
    private TokenAffinity Affinity(TokenStream stream) => new(_norm1.Forward(stream.Tokens).unsqueeze(1));
}

/// <summary>What adds a branch to the residual stream, scaled per channel where the model has LayerScale.</summary>
internal sealed class ResidualPart(ViTWeights weights, ParameterSpec? layerScale)
{
    private readonly Tensor? _scale = weights.Find(layerScale);

    /// <summary><c>x + scale branch</c>.</summary>
    public Tensor Forward(Tensor x, Tensor branch) => x.Plus(_scale is null ? branch : branch * _scale);

    /// <summary><c>x + scale branch</c>.</summary>
    public string Forward(OnnxGraph graph, string x, string branch) =>
        graph.Add(x, _scale is null ? branch : graph.Multiply(branch, graph.Weights.Vector(layerScale!.Name, _scale)));
}
