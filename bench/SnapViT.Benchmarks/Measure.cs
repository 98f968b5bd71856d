using SnapViT.Cli.Roofline;

namespace SnapViT.Benchmarks;

/// <summary>Times work. Other programs can only make it slower, so the best of several runs is the figure.</summary>
internal static class Measure
{
    /// <summary>Runs of each piece of work.</summary>
    public const int Runs = 5;

    /// <summary>Best seconds of each piece of work; they take turns, so that all see the same machine. One warm-up each.</summary>
    public static double[] Best(params Action[] works)
    {
        double[] best = [.. works.Select(_ => double.MaxValue)];
        for (int run = 0; run <= Runs; run++)
        {
            for (int i = 0; i < works.Length; i++)
            {
                double seconds = StageTimer.Once(works[i]);
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
            StageTimer.Once(() => work(run));
        }

        double[] sorted = [.. Enumerable.Range(0, runs).Select(run => StageTimer.Once(() => work(run))).Order()];
        return (sorted[runs / 2], sorted[^1]);
    }
}
