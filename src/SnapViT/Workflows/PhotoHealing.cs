using System.Globalization;
using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>How a sub-network is trained on photos after it was cut and corrected. Never the default: it is not closed form.</summary>
public sealed record HealingOptions
{
    /// <summary>Passes over the photos, at least 1; default 4.</summary>
    public int Epochs { get; init; } = 4;

    /// <summary>Largest learning rate, which falls to 0 as half a cosine, above 0; default 3e-3.</summary>
    public double LearningRate { get; init; } = 3e-3;

    /// <summary>Photos per step, at least 1; default 16.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Seed of the crops and of the order of the photos; default 42.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Checks the options.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">A number is out of its range.</exception>
    public HealingOptions Validated() =>
        Epochs < 1 ? throw new SnapViTException(ErrorKind.Option, $"epochs: expected at least 1, found {Epochs}")
        : BatchSize < 1 ? throw new SnapViTException(ErrorKind.Option, $"batch: expected at least 1, found {BatchSize}")
        : !(LearningRate > 0 && double.IsFinite(LearningRate))
            ? throw new SnapViTException(ErrorKind.Option, $"learning rate: expected one above 0, found {LearningRate}")
        : this;

    /// <summary>As it stands in the provenance.</summary>
    internal string Describe(int photos) => string.Create(
        CultureInfo.InvariantCulture, $"{Epochs} epochs of {photos} photos, Adam {LearningRate}, batch {BatchSize}, seed {Seed}");
}

/// <summary>Trains sub-networks on random crops of photos (<see cref="Healing"/>).</summary>
/// <param name="dense">The unpruned model; stays the caller's.</param>
/// <param name="photos">At least one; labels are not used.</param>
/// <param name="preprocessing">How they become the model's input.</param>
/// <param name="options">How long and how fast.</param>
/// <param name="progress">Told how far it is; null for nobody.</param>
internal sealed class PhotoHealing(
    VisionTransformer dense, ImageSet photos, Preprocessing preprocessing, HealingOptions options, IProgress<WorkProgress>? progress = null)
{
    /// <summary>The trained copy of a sub-network.</summary>
    /// <param name="start">The sub-network; stays the caller's.</param>
    /// <param name="precision">Precision of the copy's weights.</param>
    /// <param name="device">Where it is trained; null for the CPU.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ImageException">Too many photos cannot be read.</exception>
    public VisionTransformer Apply(
        VisionTransformer start, ScalarType precision = ScalarType.Float32, Device? device = null, CancellationToken cancellation = default)
    {
        using VisionTransformer teacher = new(dense.Weights.To(ScalarType.Float32, device));
        using VisionTransformer pruned = new(start.Weights.To(ScalarType.Float32, device));
        using Healing healing = new(teacher, pruned);
        IProgress<WorkProgress>? job = JobProgress.Of(progress, TimeProvider.System);
        int all = options.Epochs * photos.Count, done = 0;
        for (int epoch = 0; epoch < options.Epochs; epoch++)
        {
            foreach (ImageBatch batch in Batches(epoch, device, cancellation))
            {
                using (batch)
                using (Tensor images = batch.Images.flatten(0, 1))
                {
                    double loss = healing.Step(images, options.LearningRate * 0.5 * (1 + Math.Cos(Math.PI * done / all)));
                    done += batch.Entries.Count;
                    job?.Report(new WorkProgress("healing", done, all, string.Create(CultureInfo.InvariantCulture, $"loss {loss:F4}")));
                }
            }
        }

        using VisionTransformer healed = healing.Result();
        return new VisionTransformer(healed.Weights.To(precision, device));
    }

    /// <summary>The photos in another order and other crops in every epoch.</summary>
    private IEnumerable<ImageBatch> Batches(int epoch, Device? device, CancellationToken cancellation)
    {
        SeededRandom random = SeededRandom.ForPurpose(options.Seed, string.Create(CultureInfo.InvariantCulture, $"healing/{epoch}"));
        ImageEntry[] order = [.. photos.Entries];
        random.Shuffle(order.AsSpan());
        ImageSet shuffled = new(photos.Source, order);

        // Views of a lower resolution, as moments want them, gained half as much.
        ImagePreparation views = ImagePreparation.Views(new RandomViews(1, preprocessing, random.NextBits()) { CoarseShare = 0 });
        return new ImageReader(shuffled, new ImageConsumer(shuffled, views, options.BatchSize, device)).Batches(cancellation);
    }
}
