using System.Runtime.InteropServices;
using SnapViT.Core.Errors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>Images of one forward pass. Owns its tensor.</summary>
internal sealed class ImageBatch(Tensor images, IReadOnlyList<ImageEntry> entries) : IDisposable
{
    /// <summary>Normalised values, float32 [B, ...], on the device of the consumer.</summary>
    public Tensor Images { get; } = images;

    /// <summary>Where the images come from, B.</summary>
    public IReadOnlyList<ImageEntry> Entries { get; } = entries;

    /// <summary>The classes of labelled images, int64 [B], on the device of the images; the caller disposes it.</summary>
    public Tensor Labels() => tensor(Entries.Select(entry => (long)entry.Label!.Value).ToArray(), device: Images.device);

    /// <inheritdoc/>
    public void Dispose() => Images.Dispose();
}

/// <summary>How a decoded image becomes values. Consumers that share one of these get values that were made once.</summary>
internal sealed class ImagePreparation
{
    /// <summary>A preparation of its own.</summary>
    /// <param name="shape">Shape of one prepared image, such as [3, S, S].</param>
    /// <param name="apply">A decoded image, with its name, to values of that shape; called on background threads, several at once.</param>
    public ImagePreparation(IReadOnlyList<long> shape, Func<string, RgbImage, float[]> apply)
    {
        Shape = [.. shape];
        Length = checked((int)shape.Aggregate(1L, (product, side) => checked(product * side)));
        Apply = apply;
    }

    /// <summary>Shape of one prepared image.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Values of one prepared image.</summary>
    public int Length { get; }

    /// <summary>How long the short side of a decoded image must at least be; the default wants images as they are.</summary>
    public int LeastSide { get; init; } = int.MaxValue;

    /// <summary>The values that each channel's bytes become, ascending, [3][256]; null where an image has others.</summary>
    public IReadOnlyList<float[]>? Levels { get; init; }

    /// <summary>A decoded image, with its name, to values.</summary>
    public Func<string, RgbImage, float[]> Apply { get; }

    /// <summary>Whole images as a model's input, [3, S, S].</summary>
    public static ImagePreparation Whole(Preprocessing preprocessing)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        long side = preprocessing.Validated().Side;
        return new ImagePreparation([3, side, side], (_, image) => preprocessing.Apply(image))
        {
            LeastSide = preprocessing.LeastSide, Levels = preprocessing.Levels,
        };
    }

    /// <summary>Crops for the self-supervised loss, [V, 3, S, S].</summary>
    public static ImagePreparation Crops(MultiCrop crops)
    {
        ArgumentNullException.ThrowIfNull(crops);
        return new ImagePreparation([crops.Views, 3, crops.Side, crops.Side], crops.Apply);
    }

    /// <summary>Random views for second moments, [V, 3, S, S].</summary>
    public static ImagePreparation Views(RandomViews views)
    {
        ArgumentNullException.ThrowIfNull(views);
        return new ImagePreparation([views.Count, 3, views.Side, views.Side], views.Apply);
    }
}

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

/// <summary>
/// Reads images once for any number of consumers: every image is opened and decoded once, prepared once for each preparation that is wanted
/// of it, and handed over in batches. Decoding runs ahead on background threads, by at most two batches of every consumer; memory does not
/// grow with the number of images. An image that cannot be read is left out, and its place in a batch is taken by the next one.
/// </summary>
/// <remarks>
/// The background threads make plain arrays; tensors are made on the consumers' thread, since dispose scopes belong to threads.
/// </remarks>
internal sealed class ImageReader
{
    private const int BatchesAhead = 2;

    private readonly ImageEntry[] _entries;
    private readonly IReadOnlyList<ImageConsumer> _consumers;
    private readonly HashSet<ImageEntry>[] _wanted;
    private readonly ImagePreparation[] _preparations;
    private readonly List<SkippedImage> _skipped = [];
    private readonly DecodedBytes _decoded = new(DecodedBytes.Most);
    private readonly int[] _positions;
    private int[] _start;
    private IReadOnlyList<SkippedImage> _skippedBefore = [];

