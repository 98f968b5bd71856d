using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>Times work. Other programs can only make it slower, so the best of several runs is the figure.</summary>
internal static class Measure
{
    /// <summary>Runs of each piece of work.</summary>
    public const int Runs = 5;

    private static readonly bool HasGpu = cuda.is_available();

    /// <summary>Best seconds of each piece of work; they take turns, so that all see the same machine. One warm-up each.</summary>
    public static double[] Best(params Action[] works)
    {
        double[] best = [.. works.Select(_ => double.MaxValue)];
        for (int run = 0; run <= Runs; run++)
        {
            for (int i = 0; i < works.Length; i++)
            {
                double seconds = Seconds(works[i]);
                best[i] = run == 0 ? best[i] : Math.Min(best[i], seconds);
            }
        }

        return best;
    }

    /// <summary>Median and worst seconds of many runs of short work, after a tenth as many warm-ups.</summary>
    public static (double Median, double Worst) Spread(int runs, Action<int> work)
    {
        for (int run = 0; run < runs / 10; run++)
        {
            Seconds(() => work(run));
        }

        double[] sorted = [.. Enumerable.Range(0, runs).Select(run => Seconds(() => work(run))).Order()];
        return (sorted[runs / 2], sorted[^1]);
    }

    /// <summary>Seconds of one run; what was asked of a GPU is done by then.</summary>
    public static double Seconds(Action work)
    {
        using DisposeScope scope = NewDisposeScope();
        Synchronize();
        long start = Stopwatch.GetTimestamp();
        work();
        Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Synchronize()
    {
        if (HasGpu)
        {
            cuda.synchronize();
        }
    }
}
