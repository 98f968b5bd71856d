using SnapViT.Core.Errors;
using SnapViT.Models;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Importance;

/// <summary>
/// Random projections of the features as a loss. With probes v of independent standard normal entries the second moments of the
/// gradient of <c>v . f / |f|</c> are <c>J^T J</c>: the Gauss-Newton matrix of half the squared distance between L2-normalised features,
/// which is one less their cosine.
/// </summary>
internal static class FeatureProbes
{
    /// <summary>The sum of the projections, which throws where features are not finite.</summary>
    /// <param name="model">The model.</param>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="probes">One direction per image, float32 [B, feature width].</param>
    /// <exception cref="ArgumentException">No image, or probes of another shape.</exception>
    public static TokenLoss Of(VisionTransformer model, Tensor images, Tensor probes)
    {
        long width = model.Architecture.FeatureDim;
        if (images.shape[0] == 0 || !probes.shape.SequenceEqual([images.shape[0], width]))
        {
            throw new ArgumentException(
                $"probes: expected one of each of at least one image, [{images.shape[0]}, {width}], "
                    + $"found [{string.Join(", ", probes.shape)}]",
                nameof(probes));
        }

        return new TokenLoss(images, tokens =>
        {
            Tensor sum = (F.normalize(model.Pool(tokens), dim: -1) * probes).sum();
            return double.IsFinite(sum.item<float>()) ? sum : throw new SnapViTException(
                ErrorKind.Numbers,
                "images: expected finite features, found NaN or infinite ones; the model or the images hold NaN");
        });
    }
}
