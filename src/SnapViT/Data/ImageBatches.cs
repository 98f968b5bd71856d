using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>
/// Reads files into batches. Decoding runs ahead of the consumer on background threads, by at most two batches; memory does not grow with the
/// number of files.
/// </summary>
/// <remarks>The background threads make plain arrays; tensors are made on the consumer's thread, since dispose scopes belong to threads.</remarks>
public sealed class ImageBatches
{
    private const int BatchesAhead = 2;

    private readonly Func<string, RgbImage, float[]> _prepare;
    private readonly int _imageLength;
    private readonly int _size;
    private readonly List<SkippedImage> _skipped = [];

    /// <summary>Batches of prepared images.</summary>
    /// <param name="files">Files to read, in this order.</param>
    /// <param name="prepare">A decoded image to values of <paramref name="shape"/>; called on background threads, several at once.</param>
    /// <param name="shape">Shape of one prepared image, such as [3, S, S].</param>
    /// <param name="size">Images per batch, at least 1; the last batch may be smaller.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is not positive, or a batch would take 2 GB or more.</exception>
    public ImageBatches(IReadOnlyList<ImageEntry> files, Func<string, RgbImage, float[]> prepare, IReadOnlyList<long> shape, int size)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(prepare);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        long length = shape.Aggregate(1L, (product, side) => checked(product * side));
        long mostImages = int.MaxValue / (length * sizeof(float));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, mostImages, nameof(size));
        Files = [.. files];
        Shape = [.. shape];
        _prepare = prepare;
        _imageLength = (int)length;
        _size = size;
    }

    /// <summary>The files that are read, in order.</summary>
    public IReadOnlyList<ImageEntry> Files { get; }

    /// <summary>Shape of one prepared image.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The share of unreadable files from which on reading is refused; 0..1, default 0.1.</summary>
    public double MaxSkippedShare { get; init; } = 0.1;

    /// <summary>Files that the last pass left out, in order.</summary>
    public IReadOnlyList<SkippedImage> Skipped => _skipped;

    /// <summary>Batches of whole images through one model's preprocessing, [B, 3, S, S].</summary>
    public static ImageBatches ForEvaluation(IReadOnlyList<ImageEntry> files, Preprocessing preprocessing, int size)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        long side = preprocessing.Validated().Side;
        return new ImageBatches(files, (_, image) => preprocessing.Apply(image), [3, side, side], size);
    }

    /// <summary>Batches of crops, [B, V, 3, S, S].</summary>
    public static ImageBatches ForCrops(IReadOnlyList<ImageEntry> files, MultiCrop crops, int size)
    {
        ArgumentNullException.ThrowIfNull(crops);
        return new ImageBatches(files, crops.Apply, [crops.Views, 3, crops.Side, crops.Side], size);
    }

    /// <summary>Batches of random views, [B, V, 3, S, S].</summary>
    public static ImageBatches ForViews(IReadOnlyList<ImageEntry> files, RandomViews views, int size)
    {
        ArgumentNullException.ThrowIfNull(views);
        return new ImageBatches(files, views.Apply, [views.Count, 3, views.Side, views.Side], size);
    }

    /// <summary>Reads all files once; one pass at a time. Leaving early stops the background work before control returns.</summary>
    /// <param name="cancellation">Stops reading.</param>
    /// <returns>Batches that the caller disposes, in the order of the files.</returns>
    /// <exception cref="ImageException">More than the set share of the files cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Reading was stopped.</exception>
    public IEnumerable<ImageBatch> Read(CancellationToken cancellation = default)
    {
        _skipped.Clear();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Queue<Task<float[]>> ahead = [];
        List<float[]> images = [];
        List<ImageEntry> files = [];
        try
        {
            for (int index = 0; index < Files.Count; index++)
            {
                cancellation.ThrowIfCancellationRequested();
                while (ahead.Count < BatchesAhead * _size && index + ahead.Count < Files.Count)
                {
                    ImageEntry next = Files[index + ahead.Count];
                    ahead.Enqueue(Task.Run(() => Prepare(next), stop.Token));
                }

                if (Take(ahead.Dequeue(), Files[index]) is float[] image)
                {
                    images.Add(image);
                    files.Add(Files[index]);
                }

                if (images.Count == _size || (index == Files.Count - 1 && images.Count > 0))
                {
                    yield return new ImageBatch(Stack(images), [.. files]);
                    images.Clear();
                    files.Clear();
                }
            }
        }
        finally
        {
            stop.Cancel();
            ((Task)Task.WhenAll(ahead)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
        }
    }

    private float[] Prepare(ImageEntry file)
    {
        float[] image = _prepare(file.Name, file.Decode());
        return image.Length == _imageLength
            ? image
            : throw new InvalidOperationException($"{file.Name}: expected {_imageLength} prepared values [{string.Join(", ", Shape)}], found {image.Length}");
    }

    /// <summary>The image, or null where the file is broken and was noted.</summary>
    private float[]? Take(Task<float[]> task, ImageEntry file)
    {
        try
        {
            return task.GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is ImageException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            _skipped.Add(new SkippedImage(file.Name, exception.Message));
            return _skipped.Count <= MaxSkippedShare * Files.Count
                ? null
                : throw new ImageException(
                    _skipped[0].Name, $"more than {MaxSkippedShare:P0} of {Files.Count} files cannot be read as images, this one first: {_skipped[0].Reason}");
        }
    }

    private Tensor Stack(List<float[]> images)
    {
        Tensor batch = empty([images.Count, .. Shape]).DetachFromDisposeScope();
        Span<float> values = MemoryMarshal.Cast<byte, float>(batch.bytes);
        for (int i = 0; i < images.Count; i++)
        {
            images[i].CopyTo(values[(i * _imageLength)..]);
        }

        return batch;
    }
}
