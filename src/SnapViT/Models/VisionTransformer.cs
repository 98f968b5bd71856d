using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Models.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>
/// A Vision Transformer in inference mode, built from an architecture and the widths of its blocks: a pruned model is just a model.
/// </summary>
/// <remarks>
/// Owns its weights. Calls are thread-safe: a forward pass changes nothing in the model. Matrix products run in the precision of the
/// weights (<see cref="ViTWeights.To"/>); the residual stream, every LayerNorm and all results are float32.
/// </remarks>
public sealed class VisionTransformer : IDisposable
{
    private readonly PatchEmbeddingPart _patchEmbedding;
    private readonly TokensPart _tokens;
    private readonly NormLayer? _preNorm;
    private readonly RotaryPart? _rotary;
    private readonly NormLayer? _norm;
    private readonly PoolingPart _pooling;
    private readonly ClassifierPart? _classifier;

    /// <summary>Makes a model of weights and takes ownership of them.</summary>
    /// <param name="weights">Weights of the model, disposed with it.</param>
    public VisionTransformer(ViTWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        Weights = weights;
        ParameterTable table = weights.Table;
        _patchEmbedding = new PatchEmbeddingPart(weights, table.PatchEmbedding);
        _tokens = new TokensPart(weights, table.Tokens);
        _preNorm = table.PreNorm is null ? null : new NormLayer(weights, table.PreNorm);
        _rotary = Architecture.Position == PositionEmbedding.Rotary
            ? new RotaryPart(Architecture, weights.Device, weights.RotaryPairs)
            : null;
        _norm = Architecture.NormAfterPool ? null : new NormLayer(weights, table.Norm);
        _pooling = new PoolingPart(weights, table);
        _classifier = Architecture.Classes > 0 ? new ClassifierPart(weights, table.Output) : null;
    }

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture => Weights.Architecture;

    /// <summary>Widths of every block of this model.</summary>
    public SubnetWidths Widths => Weights.Widths;

    /// <summary>The model's tensors.</summary>
    public ViTWeights Weights { get; }

    /// <summary>Pooled features of images, without gradients.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S] with S the architecture's image size.</param>
    /// <returns>Features, float32 [B, D] (CLIP: [B, projection width]).</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    public Tensor Embed(Tensor images)
    {
        using IDisposable frozen = no_grad();
        return Outputs(images, features: true, logits: false).Features!;
    }

    /// <summary>Class scores of images by the model's own classifier, without gradients.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <returns>Logits, float32 [B, classes].</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    /// <exception cref="SnapViTException">The model has no classifier.</exception>
    public Tensor Logits(Tensor images)
    {
        using IDisposable frozen = no_grad();
        RequireClassifier();
        return Outputs(images, features: false, logits: true).Logits!;
    }

    /// <summary>
    /// All tokens after the final norm, or after the last block if the norm follows the pooling; every patch that was merged with others as
    /// the token that they became. Follows the caller's gradient mode.
    /// </summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <returns>Tokens, float32 [B, N, D].</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Tensor Tokens(Tensor images) => Tokens(images, hook: null);

    /// <summary>The same with a hook; gradients flow where it asked an output for its gradient.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="hook">Sees every linear layer of every block; null for none.</param>
    internal Tensor Tokens(Tensor images, IForwardHook? hook)
    {
        ObjectDisposedException.ThrowIf(Weights.IsDisposed, this);
        RequireImages(images);
        using DisposeScope scope = NewDisposeScope();
        TokenStream stream = new(EmbedTokens(images));
        stream = Through(Merges ? stream.Tracked(Architecture) : stream, first: 0, Architecture.Depth, hook);
        return Normed(stream.Restored(Architecture.PrefixTokens)).MoveToOuterDisposeScope();
    }

    /// <summary>Tokens behind the final norm; as they are where the norm follows the pooling.</summary>
    internal Tensor Normed(Tensor tokens) => _norm?.Forward(tokens) ?? tokens;

    /// <summary>
    /// Features and class scores in one pass, without what neither needs: the last block gives the pooled tokens alone.
    /// </summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="features">Whether features are wanted.</param>
    /// <param name="logits">Whether class scores are wanted, of a model with a classifier.</param>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    internal (Tensor? Features, Tensor? Logits) Outputs(Tensor images, bool features, bool logits)
    {
        ObjectDisposedException.ThrowIf(Weights.IsDisposed, this);
        RequireImages(images);
        (long count, int threads) = (images.shape[0], SideBySide.Free);
        return count < threads && IsWorthThreads(count) ? OutputsOf(images) : InPieces(images, OutputsOf);

        (Tensor?, Tensor?) OutputsOf(Tensor piece)
        {
            using DisposeScope scope = NewDisposeScope();
            (Tensor? vector, Tensor? scores) = Outputs(ToPooled(new TokenStream(EmbedTokens(piece)), first: 0), features, logits);
            return (vector?.MoveToOuterDisposeScope(), scores?.MoveToOuterDisposeScope());
        }
    }

