using SnapViT.Core.Errors;
using SnapViT.Models;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Importance;

/// <summary>The cross-entropy of the model's own classifier.</summary>
internal static class ClassificationLoss
{
    /// <summary>The loss of labelled images, which throws where it is not finite.</summary>
    /// <param name="model">The unpruned model, with a classifier.</param>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="labels">Classes, int64 [B].</param>
    /// <exception cref="ArgumentException">No image, or labels of another number.</exception>
    public static TokenLoss Of(VisionTransformer model, Tensor images, Tensor labels)
    {
        if (images.shape[0] == 0 || labels.shape.Length != 1 || labels.shape[0] != images.shape[0])
        {
            throw new ArgumentException(
                "labels: expected one of each of at least one image, "
                    + $"found [{string.Join(", ", labels.shape)}] for {images.shape[0]} images",
                nameof(labels));
        }

        return new TokenLoss(images, tokens =>
        {
            Tensor loss = F.cross_entropy(model.Classify(tokens), labels, reduction: nn.Reduction.Sum);
            float sum = loss.item<float>();
            return float.IsFinite(sum) ? loss : throw new SnapViTException(
                ErrorKind.Numbers,
                $"images: expected a finite cross-entropy, found {sum}; the model or the images hold NaN or infinite values");
        });
    }
}
