using SnapViT.Core.Architecture;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary>
/// The tokens of a batch on their way through the blocks, and what is known of merged ones. Merging is that of Bolya et al. (Token Merging,
/// 2023, section 3): the patch tokens at even places are compared with those at odd ones by their keys, and the most similar pairs become
/// one token, the mean weighted by how many patches each stands for. Attention adds the logarithm of that number to the logits of a key.
/// </summary>
/// <param name="tokens">Tokens, float32 [B, N, D].</param>
internal sealed class TokenStream(Tensor tokens)
{
    /// <summary>Tokens, float32 [B, N, D].</summary>
    public Tensor Tokens { get; } = tokens;

    /// <summary>How many patches every token stands for, float32 [B, N]; null where nothing was merged.</summary>
    public Tensor? Sizes { get; private init; }

    /// <summary>The token that every patch is in, int64 [B, P]; null where nobody asks.</summary>
    public Tensor? Places { get; private init; }

    /// <summary>
    /// The patch whose rotary position every token has, int64 [B, N] with 0 for prefix tokens; null where nothing was merged. A merged
    /// token has that of the one it was merged into.
    /// </summary>
    public Tensor? Positions { get; private init; }

    /// <summary>Its tensors.</summary>
    public IEnumerable<Tensor?> All => [Tokens, Sizes, Places, Positions];

    /// <summary>What is added to the logits of every key, [B, 1, 1, N]; null where nothing was merged.</summary>
    /// <param name="type">Precision of the logits.</param>
    public Tensor? KeyBias(ScalarType type)
    {
        if (Sizes is null)
        {
            return null;
        }

        using DisposeScope scope = NewDisposeScope();
        return Sizes.log().to(type).unsqueeze(1).unsqueeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>The same stream with other values of its tokens.</summary>
    public TokenStream With(Tensor tokens) => new(tokens) { Sizes = Sizes, Places = Places, Positions = Positions };

    /// <summary>The same stream that remembers where every patch goes.</summary>
    /// <param name="architecture">The model.</param>
    public TokenStream Tracked(ViTArchitecture architecture)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor places = TensorArithmetic.Range(architecture.Tokens, Tokens.device)
            .narrow(0, architecture.PrefixTokens, architecture.Patches).unsqueeze(0).expand(Tokens.shape[0], -1);
        return new TokenStream(Tokens) { Places = places.MoveToOuterDisposeScope() };
    }

    /// <summary>Merges patch tokens until so many tokens are left.</summary>
    /// <param name="keys">Keys of all heads, without rotary positions, [B, A, N, q].</param>
    /// <param name="left">Tokens left, N less at most half of the patch tokens.</param>
    /// <param name="prefix">Tokens before the patch tokens, which are never merged.</param>
    /// <returns>New tensors in the scope of the caller.</returns>
    public TokenStream Merge(Tensor keys, long left, int prefix)
    {
        using DisposeScope scope = NewDisposeScope();
        Device device = Tokens.device;
        (long batch, long count, long width) = (Tokens.shape[0], Tokens.shape[1], Tokens.shape[2]);
        long merged = count - left;
        (Tensor from, Tensor into) = Pairs(keys, merged, prefix);

        // Flat indices: the row of an image begins at its number times N.
        Tensor start = TensorArithmetic.Range(batch, device).Times(count).unsqueeze(1);
        Tensor source = from.Plus(start).reshape(-1), destination = into.Plus(start).reshape(-1);
        Tensor stays = ones([batch * count], ScalarType.Int64, device).index_copy(0, source, zeros_like(source));
        Tensor kept = stays.nonzero().squeeze(1);
        Tensor moved = stays.cumsum(0).Minus(ones([1], ScalarType.Int64, device));
        Tensor newPlace = moved.index_select(0, destination);

        Tensor rows = Tokens.reshape(batch * count, width);
        Tensor sizes = (Sizes ?? ones([batch, count], ScalarType.Float32, device)).reshape(-1);
        Tensor ofSource = sizes.index_select(0, source);
        Tensor newSizes = sizes.index_select(0, kept);
        newSizes.scatter_add_(0, newPlace, ofSource);

        // What a merged token adds to the mean; only the destinations change.
        Tensor share = (ofSource / newSizes.index_select(0, newPlace)).unsqueeze(1);
        Tensor change = rows.index_select(0, source).Minus(rows.index_select(0, destination)) * share;
        Tensor result = rows.index_select(0, kept);
        result.scatter_add_(0, newPlace.unsqueeze(1).expand(-1, width), change);

        return new TokenStream(result.view(batch, left, width).MoveToOuterDisposeScope())
        {
            Sizes = newSizes.view(batch, left).MoveToOuterDisposeScope(),
            Places = Places is null ? null : Moved(Places, moved, source, newPlace, count, left).MoveToOuterDisposeScope(),
            Positions = (Positions ?? InPlace(batch, count, prefix, device))
                .reshape(-1).index_select(0, kept).view(batch, left).MoveToOuterDisposeScope(),
        };
    }

