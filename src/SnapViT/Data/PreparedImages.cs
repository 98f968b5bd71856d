using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>
/// Images that were decoded and prepared once and are kept in memory, for work that runs over the same images many times: 600 KB for an image
/// of 224 pixels, 600 MB for a thousand.
/// </summary>
public sealed class PreparedImages : IDisposable
{
    private readonly Tensor _images;

    /// <summary>Takes ownership of images.</summary>
    /// <param name="images">Float32 [n, 3, S, S].</param>
    /// <param name="files">The images' files, n; none where they were not read from files.</param>
    public PreparedImages(Tensor images, IReadOnlyList<ImageEntry>? files = null) => (_images, Files) = (images, files ?? []);

    /// <summary>How many images there are, n.</summary>
    public long Count => _images.shape[0];

    /// <summary>The images' files, with their labels; empty where they were not read from files.</summary>
    public IReadOnlyList<ImageEntry> Files { get; }

    /// <summary>Reads all batches into memory, without a second copy of it.</summary>
    /// <exception cref="ImageException">Too many files cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Reading was stopped.</exception>
    public static PreparedImages Load(ImageBatches batches, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = empty([batches.Files.Count, .. batches.Shape]);
        List<ImageEntry> files = [];
        foreach (ImageBatch batch in batches.Read(cancellation))
        {
            using (batch)
            {
                using Tensor target = images.narrow(0, files.Count, batch.Entries.Count);
                target.copy_(batch.Images);
                files.AddRange(batch.Entries);
            }
        }

        return new PreparedImages(images.narrow(0, 0, files.Count).DetachFromDisposeScope(), files);
    }

    /// <summary>A pass over the images in batches that the caller disposes; they view this memory.</summary>
    /// <param name="size">Images per batch, at least 1; the last batch may be smaller.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is not positive.</exception>
    public IEnumerable<Tensor> Batches(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        return Views();

        IEnumerable<Tensor> Views()
        {
            for (long start = 0; start < Count; start += size)
            {
                yield return _images.narrow(0, start, Math.Min(size, Count - start));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _images.Dispose();
}
