using System.Collections.Concurrent;
using System.Globalization;
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
/// One of several parts that a pass over images is divided into: every consumer gets an equal share of its batches, which are the same
/// however many parts there are.
/// </summary>
/// <param name="Index">Which one, from 0.</param>
/// <param name="Count">How many there are, at least 1.</param>
internal readonly record struct ImageShard(int Index, int Count)
{
    /// <summary>The most parts that are sensible: more than any set has batches would only be empty.</summary>
    private const int Most = 100_000;

    /// <summary>Reads such as "3/8", counted from 1.</summary>
    /// <exception cref="SnapViTException">It is none.</exception>
    public static ImageShard Parse(string text)
    {
        string[] parts = text.Split('/');
        return parts is [string first, string second]
            && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
            && int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            && index >= 1 && index <= count && count <= Most
            ? new ImageShard(index - 1, count)
            : throw new SnapViTException(
                ErrorKind.Option, $"shard: expected a number of as many such as 3/8, counted from 1, found '{text}'");
    }

    /// <summary>Such as "3/8".</summary>
    public override string ToString() => FormattableString.Invariant($"{Index + 1}/{Count}");

    /// <summary>The first and the first that is not any more of so many things.</summary>
    public (int First, int End) Of(int things) => ((int)((long)things * Index / Count), (int)((long)things * (Index + 1) / Count));
}

