using System.Diagnostics;
using System.Globalization;
using SnapViT.Runtime;

namespace SnapViT.Server;

/// <summary>The images of one request, prepared, on their way through one forward pass.</summary>
/// <param name="images">Values [3, S, S] of each image, at least one.</param>
/// <param name="output">What is wanted of them.</param>
/// <param name="size">The size asked for; with a deadline the largest allowed.</param>
/// <param name="deadline">When the answer is due, as a timestamp of <see cref="Stopwatch"/>; null where there is no deadline.</param>
/// <param name="aborted">Signalled when nobody waits for the answer any more.</param>
internal sealed class Job(
    IReadOnlyList<float[]> images, FamilyMember.Output output, int size, long? deadline, CancellationToken aborted)
{
    public IReadOnlyList<float[]> Images => images;

    public FamilyMember.Output Output => output;

    public int Size => size;

    public long? Deadline => deadline;

    public CancellationToken Aborted => aborted;

    public long Queued { get; } = Stopwatch.GetTimestamp();

    public TaskCompletionSource<JobResult> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Seconds until the deadline, negative after it; null without one.</summary>
    public double? SecondsLeft(long now) => (deadline - now) / (double)Stopwatch.Frequency;
}

/// <summary>What a job gave.</summary>
/// <param name="Size">The size that it had.</param>
/// <param name="Rows">One row of the output for each image.</param>
/// <param name="Waited">How long it waited.</param>
/// <param name="Computed">How long the forward pass took.</param>
/// <param name="Batch">Images of the forward pass.</param>
/// <param name="Ended">When it ended, as a timestamp of <see cref="Stopwatch"/>.</param>
internal sealed record JobResult(
    int Size, IReadOnlyList<ReadOnlyMemory<float>> Rows, TimeSpan Waited, TimeSpan Computed, int Batch, long Ended);

/// <summary>
/// A bounded queue of jobs and one thread that runs them in batches of one size. The oldest job says which size comes next: its own, or
/// what <see cref="DeadlinePolicy"/> chooses. Others of the same kind join it, up to a full batch. What cannot be done is refused at once.
/// </summary>
internal sealed class BatchScheduler : IDisposable
{
    private readonly ViTFamily _family;
    private readonly SpeedTable _speeds;
    private readonly ServerOptions _options;
    private readonly ServerMetrics _metrics;
    private readonly object _gate = new();
    private readonly List<Job> _queue = [];
    private readonly Thread _worker;
    private readonly float[] _batch;
    private int _preparing;
    private long _busyUntil;
    private bool _closed;

    public BatchScheduler(ViTFamily family, SpeedTable speeds, ServerOptions options, ServerMetrics metrics)
    {
        (_family, _speeds, _options, _metrics) = (family, speeds, options, metrics);
        _batch = new float[options.BatchSize * 3 * family.Preprocessing.Side * family.Preprocessing.Side];
        _worker = new Thread(Work) { Name = "forward passes", IsBackground = true };
        _worker.Start();
    }

    /// <summary>Images that wait.</summary>
    public int QueuedImages
    {
        get
        {
            lock (_gate)
            {
                return Waiting();
            }
        }
    }

    /// <summary>Whether jobs are taken and done.</summary>
    public bool IsRunning => !_closed && _worker.IsAlive;

    /// <summary>Says that a request is being read, so that a batch may wait for it; disposed when it has come or failed.</summary>
    public IDisposable Announce()
    {
        lock (_gate)
        {
            _preparing++;
        }

        return new Announcement(this);
    }

