using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>A loss of images as a function of their tokens, which leaves to others how tokens and gradients are computed.</summary>
/// <param name="Seen">The images whose tokens it is of, [B, 3, S, S].</param>
/// <param name="Sum">
/// Tokens behind the final norm, [B, N, D], to the loss summed over images, a scalar. It throws where the loss is not finite.
/// </param>
internal sealed record TokenLoss(Tensor Seen, Func<Tensor, Tensor> Sum);
