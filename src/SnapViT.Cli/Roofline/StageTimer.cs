using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Cli.Roofline;

/// <summary>Times the cases of stages, each in turn with what bounds it.</summary>
/// <param name="limits">What bounds them.</param>
/// <param name="seconds">A case is repeated for about so long.</param>
/// <param name="cancellation">Stops between two runs.</param>
internal sealed class StageTimer(MachineLimits limits, double seconds, CancellationToken cancellation)
{
    private const int FewestRuns = 3, MostRuns = 200, MillisecondsBetweenLooks = 5;

    /// <summary>Work that takes so long needs no run that does not count.</summary>
    private const double LongSeconds = 2;

    /// <summary>Work that takes so long is not repeated.</summary>
    private const double OnceSeconds = 20;

    private static readonly bool HasGpu = cuda.is_available();

    /// <summary>Seconds of one run; what was asked of a GPU is done by then.</summary>
    public static double Once(Action work)
    {
        using DisposeScope scope = NewDisposeScope();
        Synchronize();
        long start = Stopwatch.GetTimestamp();
        work();
        Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Times a case.</summary>
    /// <param name="stage">The stage's name.</param>
    /// <param name="name">Which case.</param>
    /// <param name="work">One run of it.</param>
    /// <param name="limit">What bounds it.</param>
    /// <param name="needed">FLOPs or bytes of a run that it cannot do without.</param>
    /// <param name="images">Images of a run; null for none.</param>
    public StageRow Time(
        string stage, string name, Action work, LimitKind limit = LimitKind.None, double needed = 0, int? images = null)
    {
        cancellation.ThrowIfCancellationRequested();
        (double first, long peak) = Watched(work);
        List<double> times = first < LongSeconds ? [] : [first];
        double rate = limit == LimitKind.None ? 0 : limits.Measure(limit);
        long start = Stopwatch.GetTimestamp();
        bool repeats = first < OnceSeconds;
        while (repeats && (times.Count < FewestRuns || (times.Count < MostRuns && Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)))
        {
            cancellation.ThrowIfCancellationRequested();
            times.Add(Once(work));
            if (limit != LimitKind.None && times.Count <= 2 * FewestRuns)
            {
                rate = Math.Max(rate, limits.Measure(limit));
            }
        }

        times.Sort();
        return new StageRow(stage, name, times[0], times[times.Count / 2], times.Count, peak)
        {
            Images = images, Limit = limit, Work = needed, LimitRate = rate,
        };
    }

    /// <summary>One run, and the largest memory of the process meanwhile.</summary>
    private static (double Seconds, long Peak) Watched(Action work)
    {
        using CancellationTokenSource ended = new();
        Task<long> watch = Task.Run(() =>
        {
            long peak = Environment.WorkingSet;
            while (!ended.Token.WaitHandle.WaitOne(MillisecondsBetweenLooks))
            {
                peak = Math.Max(peak, Environment.WorkingSet);
            }

            return Math.Max(peak, Environment.WorkingSet);
        });
        try
        {
            double seconds = Once(work);
            return (seconds, Finish());
        }
        finally
        {
            Finish();
        }

        long Finish()
        {
            ended.Cancel();
            return watch.GetAwaiter().GetResult();
        }
    }

    private static void Synchronize()
    {
        if (HasGpu)
        {
            cuda.synchronize();
        }
    }
}
