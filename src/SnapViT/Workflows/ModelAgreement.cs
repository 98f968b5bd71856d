using SnapViT.Data;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>How far a changed model gives what the original gives; no labels are needed.</summary>
/// <param name="Images">Images compared.</param>
/// <param name="FeatureCosine">Mean cosine between the features of the two, at most 1.</param>
/// <param name="SameAnswer">Share of images to which both classifiers give the same class; null without classifiers.</param>
public sealed record ModelAgreement(int Images, double FeatureCosine, double? SameAnswer)
{
    /// <summary>Compares two models of one architecture.</summary>
    /// <param name="original">The model; stays the caller's.</param>
    /// <param name="changed">What became of it; stays the caller's.</param>
    /// <param name="batches">Images through the models' preprocessing.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ImageException">Too many images cannot be read.</exception>
    public static ModelAgreement Measure(
        VisionTransformer original, VisionTransformer changed, ImageBatches batches, IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(changed);
        ArgumentNullException.ThrowIfNull(batches);
        int images = 0;
        double cosine = 0, same = 0;
        foreach (ImageBatch batch in batches.Read(cancellation))
        {
            using (batch)
            {
                (double batchCosine, double batchSame) = Compare(original, changed, batch.Images);
                cosine += batchCosine;
                same += batchSame;
                images += batch.Entries.Count;
            }

            progress?.Report(new WorkProgress("comparing", images, batches.Files.Count));
        }

        return new ModelAgreement(images, cosine / images, original.Architecture.Classes > 0 ? same / images : null);
    }

    private static (double Cosine, double Same) Compare(VisionTransformer original, VisionTransformer changed, Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor expected = original.Tokens(images), found = changed.Tokens(images);
        double cosine = nn.functional.cosine_similarity(original.Pool(expected), changed.Pool(found), 1, 1e-8).sum().item<float>();
        bool classify = original.Architecture.Classes > 0;
        return (cosine, classify ? original.Classify(expected).argmax(1).eq(changed.Classify(found).argmax(1)).sum().item<long>() : 0);
    }
}
