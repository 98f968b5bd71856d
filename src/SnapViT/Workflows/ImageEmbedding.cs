using SnapViT.Data;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>What a network makes of many images.</summary>
/// <param name="Features">
/// One row per image that could be read, float32 [n, D], of patch tokens [n, P, D]; on the CPU, the receiver's.
/// </param>
/// <param name="Entries">The images of the rows.</param>
/// <param name="Skipped">The images that could not be read.</param>
internal sealed record EmbeddedImages(Tensor Features, IReadOnlyList<ImageEntry> Entries, IReadOnlyList<SkippedImage> Skipped);

/// <summary>Features or patch tokens of all images of a set, each of which is decoded once.</summary>
internal static class ImageEmbedding
{
    /// <summary>Runs a network over a set.</summary>
    /// <param name="network">Images [B, 3, S, S] on the device to what is wanted of them, [B, ...].</param>
    /// <param name="preprocessing">How images become the input.</param>
    /// <param name="images">The images.</param>
    /// <param name="batchSize">Images per forward pass, at least 1.</param>
    /// <param name="device">Where the network runs.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ImageException">More than a tenth of the images cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static EmbeddedImages Run(
        Func<Tensor, Tensor> network,
        Preprocessing preprocessing,
        ImageSet images,
        int batchSize,
        Device device,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellation)
    {
        List<ImageEntry> entries = [];
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> parts = [];
        ImageConsumer consumer = new(images, ImagePreparation.Whole(preprocessing), batchSize, device, batch =>
        {
            using DisposeScope ofBatch = NewDisposeScope();
            parts.Add(network(batch.Images).to(ScalarType.Float32).cpu().MoveToOuterDisposeScope());
            entries.AddRange(batch.Entries);
        });
        IProgress<WorkProgress>? job = JobProgress.Of(progress, TimeProvider.System);
        ImageReader reader = new(images, consumer) { Progress = (done, all) => job?.Report(new WorkProgress("embedding", done, all)) };
        reader.Run(cancellation);
        return new EmbeddedImages(cat(parts, 0).DetachFromDisposeScope(), entries, [.. reader.Skipped]);
    }

    /// <summary>One vector per patch after the final norm, without gradients, float32 [B, P, D], the patches row by row.</summary>
    /// <param name="model">Any model.</param>
    /// <param name="images">Normalised images, [B, 3, S, S].</param>
    public static Tensor PatchTokens(VisionTransformer model, Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        return model.Tokens(images).narrow(1, model.Architecture.PrefixTokens, model.Architecture.Patches)
            .contiguous().clone().MoveToOuterDisposeScope();
    }
}
