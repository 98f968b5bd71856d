using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

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

    /// <summary>Work that is nothing but one linear layer, [rows, input] by [input, output], and its FLOPs.</summary>
    public static Gemm Linear(long rows, long input, long output, ScalarType precision) => new(rows, input, output, precision);

    private static double Seconds(Action work)
    {
        using DisposeScope scope = NewDisposeScope();
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>The yardstick: a plain <c>F.linear</c>, repeated to about the work that is compared with it.</summary>
    internal sealed class Gemm(long rows, long input, long output, ScalarType precision) : IDisposable
    {
        private readonly Tensor _x = RandomModel.Normal([rows, input], seed: 1).to(precision);
        private readonly Tensor _weight = RandomModel.Normal([output, input], seed: 2).to(precision);
        private readonly Tensor _bias = RandomModel.Normal([output], seed: 3).to(precision);

        /// <summary>Its size.</summary>
        public string Shape => $"[{rows}, {input}] x [{input}, {output}]";

        /// <summary>FLOPs of one <see cref="Run"/>: sixteen products, long enough to time.</summary>
        public double Flops => 16 * 2.0 * rows * input * output;

        public void Run()
        {
            for (int i = 0; i < 16; i++)
            {
                F.linear(_x, _weight, _bias).Dispose();
            }
        }

        public void Dispose()
        {
            _x.Dispose();
            _weight.Dispose();
            _bias.Dispose();
        }
    }
}
