using SnapViT.Core.Architecture;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary>
/// The tokens of a batch on their way through the blocks, and what is known of merged ones. Merging is that of Bolya et al. (Token Merging,
/// 2023, section 3): the patch tokens at even places are compared with those at odd ones by their keys, and pairs become one token, the
/// mean weighted by how many patches each stands for. Attention adds the logarithm of that number to the logits of a key.
/// </summary>
/// <remarks>
/// Two things differ, each measured better (bench/results/frontier.md). The keys of all heads are compared side by side, not their mean.
/// And a pair goes by what merging it loses: <c>1 - similarity</c> times the root of the attention that the class token pays to the even
/// token; in a model without one times <c>s t / (s + t)</c>, where s and t patches are in the two.
/// </remarks>
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
    /// <param name="by">What tokens are compared by.</param>
    /// <param name="left">Tokens left, N less at most half of the patch tokens.</param>
    /// <param name="prefix">Tokens before the patch tokens, which are never merged.</param>
    /// <returns>New tensors in the scope of the caller.</returns>
    public TokenStream Merge(TokenAffinity by, long left, int prefix)
    {
        using DisposeScope scope = NewDisposeScope();
        Device device = Tokens.device;
        (long batch, long count, long width) = (Tokens.shape[0], Tokens.shape[1], Tokens.shape[2]);
        long merged = count - left;
        (Tensor from, Tensor into) = Pairs(by, merged, prefix);

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

    /// <summary>
    /// The tokens that are merged and those that they go into, int64 [B, merged] each: the pairs first that lose least.
    /// </summary>
    private (Tensor From, Tensor Into) Pairs(TokenAffinity by, long merged, int prefix)
    {
        (long batch, long count, Device device) = (by.Keys.shape[0], by.Keys.shape[2], by.Keys.device);
        Tensor unit = F.normalize(by.Keys.to(ScalarType.Float32).transpose(1, 2).reshape(batch, count, -1), dim: -1);
        Tensor even = Every(unit, prefix), odd = Every(unit, prefix + 1);
        (Tensor best, Tensor partner) = even.bmm(odd.transpose(1, 2)).max(-1);
        Tensor gained = best.Minus(ones_like(best));
        if (by.Attention is not null)
        {
            gained = gained * Every(by.Attention, prefix).sqrt();
        }
        else if (Sizes is not null)
        {
            Tensor s = Every(Sizes, prefix), t = Every(Sizes, prefix + 1).gather(1, partner);
            gained = gained * (s * t / s.Plus(t));
        }

        // Equal pairs go in the order of their places, so that a batch gives what its images give.
        Tensor chosen = gained.sort(dim: -1, descending: true, stable: true).Indices.narrow(1, 0, merged);
        Tensor first = ones([1], ScalarType.Int64, device).Times(prefix);
        return (
            chosen.Times(2).Plus(first),
            partner.gather(1, chosen).Times(2).Plus(first.Plus(ones_like(first))));

        Tensor Every(Tensor tokens, long from) => tokens.slice(1, from, count, 2);
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
    /// <param name="by">What tokens are compared by.</param>
    /// <param name="left">Tokens left, N less at most half of the patch tokens.</param>
    /// <param name="prefix">Tokens before the patch tokens, which are never merged.</param>
    public GraphTokens Merge(OnnxGraph graph, GraphAffinity by, int left, int prefix)
    {
        int merged = Count - left;
        (string source, string destination) = Pairs(graph, by, merged, prefix);
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

    /// <summary>
    /// The tokens that are merged and those that they go into, int64 [batch, merged] each: the pairs first that lose least.
    /// </summary>
    private (string From, string Into) Pairs(OnnxGraph graph, GraphAffinity by, int merged, int prefix)
    {
        string rows = graph.Reshape(graph.Transpose(by.Keys, 0, 2, 1, 3), -1, Count, by.Width);
        string norm = graph.Node("ReduceL2", [rows], OnnxAttribute.Ints("axes", -1), OnnxAttribute.Int("keepdims", 1));
        string unit = graph.Divide(rows, graph.Node("Max", [norm, graph.Number(SmallestNorm)]));
        string similar = graph.MatMul(Every(unit, prefix), graph.Transpose(Every(unit, prefix + 1), 0, 2, 1));
        string best = graph.Node("ReduceMax", [similar], OnnxAttribute.Ints("axes", -1), OnnxAttribute.Int("keepdims", 0));
        string partner = graph.Node("ArgMax", [similar], OnnxAttribute.Int("axis", -1), OnnxAttribute.Int("keepdims", 0));
        string gained = graph.Subtract(best, graph.Number(1));
        if (by.Attention is not null)
        {
            gained = graph.Multiply(gained, graph.Node("Sqrt", [Every(by.Attention, prefix)]));
        }
        else if (Sizes is not null)
        {
            string s = Every(Sizes, prefix), t = graph.Gather(Every(Sizes, prefix + 1), partner);
            gained = graph.Multiply(gained, graph.Divide(graph.Multiply(s, t), graph.Add(s, t)));
        }

        string chosen = graph.Largest(gained, merged).Places;
        return (Place(chosen, prefix), Place(graph.Gather(partner, chosen), prefix + 1));

        string Every(string tokens, int from) => graph.Slice(tokens, axis: 1, from, Count, step: 2);
        string Place(string half, int first) =>
            graph.Add(graph.Multiply(half, graph.Integers(2)), graph.Integers(first));
    }
}

/// <summary>What tokens are compared by where some are merged.</summary>
/// <param name="Keys">Keys of all heads, without rotary positions, [B, A, N, q].</param>
/// <param name="Attention">Attention that the class token pays to every token, the mean of all heads, [B, N]; null without one.</param>
internal sealed record TokenAffinity(Tensor Keys, Tensor? Attention = null);

/// <summary>The same in a graph.</summary>
/// <param name="Keys">Keys of all heads, without rotary positions, [batch, A, N, q].</param>
/// <param name="Width">Their elements of a token, A q.</param>
/// <param name="Attention">Attention that the class token pays to every token, [batch, N]; null without one.</param>
internal sealed record GraphAffinity(string Keys, long Width, string? Attention = null);
