using SnapViT.Core.Errors;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// Corrects sub-networks block after block from photos (<see cref="SequentialCorrection"/>): every layer is fitted to what the original
/// model's layer gives, whatever was corrected before, so that corrections never stack.
/// </summary>
/// <param name="source">The unpruned model; stays the caller's.</param>
/// <param name="photos">Calibration photos, at least one; labels are not used.</param>
/// <param name="preprocessing">How they become the model's input.</param>
/// <param name="batchSize">Images per forward pass, at least 1.</param>
/// <param name="progress">Told how far the reading is; null for nobody.</param>
internal sealed class PhotoCorrection(
    VisionTransformer source, ImageSet photos, Preprocessing preprocessing, int batchSize, IProgress<WorkProgress>? progress = null)
{
    /// <summary>
    /// What holds a layer near the weights it starts from: weaker ridges fitted errors of the blocks before (bench/results/accuracy.md).
    /// </summary>
    private static readonly Damping Ridge = new(DampingKind.Mean, 0.3);

    /// <summary>Photos that are fitted to.</summary>
    public int Photos => photos.Count;

    /// <summary>The corrected copy of a sub-network.</summary>
    /// <param name="start">
    /// A sub-network of the source in float32 on the CPU, best one that is affinely corrected already; stays the caller's.
    /// </param>
    /// <param name="precision">Precision of the copy's weights.</param>
    /// <param name="device">Where it is fitted and the copy lives; null for where the models are.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="SnapViTException">Activations are not finite.</exception>
    /// <exception cref="ImageException">Too many photos cannot be read.</exception>
    public VisionTransformer Apply(
        VisionTransformer start, ScalarType precision = ScalarType.Float32, Device? device = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(start);
        using VisionTransformer dense = new(source.Weights.To(ScalarType.Float32, device));
        using VisionTransformer pruned = new(start.Weights.To(ScalarType.Float32, device));
        using VisionTransformer fitted = new SequentialCorrection(dense, Ridge, BuildOptions.DefaultPrefixWeight)
            .Apply(pruned, Read(cancellation), cancellation);
        return new VisionTransformer(fitted.Weights.To(precision, device));
    }

    private IEnumerable<Tensor> Read(CancellationToken cancellation)
    {
        IProgress<WorkProgress>? job = JobProgress.Of(progress, TimeProvider.System);
        ImageReader reader = new(photos, new ImageConsumer(photos, ImagePreparation.Whole(preprocessing), batchSize))
        {
            Progress = (done, all) => job?.Report(new WorkProgress("calibration", done, all)),
        };
        return reader.Batches(cancellation).Select(batch => batch.Images);
    }
}
