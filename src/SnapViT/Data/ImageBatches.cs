using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>Images of one forward pass. Owns its tensor.</summary>
/// <param name="Images">Normalised values, float32 [B, ...].</param>
/// <param name="Files">The images' files, B.</param>
public sealed record ImageBatch(Tensor Images, IReadOnlyList<ImageFile> Files) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Images.Dispose();
}

/// <summary>A file that was left out because it is no readable image.</summary>
/// <param name="Name">Path below the folder.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record SkippedFile(string Name, string Reason);

/// <summary>
/// Reads files into batches. Decoding runs ahead of the consumer on background threads, a bounded number of images and no more; memory does not
/// grow with the number of files.
/// </summary>
public sealed class ImageBatches
{
    private readonly IReadOnlyList<ImageFile> _files;
    private readonly Func<ImageFile, RgbImage, float[]> _prepare;
    private readonly long[] _shape;
    private readonly int _size;
    private readonly List<SkippedFile> _skipped = [];

    /// <summary>Batches of prepared images.</summary>
    /// <param name="files">Files to read, in this order.</param>
    /// <param name="prepare">A decoded image to values of <paramref name="shape"/>; called on background threads.</param>
    /// <param name="shape">Shape of one prepared image, such as [3, S, S].</param>
    /// <param name="size">Images per batch, at least 1.</param>
    public ImageBatches(IReadOnlyList<ImageFile> files, Func<ImageFile, RgbImage, float[]> prepare, IReadOnlyList<long> shape, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        _files = files;
        _prepare = prepare;
        _shape = [.. shape];
        _size = size;
    }

    /// <summary>The share of unreadable files from which on reading is refused; 0..1, default 0.1.</summary>
    public double MaxSkippedShare { get; init; } = 0.1;

    /// <summary>Files that the last pass left out.</summary>
    public IReadOnlyList<SkippedFile> Skipped => _skipped;

    /// <summary>Batches of whole images through one model's preprocessing, [B, 3, S, S].</summary>
    public static ImageBatches ForEvaluation(IReadOnlyList<ImageFile> files, Preprocessing preprocessing, int size)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        return new ImageBatches(files, (_, image) => preprocessing.Apply(image), [3, preprocessing.Side, preprocessing.Side], size);
    }

    /// <summary>Batches of crops, [B, V, 3, S, S].</summary>
    public static ImageBatches ForCrops(IReadOnlyList<ImageFile> files, MultiCrop crops, int side, int size)
    {
        ArgumentNullException.ThrowIfNull(crops);
        return new ImageBatches(files, crops.Apply, [crops.Views, 3, side, side], size);
    }

    /// <summary>Reads all files once.</summary>
    /// <param name="cancellation">Stops reading.</param>
    /// <returns>Batches of the caller's, in the order of the files.</returns>
    /// <exception cref="ImageFolderException">More than the set share of the files cannot be read.</exception>
    public IEnumerable<ImageBatch> Read(CancellationToken cancellation = default)
    {
        _skipped.Clear();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Queue<Task<float[]>> ahead = [];
        int next = 0;
        List<float[]> values = [];
        List<ImageFile> files = [];
        try
        {
            for (int index = 0; index < _files.Count; index++)
            {
                for (; next < _files.Count && ahead.Count < 2 * _size; next++)
                {
                    ImageFile file = _files[next];
                    ahead.Enqueue(Task.Run(() => _prepare(file, ImageDecoder.Decode(file.Path)), stop.Token));
                }

                if (Take(ahead.Dequeue(), _files[index]) is float[] image)
                {
                    values.Add(image);
                    files.Add(_files[index]);
                }

                if (values.Count == _size || (index == _files.Count - 1 && values.Count > 0))
                {
                    yield return new ImageBatch(Stack(values), [.. files]);
                    values.Clear();
                    files.Clear();
                }
            }
        }
        finally
        {
            stop.Cancel();
            Task.WhenAll(ahead).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).Wait(CancellationToken.None);
        }
    }

    /// <summary>The image, or null where the file is broken and was noted.</summary>
    private float[]? Take(Task<float[]> task, ImageFile file)
    {
        try
        {
            return task.GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is ImageFormatException or IOException or UnauthorizedAccessException)
        {
            _skipped.Add(new SkippedFile(file.Name, exception.Message));
            return _skipped.Count <= MaxSkippedShare * _files.Count
                ? null
                : throw new ImageFolderException(
                    _skipped[0].Name, $"more than {MaxSkippedShare:P0} of {_files.Count} files cannot be read as images, this one first: {_skipped[0].Reason}");
        }
    }

    private Tensor Stack(List<float[]> images)
    {
        Tensor batch = empty([images.Count, .. _shape]).DetachFromDisposeScope();
        Span<byte> bytes = batch.bytes;
        int length = bytes.Length / images.Count;
        for (int i = 0; i < images.Count; i++)
        {
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(images[i].AsSpan()).CopyTo(bytes.Slice(i * length, length));
        }

        return batch;
    }
}
