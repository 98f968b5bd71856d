using SnapViT.Core.Errors;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Importance;

/// <summary>One backward pass of the cross-entropy of the model's own classifier.</summary>
internal static class ClassificationLoss
{
    /// <summary>Runs the model over labelled images; afterwards the hook's tensors have their gradients.</summary>
    /// <param name="model">The unpruned model, with a classifier.</param>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="labels">Classes, int64 [B].</param>
    /// <param name="hook">Asks for gradients at what it keeps.</param>
    /// <returns>The loss summed over images.</returns>
    /// <exception cref="ArgumentException">No image, or labels of another number.</exception>
    /// <exception cref="SnapViTException">A loss that is not finite.</exception>
    public static double Backward(VisionTransformer model, Tensor images, Tensor labels, IForwardHook hook)
    {
        if (images.shape[0] == 0 || labels.shape.Length != 1 || labels.shape[0] != images.shape[0])
        {
            throw new ArgumentException(
                "labels: expected one of each of at least one image, "
                    + $"found [{string.Join(", ", labels.shape)}] for {images.shape[0]} images",
                nameof(labels));
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable mode = enable_grad();
        Tensor logits = model.Classify(model.Tokens(images, hook));
        Tensor loss = F.cross_entropy(logits, labels, reduction: nn.Reduction.Sum);
        double sum = loss.item<float>();
        if (!double.IsFinite(sum))
        {
            throw new SnapViTException(
                ErrorKind.Numbers,
                $"images: expected a finite cross-entropy, found {sum}; the model or the images hold NaN or infinite values");
        }

        loss.backward();
        return sum;
    }
}
