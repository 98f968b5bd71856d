using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary>Multi-head self-attention of one block over the heads, and the dimensions inside them, that it keeps.</summary>
internal sealed class AttentionPart(ViTWeights weights, BlockSpec block)
{
    private readonly ViTArchitecture _architecture = weights.Architecture;
    private readonly AttentionSpec _spec = block.Attention;

    /// <summary>Queries, keys and values in one layer: weight [A, 3, max(q, v), D], bias [A, 3, max(q, v)].</summary>
    public LinearLayer Qkv { get; } = new(weights, block.Attention.Qkv);

    /// <summary>The output projection: weight [D, A, v].</summary>
    public LinearLayer Proj { get; } = new(weights, block.Attention.Proj);

    /// <summary>Whether no head is left; the branch is then the bias of <see cref="Proj"/> alone.</summary>
    public bool IsEmpty => _spec.Heads == 0;

    private bool IsWhole => _spec.QueryKeyDims == _architecture.HeadDim && _spec.ValueDims == _architecture.HeadDim;

    /// <summary>Tokens after the norm, [B, N, D], to [B, M, D].</summary>
    /// <param name="x">Tokens.</param>
    /// <param name="stream">What is known of them.</param>
    /// <param name="queries">The first tokens whose output is wanted, M; N for all.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    /// <param name="hook">Sees the linear layers; null for none.</param>
    /// <param name="merges">Whether tokens are merged behind it.</param>
    /// <param name="affinity">What they are compared by then; null where none is.</param>
    public Tensor Forward(
        Tensor x, TokenStream stream, long queries, RotaryPart? rotary, IForwardHook? hook, bool merges, out TokenAffinity? affinity)
    {
        using DisposeScope scope = NewDisposeScope();
        long batch = x.shape[0];
        (Tensor q, Tensor k, Tensor v) = QueriesKeysValues(x.to(Qkv.Weight.dtype), queries, hook);
        Tensor keys = k;
        if (rotary is not null)
        {
            (q, k) = (rotary.Forward(q, stream, block.Block), rotary.Forward(k, stream, block.Block));
        }

        Tensor mixed = ScaledDotProduct.Attend(q, k, v, Math.Sqrt(_architecture.HeadDim), stream.KeyBias(q.dtype));
        mixed = mixed.transpose(1, 2).reshape(batch, queries, (long)_spec.Heads * _spec.ValueDims);
        Tensor output = Proj.Forward(mixed);
        hook?.Observe(block.Block, BlockLinear.Proj, mixed, output);
        affinity = merges ? new TokenAffinity(keys.MoveToOuterDisposeScope(), OfClassToken(q, k, stream)?.MoveToOuterDisposeScope()) : null;
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>Attention that the class token pays to every token, [B, N]; null where the model has none.</summary>
    private Tensor? OfClassToken(Tensor queries, Tensor keys, TokenStream stream)
    {
        if (_architecture.PrefixTokens == 0)
        {
            return null;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor asked = queries.narrow(2, 0, 1).to(ScalarType.Float32).Div(Math.Sqrt(_architecture.HeadDim));
        Tensor logits = (asked * keys.to(ScalarType.Float32)).sum([-1]);
        Tensor biased = stream.KeyBias(ScalarType.Float32) is Tensor bias ? logits.Plus(bias.squeeze(2)) : logits;
        return biased.softmax(-1).mean([1]).MoveToOuterDisposeScope();
    }

    /// <summary>Tokens after the norm, rows [batch*N, D], to rows [batch*M, D], as the forward pass in torch.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Tokens.</param>
    /// <param name="stream">What is known of them.</param>
    /// <param name="queries">The first tokens whose output is wanted, M; N for all.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    /// <param name="merges">Whether tokens are merged behind it.</param>
    /// <returns>The rows, and what tokens are compared by where some are merged.</returns>
    public (string Output, GraphAffinity? Affinity) Forward(
        OnnxGraph graph, string x, GraphTokens stream, long queries, RotaryPart? rotary, bool merges)
    {
        int q = _spec.QueryKeyDims, v = _spec.ValueDims;
        long heads = _spec.Heads;
        HeadRows rows = new(heads, [q, q, v], _architecture.HeadDim);
        string[] parts;
        if (queries == stream.Count)
        {
            parts = graph.Split(OfHeads(Qkv.Forward(graph, x, rows), stream.Count, (2 * q) + v), axis: -1, q, q, v);
        }
        else
        {
            string asked = Qkv.Forward(graph, stream.With(x).First(graph, queries).Rows, rows with { End = 1 });
            string others = OfHeads(Qkv.Forward(graph, x, rows with { First = 1 }), stream.Count, q + v);
            parts = [OfHeads(asked, queries, q), .. graph.Split(others, axis: -1, q, v)];
        }

        string asking = rotary?.Forward(graph, parts[0], stream, queries, block.Block, q) ?? parts[0];
        string keys = rotary?.Forward(graph, parts[1], stream, stream.Count, block.Block, q) ?? parts[1];
        double divisor = Math.Sqrt(_architecture.HeadDim);
        string mixed = ScaledDotProduct.Attend(graph, asking, keys, parts[2], divisor, stream.KeyBias(graph));
        string side = graph.Reshape(graph.Transpose(mixed, 0, 2, 1, 3), -1, heads * v);
        GraphAffinity? affinity = merges ? new GraphAffinity(parts[1], heads * q, OfClassToken()) : null;
        return (Proj.Forward(graph, side, new HeadRows(heads, [v], _architecture.HeadDim)), affinity);

        string? OfClassToken() => _architecture.PrefixTokens == 0 ? null : graph.Reshape(
            graph.Mean(
                ScaledDotProduct.Weights(graph, graph.Slice(asking, axis: 2, 0, 1), keys, divisor, stream.KeyBias(graph)), axis: 1),
            -1, stream.Count);

        string OfHeads(string part, long tokens, long width) =>
            graph.Transpose(graph.Reshape(part, -1, tokens, heads, width), 0, 2, 1, 3);
    }

    /// <summary>The rows of the values of all heads of a whole weight [A, 3, d, D], as [A*d, D].</summary>
    public static Tensor Values(Tensor qkvWeight) => qkvWeight.select(1, 2).reshape(-1, qkvWeight.shape[^1]);

    /// <summary>Queries [B, A, M, q], keys [B, A, N, q] and values [B, A, N, v].</summary>
    private (Tensor Queries, Tensor Keys, Tensor Values) QueriesKeysValues(Tensor x, long queries, IForwardHook? hook)
    {
        (long batch, long tokens, long heads) = (x.shape[0], x.shape[1], _spec.Heads);
        if (IsWhole && queries == tokens)
        {
            Tensor qkv = Qkv.Forward(x);
            hook?.Observe(block.Block, BlockLinear.Qkv, x, qkv);
            Tensor headMajor = qkv.view(batch, tokens, heads, 3, _architecture.HeadDim);
            return (Part(headMajor, 0), Part(headMajor, 1), Part(headMajor, 2));
        }

        // The rows that are kept lie apart in views: one copy of them costs far less than a product per head.
        Tensor[] rows = [.. Qkv.Spec.Weight.Parts(Qkv.Weight)];
        Tensor[]? biases = Qkv.Bias is null ? null : [.. Qkv.Spec.Bias!.Parts(Qkv.Bias)];
        int asked = queries == tokens ? 0 : 1;
        Tensor all = F.linear(x, cat([.. rows.Skip(asked)], 0), biases is null ? null : cat([.. biases.Skip(asked)], 0));
        Tensor[] parts = all.split([.. rows.Skip(asked).Select(part => part.shape[0])], -1);
        Tensor first = asked == 0 ? parts[0] : F.linear(x.narrow(1, 0, queries), rows[0], biases?[0]);
        return (OfHeads(first), OfHeads(parts[^2]), OfHeads(parts[^1]));

        Tensor OfHeads(Tensor part) => part.reshape(batch, part.shape[1], heads, -1).transpose(1, 2);
    }

    private static Tensor Part(Tensor headMajor, int part) => headMajor.select(3, part).transpose(1, 2);
}