    /// <summary>A reader of the images that the consumers want, in the order of the set.</summary>
    /// <param name="images">The set that all consumers' images are parts of.</param>
    /// <param name="consumers">Who gets batches; an image of several is given to them in this order.</param>
    /// <exception cref="ArgumentException">A consumer wants an image that is not in the set.</exception>
    public ImageReader(ImageSet images, params IReadOnlyList<ImageConsumer> consumers)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(consumers);
        _consumers = [.. consumers];
        _wanted = [.. consumers.Select(consumer => consumer.Images.Entries.ToHashSet())];
        _preparations = [.. consumers.Select(consumer => consumer.Preparation).Distinct()];
        (_start, _positions) = (new int[consumers.Count], new int[consumers.Count]);
        _entries = [.. images.Entries.Where(entry => _wanted.Any(wanted => wanted.Contains(entry)))];
        if (_wanted.Any(wanted => wanted.Count > _entries.Count(wanted.Contains)))
        {
            throw new ArgumentException($"{images.Source}: expected consumers of images of this set", nameof(consumers));
        }
    }

    /// <summary>The share of a consumer's images that may be unreadable before reading is refused; 0..1, default 0.1.</summary>
    public double MaxSkippedShare { get; init; } = 0.1;

    /// <summary>
    /// Told how many images of how many are done, after every image that completes a batch and after the last; null for nobody.
    /// </summary>
    public Action<int, int>? Progress { get; set; }

    /// <summary>Images that the last pass left out, in order.</summary>
    public IReadOnlyList<SkippedImage> Skipped => _skipped;

    /// <summary>Images of the pass.</summary>
    public int Count => _entries.Length;

    /// <summary>
    /// For each consumer the place in the pass of the first image that it has not got in a complete batch yet. True between two batches, as
    /// when <see cref="Progress"/> is told or the pass is cancelled.
    /// </summary>
    public IReadOnlyList<int> Positions => _positions;

    /// <summary>Lets the pass go on where one over the same images, for the same consumers, was left.</summary>
    /// <param name="positions">Where each consumer goes on, 0 for the beginning; see <see cref="Positions"/>.</param>
    /// <param name="skipped">What was left out until then.</param>
    /// <exception cref="ArgumentException">There are not as many positions as consumers, or one is not in the pass.</exception>
    public void Continue(IReadOnlyList<int> positions, IReadOnlyList<SkippedImage> skipped)
    {
        if (positions.Count != _consumers.Count || positions.Any(position => position < 0 || position > _entries.Length))
        {
            throw new ArgumentException(
                $"positions: expected {_consumers.Count} from 0 to {_entries.Length}, found {string.Join(", ", positions)}",
                nameof(positions));
        }

        (_start, _skippedBefore) = ([.. positions], [.. skipped]);
        _start.CopyTo(_positions, 0);
    }

    /// <summary>Reads the images once and hands all batches to their consumers.</summary>
    /// <param name="cancellation">Stops between two images.</param>
    /// <exception cref="ImageException">More than the set share of a consumer's images cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Reading was stopped.</exception>
    public void Run(CancellationToken cancellation = default)
    {
        foreach ((ImageConsumer consumer, ImageBatch batch) in Read(cancellation))
        {
            using (batch)
            {
                consumer.Take!(batch);
            }
        }
    }

    /// <summary>
    /// The batches of all consumers, for a reader of one: the caller disposes them. Leaving early stops the background work before control
    /// returns.
    /// </summary>
    /// <inheritdoc cref="Run"/>
    public IEnumerable<ImageBatch> Batches(CancellationToken cancellation = default) => Read(cancellation).Select(read => read.Batch);

    private IEnumerable<(ImageConsumer Consumer, ImageBatch Batch)> Read(CancellationToken cancellation)
    {
        _skipped.Clear();
        _skipped.AddRange(_skippedBefore);
        _start.CopyTo(_positions, 0);
        int[] order = [.. Enumerable.Range(0, _entries.Length)
            .Where(index => Enumerable.Range(0, _consumers.Count).Any(consumer => Wants(consumer, index)))];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Queue<Task<float[]?[]>> ahead = [];
        Pending[] all = [.. _consumers.Select((_, consumer) => Empty(consumer))];
        int most = MostAhead();
        try
        {
            for (int at = 0; at < order.Length; at++)
            {
                cancellation.ThrowIfCancellationRequested();
                int index = order[at];
                while (ahead.Count < most && at + ahead.Count < order.Length)
                {
                    int next = order[at + ahead.Count];
                    ahead.Enqueue(Task.Run(() => Prepare(next), stop.Token));
                }

                Pending[] concerned = [.. all.Where((_, consumer) => Wants(consumer, index))];
                float[]?[]? prepared = Take(ahead.Dequeue(), _entries[index], concerned);
                bool completes = at == order.Length - 1;
                foreach (Pending pending in concerned)
                {
                    pending.Add(_entries[index], prepared?[Array.IndexOf(_preparations, pending.Consumer.Preparation)]);
                    if (pending.IsComplete)
                    {
                        completes = true;
                        yield return (pending.Consumer, pending.Batch());
                        _positions[Array.IndexOf(all, pending)] = index + 1;
                    }
                }

                if (completes)
                {
                    Progress?.Invoke(index + 1, _entries.Length);
                }
            }
        }
        finally
        {
            stop.Cancel();
            ((Task)Task.WhenAll(ahead)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
        }
    }

    /// <summary>Images ahead whose values take no more memory than two batches of every preparation.</summary>
    private int MostAhead()
    {
        long inBatches = _preparations.Sum(preparation =>
            preparation.Length * (long)_consumers
                .Where(consumer => consumer.Preparation == preparation).Max(consumer => consumer.BatchSize));
        long perImage = _preparations.Sum(preparation => (long)preparation.Length);
        return (int)Math.Max(1, BatchesAhead * inBatches / Math.Max(1, perImage));
    }

    /// <summary>The values of an image for every preparation; null where no consumer wants it so.</summary>
    private float[]?[] Prepare(int index)
    {
        ImageEntry entry = _entries[index];
        using DecodedBytes.Lease lease = _decoded.Lend();
        bool[] wanted = [.. _preparations.Select(preparation => IsWanted(index, preparation))];
        int leastSide = _preparations.Where((_, preparation) => wanted[preparation]).Max(preparation => preparation.LeastSide);
        RgbImage image = entry.Decode(lease.Take, leastSide: leastSide);
        return [.. _preparations.Select((preparation, which) => wanted[which] ? Prepare(entry, image, preparation) : null)];
    }

    private bool IsWanted(int index, ImagePreparation preparation) =>
        Enumerable.Range(0, _consumers.Count).Any(consumer => _consumers[consumer].Preparation == preparation && Wants(consumer, index));

    private bool Wants(int consumer, int index) => index >= _start[consumer] && _wanted[consumer].Contains(_entries[index]);

    /// <summary>What a consumer has of its first batch: nothing yet, but the images left out before count.</summary>
    private Pending Empty(int consumer)
    {
        HashSet<string> before = [.. _entries.Take(_start[consumer]).Where(_wanted[consumer].Contains).Select(entry => entry.Name)];
        return new Pending(_consumers[consumer], before.Count, [.. _skippedBefore.Where(skipped => before.Contains(skipped.Name))]);
    }

    private static float[] Prepare(ImageEntry entry, RgbImage image, ImagePreparation preparation)
    {
        float[] values = preparation.Apply(entry.Name, image);
        return values.Length == preparation.Length ? values : throw new InvalidOperationException(
            $"{entry.Name}: expected {preparation.Length} prepared values [{string.Join(", ", preparation.Shape)}], found {values.Length}");
    }

    /// <summary>The values of an image, or null where it cannot be read and that was noted.</summary>
    private float[]?[]? Take(Task<float[]?[]> task, ImageEntry entry, IEnumerable<Pending> concerned)
    {
        try
        {
            return task.GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is ImageException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            SkippedImage skipped = new(entry.Name, exception.Message);
            if (_skipped.All(known => known.Name != skipped.Name))
            {
                _skipped.Add(skipped);
            }

            foreach (Pending pending in concerned)
            {
                pending.Skip(skipped, MaxSkippedShare);
            }

            return null;
        }
    }

    /// <summary>What a consumer has of its next batch.</summary>
    private sealed class Pending(ImageConsumer consumer, int before, IReadOnlyList<SkippedImage> skippedBefore)
    {
        private readonly List<float[]> _values = [];
        private readonly List<ImageEntry> _entries = [];
        private int _left = consumer.Images.Count - before;
        private SkippedImage? _firstSkipped = skippedBefore.Count > 0 ? skippedBefore[0] : null;
        private int _skipped = skippedBefore.Count;

        public ImageConsumer Consumer => consumer;

        public bool IsComplete => _values.Count == consumer.BatchSize || (_left == 0 && _values.Count > 0);

        public void Add(ImageEntry entry, float[]? values)
        {
            _left--;
            if (values is not null)
            {
                _values.Add(values);
                _entries.Add(entry);
            }
        }

        public void Skip(SkippedImage image, double mostShare)
        {
            _firstSkipped ??= image;
            if (++_skipped > mostShare * consumer.Images.Count)
            {
                throw new ImageException(
                    _firstSkipped.Name,
                    $"more than {mostShare:P0} of {consumer.Images.Count} files cannot be read as images, "
                        + $"this one first: {_firstSkipped.Reason}");
            }
        }

        public ImageBatch Batch()
        {
            Tensor images = Stack();
            ImageBatch batch = new(images, [.. _entries]);
            _values.Clear();
            _entries.Clear();
            return batch;
        }

        private Tensor Stack()
        {
            Tensor batch = empty([_values.Count, .. consumer.Preparation.Shape]).DetachFromDisposeScope();
            Span<float> values = MemoryMarshal.Cast<byte, float>(batch.bytes);
            for (int i = 0; i < _values.Count; i++)
            {
                _values[i].CopyTo(values[(i * consumer.Preparation.Length)..]);
            }

            if (consumer.Device is null || consumer.Device.type == DeviceType.CPU)
            {
                return batch;
            }

            using (batch)
            {
                return batch.to(consumer.Device).DetachFromDisposeScope();
            }
        }
    }
}
