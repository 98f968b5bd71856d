using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>
/// Images that were decoded and prepared once and are kept in memory, for work that runs over the same images many times: 600 KB for an
/// image of 224 pixels, 600 MB for a thousand.
/// </summary>
internal sealed class PreparedImages : IDisposable
{
    private readonly Tensor _images;
    private readonly List<ImageEntry> _entries = [];

    /// <summary>Room for the images of a set; <see cref="Consumer"/> fills it.</summary>
    /// <param name="images">The images, n at most.</param>
    /// <param name="preparation">How they are prepared.</param>
    /// <param name="batchSize">Images that are copied at a time, at least 1.</param>
    public PreparedImages(ImageSet images, ImagePreparation preparation, int batchSize)
    {
        Consumer = new ImageConsumer(images, preparation, batchSize, take: Add) { KeepsImages = true, Passes = 0 };
        _images = empty([images.Count, .. preparation.Shape]).DetachFromDisposeScope();
    }

    /// <summary>Takes ownership of images that were prepared elsewhere.</summary>
    /// <param name="images">Float32 [n, 3, S, S].</param>
    public PreparedImages(Tensor images) => (_images, Count) = (images.DetachFromDisposeScope(), images.shape[0]);

    /// <summary>Who takes the images from a pass; null where there is none to take.</summary>
    public ImageConsumer? Consumer { get; }

    /// <summary>How many images there are, n.</summary>
    public long Count { get; private set; }

    /// <summary>Where the images come from; empty where they were prepared elsewhere.</summary>
    public IReadOnlyList<ImageEntry> Entries => _entries;

    /// <summary>A pass over the images in batches that the caller disposes; on the CPU they view this memory.</summary>
    /// <param name="size">Images per batch, at least 1; the last batch may be smaller.</param>
    /// <param name="device">Where the batches are wanted; null for the CPU.</param>
    /// <param name="first">The first image.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is not positive.</exception>
    public IEnumerable<Tensor> Batches(int size, Device? device = null, long first = 0, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        return Views();

        IEnumerable<Tensor> Views()
        {
            for (long start = first; start < Count; start += size)
            {
                cancellation.ThrowIfCancellationRequested();
                using Tensor view = _images.narrow(0, start, Math.Min(size, Count - start));
                yield return device is null ? view.alias() : view.to(device);
            }
        }
    }

    /// <summary>A pass over some of the images in batches that the caller disposes.</summary>
    /// <param name="rows">Which images, in this order.</param>
    /// <param name="size">Images per batch, at least 1; the last batch may be smaller.</param>
    /// <param name="device">Where the batches are wanted.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public IEnumerable<Tensor> Batches(IReadOnlyList<long> rows, int size, Device device, CancellationToken cancellation = default)
    {
        foreach (long[] part in rows.Chunk(size))
        {
            cancellation.ThrowIfCancellationRequested();
            using Tensor places = tensor(part), images = _images.index_select(0, places);
            yield return images.to(device);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _images.Dispose();

    private void Add(ImageBatch batch)
    {
        using Tensor target = _images.narrow(0, Count, batch.Entries.Count);
        target.copy_(batch.Images).Dispose();
        Count += batch.Entries.Count;
        _entries.AddRange(batch.Entries);
    }
}