    /// <summary>All tokens of the image, every patch as the token that it was merged into, [B, N, D].</summary>
    /// <param name="prefix">Tokens before the patch tokens.</param>
    public Tensor Restored(int prefix)
    {
        if (Places is null || Sizes is null)
        {
            return Tokens.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor patches = Tokens.gather(1, Places.unsqueeze(2).expand(-1, -1, Tokens.shape[2]));
        return cat([Tokens.narrow(1, 0, prefix), patches], 1).MoveToOuterDisposeScope();
    }

    /// <summary>The tokens that are merged and those that they go into, int64 [B, merged] each: the most similar pairs first.</summary>
    private static (Tensor From, Tensor Into) Pairs(Tensor keys, long merged, int prefix)
    {
        Tensor metric = F.normalize(keys.mean([1], type: ScalarType.Float32), dim: -1);
        long patches = metric.shape[1] - prefix;
        Tensor even = metric.slice(1, prefix, prefix + patches, 2), odd = metric.slice(1, prefix + 1, prefix + patches, 2);
        (Tensor best, Tensor partner) = even.bmm(odd.transpose(1, 2)).max(-1);

        // Equal similarities go in the order of the places, so that a batch gives what its images give.
        Tensor chosen = best.sort(dim: -1, descending: true, stable: true).Indices.narrow(1, 0, merged);
        Tensor first = ones([1], ScalarType.Int64, keys.device).Times(prefix);
        return (
            chosen.Times(2).Plus(first),
            partner.gather(1, chosen).Times(2).Plus(first.Plus(ones_like(first))));
    }

    private static Tensor Moved(Tensor places, Tensor moved, Tensor source, Tensor newPlace, long count, long left)
    {
        Tensor now = moved.index_copy(0, source, newPlace).view(-1, count);
        Tensor start = TensorArithmetic.Range(now.shape[0], now.device).Times(left).unsqueeze(1);
        return now.Minus(start).gather(1, places);
    }

    private static Tensor InPlace(long batch, long count, int prefix, Device device) =>
        cat([zeros([prefix], ScalarType.Int64, device), TensorArithmetic.Range(count - prefix, device)], 0)
            .unsqueeze(0).expand(batch, -1);
}

/// <summary>The same in a graph. Tokens are kept as rows [batch*N, D], so that every linear layer is one product.</summary>
/// <param name="Rows">Tokens, rows [batch*N, D].</param>
/// <param name="Count">Tokens of one image, N.</param>
/// <param name="Width">Length of a token, D.</param>
internal sealed record GraphTokens(string Rows, int Count, int Width)
{
    private const double SmallestNorm = 1e-12;

    /// <summary>How many patches every token stands for, [batch, N]; null where nothing was merged.</summary>
    public string? Sizes { get; private init; }

    /// <summary>
    /// The place in the image that every token has for rotary positions, int64 [batch, N]; null where nothing was merged, so that all are
    /// in order.
    /// </summary>
    public string? Places { get; private init; }

    /// <summary>The tokens as [batch, N, D].</summary>
    public string Tokens(OnnxGraph graph) => graph.Reshape(Rows, -1, Count, Width);

