using SnapViT.Runtime;

namespace SnapViT.Server;

/// <summary>
/// Seconds of a forward pass at every size, as they were measured at the start and as they are found since. Sizes are numbered as in
/// <see cref="ViTFamily.Members"/>, the largest first. Thread-safe.
/// </summary>
internal sealed class SpeedTable
{
    private const int SingleRuns = 5, BatchRuns = 3;

    /// <summary>Weight of the newest forward pass in the running mean.</summary>
    private const double Newest = 0.2;

    /// <summary>Longer answers count as so many seconds.</summary>
    private const double LongestAnswer = 0.05;

    /// <summary>Deviations from the mean, of either, that are reckoned with, and the least margin.</summary>
    private const double Deviations = 2, LeastMargin = 1.2;

    private readonly double[] _single;
    private readonly double[] _batch;
    private double _slowdown = 1, _deviation, _answer = 0.002, _answerDeviation;

    /// <summary>A table of known times.</summary>
    /// <param name="single">Seconds of one image at every size.</param>
    /// <param name="batch">Seconds of a batch.</param>
    /// <param name="batchSize">Images of that batch.</param>
    public SpeedTable(IReadOnlyList<double> single, IReadOnlyList<double> batch, int batchSize)
    {
        (_single, BatchSize) = ([.. single], batchSize);
        _batch = [.. batch.Select((seconds, size) => batchSize == 1 ? _single[size] : Math.Max(seconds, _single[size]))];
    }

    /// <summary>Images of a full batch.</summary>
    public int BatchSize { get; }

    public int Sizes => _single.Length;

    /// <summary>How much longer forward passes take now than when they were measured; the machine may have other work.</summary>
    public double Slowdown => Volatile.Read(ref _slowdown);

    /// <summary>Times all sizes in turn, which opens them.</summary>
    public static SpeedTable Measure(ViTFamily family, int batchSize, CancellationToken cancellation)
    {
        double[] batch = Times(batchSize, BatchRuns);
        return new SpeedTable(Times(1, SingleRuns), batch, batchSize);

        double[] Times(int images, int runs)
        {
            family.MeasureLatency(images, runs, cancellation: cancellation);
            return [.. family.Members.Select(member => member.Latency!.Value.TotalSeconds)];
        }
    }

    /// <summary>Seconds that images take at a size now, in batches as full as they get.</summary>
    public double Predict(int size, int images)
    {
        int full = images / BatchSize, rest = images % BatchSize;
        double ofRest = rest == 0 ? 0
            : _single[size] + ((rest - 1) * (_batch[size] - _single[size]) / Math.Max(1, BatchSize - 1));
        return Slowdown * ((full * _batch[size]) + ofRest);
    }

    /// <summary>
    /// Seconds until the answer is written of work that takes so many on average: forward passes and answers vary, the more the busier the
    /// machine is. Both are reckoned with by the mean deviation of the last ones.
    /// </summary>
    public double Cautious(double seconds) =>
        (Math.Max(LeastMargin, 1 + (Deviations * Volatile.Read(ref _deviation))) * seconds)
        + Volatile.Read(ref _answer) + (Deviations * Volatile.Read(ref _answerDeviation));

    /// <summary>Seconds of one image of a full batch at the fastest size.</summary>
    public double Fastest => Slowdown * _batch.Min() / BatchSize;

    /// <summary>The size whose single forward pass is the shortest.</summary>
    public int FastestSize => Array.IndexOf(_single, _single.Min());

    /// <summary>Learns from a forward pass.</summary>
    public void Observe(int size, int images, double seconds)
    {
        double ratio = seconds * Slowdown / Predict(size, images);
        double off = Math.Min(10, Math.Abs((ratio / Slowdown) - 1));
        Volatile.Write(ref _deviation, ((1 - Newest) * _deviation) + (Newest * off));
        Volatile.Write(ref _slowdown, Math.Clamp(((1 - Newest) * Slowdown) + (Newest * ratio), 0.2, 50));
    }

    /// <summary>Learns how long an answer took from the end of its forward pass until it was written.</summary>
    public void ObserveAnswer(double seconds)
    {
        // Who reads slowly is no reason to refuse others.
        seconds = Math.Min(seconds, LongestAnswer);
        double off = Math.Abs(seconds - Volatile.Read(ref _answer));
        Volatile.Write(ref _answerDeviation, ((1 - Newest) * _answerDeviation) + (Newest * off));
        Volatile.Write(ref _answer, ((1 - Newest) * _answer) + (Newest * seconds));
    }
}

/// <summary>What waits, as far as the choice of a size depends on it.</summary>
/// <param name="Images">Its images.</param>
/// <param name="Size">The size it must have, or the largest it may have where it has a deadline.</param>
/// <param name="SecondsLeft">Seconds until its deadline; null without one.</param>
internal readonly record struct WaitingWork(int Images, int Size, double? SecondsLeft);

/// <summary>Which size serves work that has a deadline.</summary>
internal static class DeadlinePolicy
{
    /// <summary>
    /// The largest size with which all that waits is ready in time if all of it that has a deadline runs at that size, in its order. Where
    /// none does it, the fastest.
    /// </summary>
    /// <param name="speeds">Times of the sizes, the largest first.</param>
    /// <param name="waiting">What waits; the first has a deadline.</param>
    public static int Choose(SpeedTable speeds, IReadOnlyList<WaitingWork> waiting)
    {
        int largest = waiting[0].Size;
        for (int size = largest; size < speeds.Sizes; size++)
        {
            if (IsInTime(speeds, waiting, size))
            {
                return size;
            }
        }

        return Math.Max(largest, speeds.FastestSize);
    }

    private static bool IsInTime(SpeedTable speeds, IReadOnlyList<WaitingWork> waiting, int size)
    {
        int[] images = new int[speeds.Sizes];
        foreach (WaitingWork work in waiting)
        {
            images[work.SecondsLeft is null ? work.Size : Math.Max(size, work.Size)] += work.Images;
            double seconds = images.Select((count, at) => count == 0 ? 0 : speeds.Predict(at, count)).Sum();
            if (work.SecondsLeft is double left && speeds.Cautious(seconds) > left)
            {
                return false;
            }
        }

        return true;
    }
}
