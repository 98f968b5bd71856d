using SnapViT.Core.Errors;
using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>Somebody who wants batches of images from a pass: which images, how prepared, how many at a time, on which device.</summary>
internal sealed class ImageConsumer
{
    /// <summary>A consumer.</summary>
    /// <param name="images">The images it wants; a part of those of the pass.</param>
    /// <param name="preparation">How they are prepared.</param>
    /// <param name="batchSize">Images per batch, at least 1; the last batch may be smaller.</param>
    /// <param name="device">Where the batches are wanted; null for the CPU.</param>
    /// <param name="take">
    /// Takes a batch, which is disposed afterwards; null where batches are asked for by <see cref="ImageReader.Batches"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The size is not positive.</exception>
    /// <exception cref="SnapViTException">A batch would take 2 GB or more.</exception>
    public ImageConsumer(
        ImageSet images, ImagePreparation preparation, int batchSize, Device? device = null, Action<ImageBatch>? take = null)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(preparation);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        long most = int.MaxValue / ((long)preparation.Length * sizeof(float));
        if (batchSize > most)
        {
            throw new SnapViTException(
                ErrorKind.Option, $"batch: expected at most {most} images of {preparation.Length} values, found {batchSize}");
        }

        (Images, Preparation, BatchSize, Device, Take) = (images, preparation, batchSize, device, take);
    }

    /// <summary>The images it wants.</summary>
    public ImageSet Images { get; }

    /// <summary>How they are prepared.</summary>
    public ImagePreparation Preparation { get; }

    /// <summary>Images per batch.</summary>
    public int BatchSize { get; }

    /// <summary>Where the batches are wanted; null for the CPU.</summary>
    public Device? Device { get; }

    /// <summary>Takes a batch; null where batches are asked for.</summary>
    public Action<ImageBatch>? Take { get; }

    /// <summary>
    /// About what an image of it costs beside its preparation, in forward passes of the model; progress is weighed by it. Default 1.
    /// </summary>
    public double Passes { get; init; } = 1;

    /// <summary>
    /// Whether it keeps the images in memory, so that a pass which goes on in another process has to give it all of them again.
    /// </summary>
    public bool KeepsImages { get; init; }
}