    /// <summary>What is added to the logits of every key, [batch, 1, 1, N]; null where nothing was merged.</summary>
    public string? KeyBias(OnnxGraph graph) => Sizes is null ? null : graph.Reshape(graph.Node("Log", [Sizes]), -1, 1, 1, Count);

    /// <summary>The same stream with other values of its tokens.</summary>
    public GraphTokens With(string rows) => this with { Rows = rows };

    /// <summary>The first tokens, of which nothing else is known.</summary>
    public GraphTokens First(OnnxGraph graph, long count) => count == Count
        ? this
        : new GraphTokens(graph.Reshape(graph.Slice(Tokens(graph), axis: 1, 0, count), -1, Width), (int)count, Width);

    /// <summary>Merges patch tokens until so many tokens are left.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="keys">Keys of all heads, without rotary positions, [batch, A, N, q].</param>
    /// <param name="left">Tokens left, N less at most half of the patch tokens.</param>
    /// <param name="prefix">Tokens before the patch tokens, which are never merged.</param>
    public GraphTokens Merge(OnnxGraph graph, string keys, int left, int prefix)
    {
        int merged = Count - left;
        (string source, string destination) = Pairs(graph, keys, merged, prefix);
        string tokens = Tokens(graph), ones = graph.Ones(tokens, dimensions: 2);
        string stays = graph.Scatter(ones, source, graph.Multiply(graph.Ones(source, dimensions: 2), 0));

        // The tokens that stay, in their order: those with the largest N - place.
        string order = graph.Subtract(graph.Multiply(stays, Count), graph.Range(Count));
        string kept = graph.Largest(order, left).Places;
        string moved = graph.Subtract(graph.Node("CumSum", [stays, graph.Integers(1)]), graph.Number(1));
        string newPlace = graph.Integer(graph.Gather(moved, destination));

        string sizes = Sizes ?? ones, ofSource = graph.Gather(sizes, source);
        string newSizes = graph.Scatter(graph.Gather(sizes, kept), newPlace, ofSource, add: true);
        string share = graph.Reshape(graph.Divide(ofSource, graph.Gather(newSizes, newPlace)), -1, merged, 1);
        string change = graph.Multiply(
            graph.Subtract(graph.GatherRows(tokens, source, merged), graph.GatherRows(tokens, destination, merged)), share);
        string everyChannel = graph.Node("Expand", [graph.Reshape(newPlace, -1, merged, 1), graph.Integers(1, 1, Width)]);
        string result = graph.Scatter(graph.GatherRows(tokens, kept, left), everyChannel, change, add: true);
        return new GraphTokens(graph.Reshape(result, -1, Width), left, Width)
        {
            Sizes = newSizes,
            Places = Places is null ? kept : graph.Gather(Places, kept),
        };
    }

    /// <summary>The tokens that are merged and those that they go into, int64 [batch, merged] each: the most similar pairs first.</summary>
    private (string From, string Into) Pairs(OnnxGraph graph, string keys, int merged, int prefix)
    {
        string mean = graph.Mean(keys, axis: 1);
        string norm = graph.Node("ReduceL2", [mean], OnnxAttribute.Ints("axes", -1), OnnxAttribute.Int("keepdims", 1));
        string metric = graph.Divide(mean, graph.Node("Max", [norm, graph.Number(SmallestNorm)]));
        string even = graph.Slice(metric, axis: 1, prefix, Count, step: 2), odd = graph.Slice(metric, axis: 1, prefix + 1, Count, step: 2);
        string similar = graph.MatMul(even, graph.Transpose(odd, 0, 2, 1));
        string best = graph.Node("ReduceMax", [similar], OnnxAttribute.Ints("axes", -1), OnnxAttribute.Int("keepdims", 0));
        string partner = graph.Node("ArgMax", [similar], OnnxAttribute.Int("axis", -1), OnnxAttribute.Int("keepdims", 0));
        string chosen = graph.Largest(best, merged).Places;
        return (Place(chosen, prefix), Place(graph.Gather(partner, chosen), prefix + 1));

        string Place(string half, int first) =>
            graph.Add(graph.Multiply(half, graph.Integers(2)), graph.Integers(first));
    }
}
