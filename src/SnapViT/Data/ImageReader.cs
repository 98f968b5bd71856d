using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Data;

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
