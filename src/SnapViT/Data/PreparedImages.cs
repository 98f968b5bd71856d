using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>
/// Images that were decoded and prepared once and are kept in memory, for work that runs over the same images many times: as bytes where
/// their values are those of bytes, 150 KB for an image of 224 pixels and 150 MB for a thousand, else as float32, four times as much.
/// </summary>
internal sealed class PreparedImages : IDisposable
{
    private readonly Tensor _images;
    private readonly IReadOnlyList<float[]>? _levels;
    private readonly List<ImageEntry> _entries = [];

    /// <summary>Room for the images of a set; <see cref="Consumer"/> fills it.</summary>
    /// <param name="images">The images, n at most.</param>
    /// <param name="preparation">How they are prepared.</param>
    /// <param name="batchSize">Images that are copied at a time, at least 1.</param>
    public PreparedImages(ImageSet images, ImagePreparation preparation, int batchSize)
    {
        _levels = preparation.Levels;
        Consumer = new ImageConsumer(images, preparation, batchSize, take: Add) { KeepsImages = true, Passes = 0 };
        _images = empty([images.Count, .. preparation.Shape], _levels is null ? ScalarType.Float32 : ScalarType.Byte)
            .DetachFromDisposeScope();
    }

    /// <summary>Takes ownership of images that were prepared elsewhere.</summary>
    /// <param name="images">Float32 [n, 3, S, S].</param>
    public PreparedImages(Tensor images) => (_images, Count) = (images.DetachFromDisposeScope(), images.shape[0]);

    /// <summary>Who takes the images from a pass; null where there is none to take.</summary>
    public ImageConsumer? Consumer { get; }

    /// <summary>How many images there are, n.</summary>
    public long Count { get; private set; }

    /// <summary>Memory of all images.</summary>
    public long Bytes => _images.NumberOfElements * _images.ElementSize;

    /// <summary>Where the images come from; empty where they were prepared elsewhere.</summary>
    public IReadOnlyList<ImageEntry> Entries => _entries;

    /// <summary>A pass over the images in batches that the caller disposes.</summary>
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
                using Tensor view = _images.narrow(0, start, Math.Min(size, Count - start)), values = Values(view);
                yield return device is null ? values.alias() : values.to(device);
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
            using Tensor places = tensor(part), images = _images.index_select(0, places), values = Values(images);
            yield return values.to(device);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _images.Dispose();

    private void Add(ImageBatch batch)
    {
        using Tensor target = _images.narrow(0, Count, batch.Entries.Count);
        if (_levels is null)
        {
            target.copy_(batch.Images);
        }
        else
        {
            ForEachPlane(target, (plane, of) => Pack(
                MemoryMarshal.Cast<byte, float>(batch.Images.bytes).Slice(plane * of.Length, of.Length), of,
                _levels[plane % _levels.Count]));
        }

        Count += batch.Entries.Count;
        _entries.AddRange(batch.Entries);
    }

    /// <summary>Images as float32: the kept ones, or their bytes' values.</summary>
    private Tensor Values(Tensor kept)
    {
        if (_levels is null)
        {
            return kept.alias();
        }

        Tensor values = empty(kept.shape);
        ForEachPlane(kept, (plane, of) => Unpack(
            of, MemoryMarshal.Cast<byte, float>(values.bytes).Slice(plane * of.Length, of.Length), _levels[plane % _levels.Count]));
        return values;
    }

    /// <summary>Works on every channel of every image, several at once.</summary>
    private static void ForEachPlane(Tensor images, PlaneWork work)
    {
        int size = (int)(images.shape[^1] * images.shape[^2]);
        Parallel.For(0, (int)(images.NumberOfElements / size), plane => work(plane, images.bytes.Slice(plane * size, size)));
    }

    private static void Pack(ReadOnlySpan<float> values, Span<byte> bytes, float[] levels)
    {
        float step = (levels[^1] - levels[0]) / byte.MaxValue;
        for (int i = 0; i < values.Length; i++)
        {
            int nearest = Math.Clamp((int)MathF.Round((values[i] - levels[0]) / step), 0, byte.MaxValue);
            bytes[i] = levels[nearest] == values[i]
                ? (byte)nearest
                : throw new InvalidOperationException($"expected a value of a byte, found {values[i]}");
        }
    }

    private static void Unpack(ReadOnlySpan<byte> bytes, Span<float> values, float[] levels)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            values[i] = levels[bytes[i]];
        }
    }

    private delegate void PlaneWork(int plane, Span<byte> bytes);
}
