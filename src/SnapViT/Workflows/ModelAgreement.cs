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
    /// <param name="images">Images to compare on; labels are not used.</param>
    /// <param name="preprocessing">How they become the models' input.</param>
    /// <param name="batchSize">Images per forward pass, at least 1.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ImageException">Too many images cannot be read.</exception>
    public static ModelAgreement Measure(
        VisionTransformer original,
        VisionTransformer changed,
        ImageSet images,
        Preprocessing preprocessing,
        int batchSize,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(changed);
        int count = 0;
        double cosine = 0, same = 0;
        ImageConsumer consumer = new(images, ImagePreparation.Whole(preprocessing), batchSize, take: batch =>
        {
            (double batchCosine, double batchSame) = Compare(original, changed, batch.Images);
            cosine += batchCosine;
            same += batchSame;
            count += batch.Entries.Count;
        });
        IProgress<WorkProgress>? job = JobProgress.Of(progress, TimeProvider.System);
        ImageReader reader = new(images, consumer) { Progress = (done, all) => job?.Report(new WorkProgress("comparing", done, all)) };
        reader.Run(cancellation);
        return new ModelAgreement(count, cosine / count, original.Architecture.Classes > 0 ? same / count : null);
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
