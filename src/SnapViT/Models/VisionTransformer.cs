using SnapViT.Core.Architecture;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>
/// A Vision Transformer in inference mode, built from an architecture and the widths of its blocks: a pruned model is just a model.
/// </summary>
/// <remarks>
/// Owns its weights. Calls are thread-safe: a forward pass changes nothing in the model. Matrix products run in the precision of the weights
/// (<see cref="ViTWeights.To"/>); the residual stream, every LayerNorm and all results are float32.
/// </remarks>
public sealed partial class VisionTransformer : IDisposable
{
    private readonly Tensor? _rotaryCos;
    private readonly Tensor? _rotarySin;

    /// <summary>Makes a model of weights and takes ownership of them.</summary>
    /// <param name="weights">Weights of the model, disposed with it.</param>
    public VisionTransformer(ViTWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        Weights = weights;
        if (Architecture.Position == PositionEmbedding.Rotary)
        {
            (_rotaryCos, _rotarySin) = RotaryEmbedding.Table(Architecture, weights["patch_embed.proj.weight"].device);
        }
    }

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture => Weights.Architecture;

    /// <summary>Widths of every block of this model.</summary>
    public SubnetWidths Widths => Weights.Widths;

    /// <summary>The model's tensors.</summary>
    public ViTWeights Weights { get; }

    /// <summary>Cosine and sine [P, d] of the rotary positions; null where the model has none.</summary>
    internal (Tensor Cos, Tensor Sin)? Rotary => _rotaryCos is null ? null : (_rotaryCos, _rotarySin!);

    /// <summary>Pooled features of images, without gradients.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S] with S the architecture's image size.</param>
    /// <returns>Features, float32 [B, D] (CLIP: [B, projection width]).</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    public Tensor Embed(Tensor images)
    {
        using IDisposable frozen = no_grad();
        using Tensor tokens = Tokens(images);
        return Pool(tokens);
    }

    /// <summary>Class scores of images by the model's own classifier, without gradients.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <returns>Logits, float32 [B, classes].</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    /// <exception cref="InvalidOperationException">The model has no classifier.</exception>
    public Tensor Logits(Tensor images)
    {
        using IDisposable frozen = no_grad();
        using Tensor tokens = Tokens(images);
        return Classify(tokens);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rotaryCos?.Dispose();
        _rotarySin?.Dispose();
        Weights.Dispose();
    }
}
