using SnapViT.Core.Errors;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Importance;

/// <summary>
/// One backward pass of random projections of the features. With probes v of independent standard normal entries the second moments of the
/// gradient of <c>v . f / |f|</c> are <c>J^T J</c>: the Gauss-Newton matrix of half the squared distance between L2-normalised features,
/// which is one less their cosine.
/// </summary>
internal static class FeatureProbes
{
    /// <summary>Runs the model over images; afterwards the hook's tensors have their gradients.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="probes">One direction per image, float32 [B, feature width].</param>
    /// <param name="hook">Asks for gradients at what it keeps.</param>
    /// <exception cref="ArgumentException">No image, or probes of another shape.</exception>
    /// <exception cref="SnapViTException">Features that are not finite.</exception>
    public static void Backward(VisionTransformer model, Tensor images, Tensor probes, IForwardHook hook)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable mode = enable_grad();
        Tensor features = F.normalize(model.Pool(model.Tokens(images, hook)), dim: -1);
        if (features.shape[0] == 0 || !probes.shape.SequenceEqual(features.shape))
        {
            throw new ArgumentException(
                $"probes: expected one of each of at least one image, [{string.Join(", ", features.shape)}], "
                    + $"found [{string.Join(", ", probes.shape)}]",
                nameof(probes));
        }

        Tensor sum = (features * probes).sum();
        if (!double.IsFinite(sum.item<float>()))
        {
            throw new SnapViTException(
                ErrorKind.Numbers,
                "images: expected finite features, found NaN or infinite ones; the model or the images hold NaN");
        }

        sum.backward();
    }
}
