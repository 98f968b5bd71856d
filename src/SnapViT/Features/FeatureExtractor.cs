using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Features;

/// <summary>Features of many images, batch by batch.</summary>
internal static class FeatureExtractor
{
    /// <summary>Pooled features of all images.</summary>
    /// <param name="model">Any model.</param>
    /// <param name="batches">Batches [B, 3, S, S]; each is disposed after its use.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>Features, float32 [n, D] (CLIP: [n, projection width]), in the order of the images.</returns>
    /// <exception cref="ArgumentException">There is no image.</exception>
    public static Tensor Embed(VisionTransformer model, IEnumerable<Tensor> batches, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batches);
        List<Tensor> parts = [];
        try
        {
            foreach (Tensor batch in batches)
            {
                using (batch)
                {
                    cancellation.ThrowIfCancellationRequested();
                    parts.Add(model.Embed(batch).DetachFromDisposeScope());
                }
            }

            return parts.Count > 0
                ? cat(parts, 0)
                : throw new ArgumentException("expected at least one image, found none", nameof(batches));
        }
        finally
        {
            parts.ForEach(part => part.Dispose());
        }
    }
}