    /// <summary>
    /// Refuses a request whose images would not be taken now, before they are decoded. What is told about the load is an estimate.
    /// </summary>
    /// <exception cref="RequestFault">The queue is full, the deadline cannot be met, or the server is stopping.</exception>
    public void Admit(int images, long? deadline)
    {
        lock (_gate)
        {
            if (_closed)
            {
                throw RequestFault.Stopping();
            }

            long now = Stopwatch.GetTimestamp();
            double load = Load(now);
            if (Waiting() + images > _options.QueueImages)
            {
                _metrics.Shed("queue");
                throw RequestFault.Overloaded(
                    $"the queue has {Waiting()} images and takes {_options.QueueImages}; {images} more do not fit", After(load));
            }

            // An idle server tries what it may not make: it learns from it, and takes nobody's time.
            double own = _speeds.Predict(_speeds.FastestSize, images), needed = load > 0 ? _speeds.Cautious(load + own) : own;
            if (deadline is long due && (due - now) / (double)Stopwatch.Frequency is double left && left < needed)
            {
                _metrics.Shed("deadline");
                throw RequestFault.Overloaded(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"deadline_ms: {1e3 * Math.Max(0, left):0.0} ms are left, and the work ahead takes {1e3 * needed:0.0} ms"),
                    After(load));
            }
        }
    }

    /// <summary>Takes a job.</summary>
    /// <exception cref="RequestFault">As <see cref="Admit"/>; or, later, the deadline passed while it waited.</exception>
    /// <exception cref="OperationCanceledException">Nobody waits for it any more.</exception>
    public async Task<JobResult> RunAsync(Job job)
    {
        lock (_gate)
        {
            Admit(job.Images.Count, job.Deadline);
            _queue.Add(job);
            Monitor.Pulse(_gate);
        }

        using CancellationTokenRegistration gone = job.Aborted.Register(() => Remove(job));
        return await job.Completion.Task.ConfigureAwait(false);
    }

    /// <summary>Takes no more jobs, does those that wait, and ends.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }

        _worker.Join();
    }

    private int Waiting() => _queue.Sum(job => job.Images.Count);

    /// <summary>Seconds of the work ahead: what is left of the running batch, and what waits, with deadlines at the fastest size.</summary>
    private double Load(long now)
    {
        double running = Math.Max(0, (Volatile.Read(ref _busyUntil) - now) / (double)Stopwatch.Frequency);
        return running + _queue
            .GroupBy(job => job.Deadline is null ? job.Size : Math.Max(job.Size, _speeds.FastestSize))
            .Sum(group => _speeds.Predict(group.Key, group.Sum(job => job.Images.Count)));
    }

    private static TimeSpan After(double seconds) => TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(seconds), 1, 60));

    private void Remove(Job job)
    {
        lock (_gate)
        {
            if (_queue.Remove(job))
            {
                job.Completion.TrySetCanceled(job.Aborted);
            }
        }
    }

    private void Work()
    {
        while (Next() is (int size, IReadOnlyList<Job> jobs))
        {
            try
            {
                Run(size, jobs);
            }
            catch (Exception failure)
            {
                // One failed batch is told to those in it; the others go on.
                foreach (Job job in jobs)
                {
                    job.Completion.TrySetException(failure);
                }
            }

            Volatile.Write(ref _busyUntil, 0);
        }
    }

    /// <summary>The next batch, taken out of the queue; null when there is nothing left to do.</summary>
    private (int Size, IReadOnlyList<Job> Jobs)? Next()
    {
        lock (_gate)
        {
            while (true)
            {
                long now = Stopwatch.GetTimestamp();
                RefuseLate(now);
                if (_queue.Count == 0)
                {
                    if (_closed)
                    {
                        return null;
                    }

                    Monitor.Wait(_gate);
                    continue;
                }

                (int size, List<Job> jobs) = Pick(now);
                TimeSpan spare = _options.BatchWait - Stopwatch.GetElapsedTime(jobs[0].Queued, now);
                bool mayGrow = jobs.Sum(job => job.Images.Count) < _options.BatchSize && _preparing > 0 && !_closed;
                if (mayGrow && spare > TimeSpan.Zero)
                {
                    Monitor.Wait(_gate, spare);
                    continue;
                }

                _queue.RemoveAll(jobs.Contains);
                double seconds = _speeds.Predict(size, jobs.Sum(job => job.Images.Count));
                Volatile.Write(ref _busyUntil, now + (long)(seconds * Stopwatch.Frequency));
                return (size, jobs);
            }
        }
    }

    /// <summary>Answers those whose deadline passed while they waited.</summary>
    private void RefuseLate(long now)
    {
        foreach (Job late in _queue.Where(job => job.SecondsLeft(now) < 0).ToArray())
        {
            _queue.Remove(late);
            _metrics.Shed("late");
            late.Completion.TrySetException(
                RequestFault.Overloaded("deadline_ms: it passed while the request waited for its turn", After(Load(now))));
        }
    }

    /// <summary>The oldest job with what may go with it.</summary>
    private (int Size, List<Job> Jobs) Pick(long now)
    {
        Job head = _queue[0];
        int size = head.Deadline is null
            ? head.Size
            : DeadlinePolicy.Choose(
                _speeds, [.. _queue.Select(job => new WaitingWork(job.Images.Count, job.Size, job.SecondsLeft(now)))]);
        List<Job> jobs = [head];
        int images = head.Images.Count;
        foreach (Job job in _queue.Skip(1))
        {
            bool fits = job.Output == head.Output && images + job.Images.Count <= _options.BatchSize
                && (job.Deadline is null ? job.Size == size : head.Deadline is not null && job.Size <= size);
            if (fits)
            {
                jobs.Add(job);
                images += job.Images.Count;
            }
        }

        return (size, jobs);
    }

    private void Run(int size, IReadOnlyList<Job> jobs)
    {
        long start = Stopwatch.GetTimestamp();
        float[][] images = [.. jobs.SelectMany(job => job.Images)];
        List<ReadOnlyMemory<float>> rows = new(images.Length);
        foreach (float[][] part in images.Chunk(_options.BatchSize))
        {
            long began = Stopwatch.GetTimestamp();
            Memory<float> values = part[0];
            if (part.Length > 1)
            {
                values = _batch.AsMemory(0, part.Length * part[0].Length);
                for (int image = 0; image < part.Length; image++)
                {
                    part[image].CopyTo(values[(image * part[0].Length)..]);
                }
            }

            float[] output = _family.Members[size].Run(jobs[0].Output, values, part.Length, CancellationToken.None);
            int length = output.Length / part.Length;
            rows.AddRange(Enumerable.Range(0, part.Length).Select(row => new ReadOnlyMemory<float>(output, row * length, length)));
            double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            _speeds.Observe(size, part.Length, seconds);
            _metrics.Ran(_family.Members[size].Name, part.Length, seconds);
        }

        long ended = Stopwatch.GetTimestamp();
        TimeSpan computed = Stopwatch.GetElapsedTime(start, ended);
        int next = 0;
        foreach (Job job in jobs)
        {
            TimeSpan waited = Stopwatch.GetElapsedTime(job.Queued, start);
            _metrics.Waited(waited.TotalSeconds);
            job.Completion.TrySetResult(new JobResult(size, rows.GetRange(next, job.Images.Count), waited, computed, images.Length, ended));
            next += job.Images.Count;
        }
    }

    private void Arrived()
    {
        lock (_gate)
        {
            _preparing--;
            Monitor.Pulse(_gate);
        }
    }

    private sealed class Announcement(BatchScheduler scheduler) : IDisposable
    {
        private BatchScheduler? _scheduler = scheduler;

        public void Dispose() => Interlocked.Exchange(ref _scheduler, null)?.Arrived();
    }
}