    /// <summary>What comes of images, or of their tokens, in pieces side by side; on a GPU and with gradients as a whole.</summary>
    private static (Tensor? Features, Tensor? Logits) InPieces(Tensor images, Func<Tensor, (Tensor? Features, Tensor? Logits)> outputs)
    {
        if (images.device_type != DeviceType.CPU || is_grad_enabled())
        {
            return outputs(images);
        }

        using DisposeScope scope = NewDisposeScope();
        (Tensor? Features, Tensor? Logits)[] parts = SideBySide.Run(SideBySide.Pieces(images), piece =>
        {
            using DisposeScope ofPiece = NewDisposeScope();
            (Tensor? features, Tensor? logits) = outputs(piece);
            return (features?.DetachFromDisposeScope(), logits?.DetachFromDisposeScope());
        });
        return (Joined(parts.Select(part => part.Features)), Joined(parts.Select(part => part.Logits)));

        static Tensor? Joined(IEnumerable<Tensor?> parts)
        {
            Tensor[] all = [.. parts.OfType<Tensor>()];
            try
            {
                return all.Length switch { 0 => null, 1 => all[0].alias(), _ => cat(all, 0) } is Tensor joined
                    ? joined.MoveToOuterDisposeScope()
                    : null;
            }
            finally
            {
                Array.ForEach(all, part => part.Dispose());
            }
        }
    }

    /// <summary>
    /// Whether images that are fewer than threads are faster by threads inside every matrix product than on one thread that never waits:
    /// from some FLOPs on. A rule and no measurement, since the two round differently: the same images always give the same features.
    /// </summary>
    internal bool IsWorthThreads(long images) => images * CostModel.Flops(Architecture, Widths) * SideBySide.Free
        >= (Weights.Blocks[0].Attention.Qkv.Weight.dtype == ScalarType.BFloat16 ? 24e9 : 9e9);