/// <summary>
/// Reads images once for any number of consumers: every image is opened and decoded once, prepared once for each preparation that is wanted
/// of it, and handed over in batches. Decoding runs ahead on background threads, by at most two batches of every consumer; memory does not
/// grow with the number of images. An image that cannot be read is missing in its batch: which images
/// are in a batch depends on their places alone, not on the others.
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
    private readonly int[] _end;
    private int[] _start;
    private IReadOnlyList<SkippedImage> _skippedBefore = [];

    /// <summary>A reader of the images that the consumers want, in the order of the set.</summary>
    /// <param name="images">The set that all consumers' images are parts of.</param>
    /// <param name="consumers">Who gets batches; an image of several is given to them in this order.</param>
    /// <exception cref="ArgumentException">A consumer wants an image that is not in the set.</exception>
    public ImageReader(ImageSet images, params IReadOnlyList<ImageConsumer> consumers)
        : this(images, shard: null, consumers)
    {
    }

    /// <summary>A reader of a part of the batches that the consumers want.</summary>
    /// <param name="images">The set that all consumers' images are parts of.</param>
    /// <param name="shard">Which part; null for all.</param>
    /// <param name="consumers">Who gets batches.</param>
    /// <inheritdoc cref="ImageReader(ImageSet, IReadOnlyList{ImageConsumer})"/>
    public ImageReader(ImageSet images, ImageShard? shard, params IReadOnlyList<ImageConsumer> consumers)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(consumers);
        _consumers = [.. consumers];
        _wanted = [.. consumers.Select(consumer => consumer.Images.Entries.ToHashSet())];
        _preparations = [.. consumers.Select(consumer => consumer.Preparation).Distinct()];
        _entries = [.. images.Entries.Where(entry => _wanted.Any(wanted => wanted.Contains(entry)))];
        if (_wanted.Any(wanted => wanted.Count > _entries.Count(wanted.Contains)))
        {
            throw new ArgumentException($"{images.Source}: expected consumers of images of this set", nameof(consumers));
        }

        (int First, int End)[] ranges = [.. consumers.Select((_, consumer) => RangeOf(consumer, shard ?? new ImageShard(0, 1)))];
        _start = [.. ranges.Select(range => range.First)];
        _end = [.. ranges.Select(range => range.End)];
        _positions = [.. _start];
        (int First, int End)[] served = [.. ranges.Where(range => range.First < range.End)];
        (First, End) = served.Length == 0 ? (0, 0) : (served.Min(range => range.First), served.Max(range => range.End));
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
    public int Count => End - First;

    /// <summary>The place of the first image of the pass in the order of the set: 0, but for a part of a pass.</summary>
    public int First { get; }

    /// <summary>The place behind the last image of the pass.</summary>
    public int End { get; }

    /// <summary>
    /// Whether every image is decoded at its full size, whoever wants it; default no, for a smaller one where all who want it do with that.
    /// What a consumer gets then does not depend on who else reads.
    /// </summary>
    public bool IsFullSize { get; init; }

    /// <summary>Told the fingerprint of every image that is read, by its name, from several threads; null for nobody.</summary>
    internal ConcurrentDictionary<string, (long Length, long Digest)>? Fingerprints { get; init; }

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
                    Progress?.Invoke(index + 1 - First, Count);
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
        int leastSide = IsFullSize ? int.MaxValue
            : _preparations.Where((_, preparation) => wanted[preparation]).Max(preparation => preparation.LeastSide);
        RgbImage image = entry.Decode(
            lease.Take, leastSide: leastSide,
            fingerprint: Fingerprints is null ? null : fingerprint => Fingerprints[entry.Name] = fingerprint);
        return [.. _preparations.Select((preparation, which) => wanted[which] ? Prepare(entry, image, preparation) : null)];
    }

    private bool IsWanted(int index, ImagePreparation preparation) =>
        Enumerable.Range(0, _consumers.Count).Any(consumer => _consumers[consumer].Preparation == preparation && Wants(consumer, index));

    private bool Wants(int consumer, int index) =>
        index >= _start[consumer] && index < _end[consumer] && _wanted[consumer].Contains(_entries[index]);

    /// <summary>The places between which the batches of a consumer lie that a part of the pass serves.</summary>
    private (int First, int End) RangeOf(int consumer, ImageShard shard)
    {
        int[] places = [.. Enumerable.Range(0, _entries.Length).Where(index => _wanted[consumer].Contains(_entries[index]))];
        int size = _consumers[consumer].BatchSize;
        (int first, int end) = shard.Of((places.Length + size - 1) / size);
        return (Place(first), first == end ? Place(first) : Place(end));

        int Place(int batch) => (long)batch * size < places.Length ? batch == 0 ? 0 : places[batch * size] : _entries.Length;
    }

    /// <summary>What a consumer has of its first batch: nothing yet, but the images left out before count.</summary>
    private Pending Empty(int consumer)
    {
        HashSet<string> before = [.. _entries.Take(_start[consumer]).Where(_wanted[consumer].Contains).Select(entry => entry.Name)];
        return new Pending(
            _consumers[consumer], before.Count, [.. _skippedBefore.Where(skipped => before.Contains(skipped.Name))], MaxSkippedShare);
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
                pending.Skip(skipped);
            }

            return null;
        }
    }

    /// <summary>What a consumer has of its next batch.</summary>
    private sealed class Pending
    {
        private readonly ImageConsumer _consumer;
        private readonly double _mostShare;
        private readonly List<float[]> _values = [];
        private readonly List<ImageEntry> _entries = [];
        private readonly List<SkippedImage> _skipped;
        private int _place;

        /// <summary>Nothing of a batch.</summary>
        /// <param name="consumer">Whose.</param>
        /// <param name="before">Its images before that batch.</param>
        /// <param name="skipped">Those of them that could not be read.</param>
        /// <param name="mostShare">The share of its images that may be unreadable.</param>
        public Pending(ImageConsumer consumer, int before, List<SkippedImage> skipped, double mostShare)
        {
            (_consumer, _place, _skipped, _mostShare) = (consumer, before, skipped, mostShare);
            RequireMostRead();
        }

        public ImageConsumer Consumer => _consumer;

        public bool IsComplete => _values.Count > 0 && (_place % _consumer.BatchSize == 0 || _place == _consumer.Images.Count);

        public void Add(ImageEntry entry, float[]? values)
        {
            _place++;
            if (values is not null)
            {
                _values.Add(values);
                _entries.Add(entry);
            }
        }

        public void Skip(SkippedImage image)
        {
            _skipped.Add(image);
            RequireMostRead();
        }

        private void RequireMostRead()
        {
            if (_skipped.Count > _mostShare * _consumer.Images.Count)
            {
                throw new ImageException(
                    _skipped[0].Name,
                    $"more than {_mostShare:P0} of {_consumer.Images.Count} files cannot be read as images, "
                        + $"this one first: {_skipped[0].Reason}");
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
            Tensor batch = empty([_values.Count, .. _consumer.Preparation.Shape]).DetachFromDisposeScope();
            Span<float> values = MemoryMarshal.Cast<byte, float>(batch.bytes);
            for (int i = 0; i < _values.Count; i++)
            {
                _values[i].CopyTo(values[(i * _consumer.Preparation.Length)..]);
            }

            if (_consumer.Device is null || _consumer.Device.type == DeviceType.CPU)
            {
                return batch;
            }

            using (batch)
            {
                return batch.to(_consumer.Device).DetachFromDisposeScope();
            }
        }
    }
}