    private (Tensor? Features, Tensor? Logits) Outputs(TokenStream stream, bool features, bool logits)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? vector = features || !ClassifiesTokens ? _pooling.Forward(stream) : null;
        Tensor? scores = logits ? ClassifiesTokens ? _classifier!.OfTokens(stream.Tokens) : _classifier!.OfFeatures(vector!) : null;
        return (features ? vector!.MoveToOuterDisposeScope() : null, scores?.MoveToOuterDisposeScope());
    }

    /// <summary>One feature vector per image from its tokens.</summary>
    /// <param name="tokens">Tokens after the final norm, float32 [B, N, D].</param>
    /// <returns>Features, float32 [B, D] (CLIP: [B, projection width]).</returns>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Tensor Pool(Tensor tokens)
    {
        ObjectDisposedException.ThrowIf(Weights.IsDisposed, this);
        return _pooling.Forward(new TokenStream(tokens));
    }

    /// <summary>Class scores from tokens by the model's own classifier; distilled DeiT: the mean of its two.</summary>
    /// <param name="tokens">Tokens after the final norm, float32 [B, N, D].</param>
    /// <returns>Logits, float32 [B, classes].</returns>
    /// <exception cref="SnapViTException">The model has no classifier.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Tensor Classify(Tensor tokens)
    {
        ObjectDisposedException.ThrowIf(Weights.IsDisposed, this);
        RequireClassifier();
        using DisposeScope scope = NewDisposeScope();
        return (ClassifiesTokens ? _classifier!.OfTokens(tokens) : _classifier!.OfFeatures(Pool(tokens))).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rotary?.Dispose();
        Weights.Dispose();
    }

    /// <summary>Whether the classifiers look at tokens of their own, not at the pooled features (distilled DeiT).</summary>
    internal bool ClassifiesTokens => _classifier is { ReadsTokens: true };

    /// <summary>The tokens before the first block: [B, 3, S, S] to float32 [B, N, D].</summary>
    internal Tensor EmbedTokens(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = _tokens.Forward(_patchEmbedding.Forward(images));
        return (_preNorm?.Forward(x) ?? x).MoveToOuterDisposeScope();
    }

    /// <summary>One block without merging, [B, N, D] to [B, N, D].</summary>
    internal Tensor Block(Tensor x, int block, IForwardHook? hook)
    {
        using DisposeScope scope = NewDisposeScope();
        return Weights.Blocks[block].Forward(new TokenStream(x), x.shape[1], _rotary, hook).Tokens.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Features and class scores in an ONNX graph of images [batch, 3, S, S], without what neither needs, as <see cref="Outputs(Tensor,
    /// bool, bool)"/>.
    /// </summary>
    /// <param name="graph">The graph.</param>
    /// <param name="images">The images.</param>
    /// <param name="features">Whether features are wanted.</param>
    /// <param name="logits">Whether class scores are wanted, of a model with a classifier.</param>
    /// <returns>Features [batch, D] or [batch, projection width], and class scores [batch, classes].</returns>
    internal (string? Features, string? Logits) Outputs(OnnxGraph graph, string images, bool features, bool logits)
    {
        int depth = Architecture.Depth, pooled = Architecture.PooledTokens;
        string x = graph.Reshape(_tokens.Forward(graph, _patchEmbedding.Forward(graph, images)), -1, Architecture.EmbedDim);
        GraphTokens stream = new(_preNorm?.Forward(graph, x) ?? x, Architecture.Tokens, Architecture.EmbedDim);
        for (int block = 0; block < depth; block++)
        {
            stream = block == depth - 1 && pooled > 0
                ? Weights.Blocks[block].ForwardFirst(graph, stream, pooled, _rotary)
                : Weights.Blocks[block].Forward(graph, stream, Widths[block][Axis.Tokens], _rotary);
        }

        stream = _norm is null ? stream : stream.With(_norm.Forward(graph, stream.Rows));
        string? vector = features || !ClassifiesTokens ? _pooling.Forward(graph, stream) : null;
        string? scores = logits
            ? ClassifiesTokens ? _classifier!.OfTokens(graph, stream.Tokens(graph)) : _classifier!.OfFeatures(graph, vector!)
            : null;
        return (vector, scores);
    }

    /// <summary>Class scores, or features of a model without a classifier, from the tokens before a block, [B, N, D].</summary>
    internal Tensor AnswersFrom(Tensor tokens, int block)
    {
        using DisposeScope scope = NewDisposeScope();
        bool classifies = _classifier is not null;
        (Tensor? features, Tensor? logits) = InPieces(
            tokens, piece => Outputs(ToPooled(new TokenStream(piece.alias()), block), !classifies, classifies));
        return (logits ?? features)!.MoveToOuterDisposeScope();
    }

    /// <summary>Class scores of images, or features of a model without a classifier.</summary>
    internal Tensor Answers(Tensor images) => _classifier is null ? Embed(images) : Logits(images);

    /// <summary>Tokens behind all blocks from the first on and the final norm, as far as features and classes need them.</summary>
    private TokenStream ToPooled(TokenStream stream, int first)
    {
        int pooled = Architecture.PooledTokens;
        stream = Through(stream, first, Architecture.Depth - (pooled > 0 ? 1 : 0), hook: null);
        if (pooled > 0)
        {
            stream = Next(stream, before => Weights.Blocks[^1].ForwardFirst(before, pooled, _rotary));
        }

        return _norm is null ? stream : stream.With(_norm.Forward(stream.Tokens));
    }

    /// <summary>Whether a block merges tokens.</summary>
    private bool Merges => Enumerable.Range(0, Architecture.Depth).Any(block => Left(block) < Widths.TokensInto(Architecture, block));

    /// <summary>Tokens that leave a block when all are wanted: the last one merges none where only pooled tokens are.</summary>
    private int Left(int block) => block == Architecture.Depth - 1 && Architecture.PooledTokens > 0
        ? Widths.TokensInto(Architecture, block)
        : Widths[block][Axis.Tokens];

    /// <summary>Tokens behind blocks first..end-1.</summary>
    private TokenStream Through(TokenStream stream, int first, int end, IForwardHook? hook)
    {
        for (int block = first; block < end; block++)
        {
            int at = block;
            stream = Next(stream, before => Weights.Blocks[at].Forward(before, Left(at), _rotary, hook));
        }

        return stream;
    }

    /// <summary>A step whose intermediate tensors go at once: tokens of many blocks would otherwise pile up.</summary>
    private static TokenStream Next(TokenStream stream, Func<TokenStream, TokenStream> step)
    {
        using DisposeScope scope = NewDisposeScope();
        TokenStream next = step(stream);
        Tensor[] before = [.. stream.All.OfType<Tensor>()], after = [.. next.All.OfType<Tensor>()];

        // What the step passes on is of the outer scope already, and would leave that too.
        foreach (Tensor tensor in after.Where(tensor => !before.Contains(tensor, ReferenceEqualityComparer.Instance)))
        {
            tensor.MoveToOuterDisposeScope();
        }

        foreach (Tensor tensor in before.Where(tensor => !after.Contains(tensor, ReferenceEqualityComparer.Instance)))
        {
            tensor.Dispose();
        }

        return next;
    }

    private void RequireClassifier()
    {
        if (_classifier is null)
        {
            throw new SnapViTException(
                ErrorKind.Architecture, "this model has no classifier: its features can be used, its logits do not exist");
        }
    }

    private void RequireImages(Tensor images)
    {
        ArgumentNullException.ThrowIfNull(images);
        long side = Architecture.ImageSize, channels = Architecture.Channels;
        long[] shape = images.shape;
        if (shape.Length != 4 || shape[1] != channels || shape[2] != side || shape[3] != side)
        {
            throw new ArgumentException(
                $"images: expected shape [B, {channels}, {side}, {side}], found [{string.Join(", ", shape)}]", nameof(images));
        }
    }
}
