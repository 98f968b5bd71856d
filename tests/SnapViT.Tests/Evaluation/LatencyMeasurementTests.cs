using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Evaluation;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Evaluation;

[LeakCheck]
public sealed class LatencyMeasurementTests
{
    private static readonly ViTArchitecture Small = SmallModels.Vit;

    private static LatencyConditions Conditions => new()
    {
        Architecture = Small, Precision = "fp32", Device = "cpu", Threads = 1, Batch = 2, Machine = "a clock", Runtime = "none",
    };

    [Fact]
    public void The_best_pass_of_a_turn_counts_whatever_the_others_took()
    {
        TickingClock clock = new();
        double[] best = new LatencyMeasurement(Conditions, CPU, clock).Times([Model(Small.FullWidths, clock, [9, 5, 7]), Model(Small.FullWidths, clock, [30, 20])], cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([5e6, 20e6], best);
    }

    // Three models of 10, 20 and 40 units; the rounds are 1, 3 and 2 times as slow, and one visit of a model is disturbed, another lucky.
    [Fact]
    public void What_slows_a_whole_round_and_what_disturbs_one_visit_do_not_count()
    {
        double[][] times = [[10, 20, 40], [30, 60, 120], [20, 40, 80], [10, 77, 40], [20, 40, 31]];
        Assert.All(LatencyMeasurement.InFastestRound(times).Zip([10.0, 20.0, 40.0]), pair => Assert.Equal(pair.Second, pair.First, 1e-9));
    }

    // The clock is moved by what each model is said to take, so that the table must be the sum it was made of.
    [Fact]
    public void A_table_takes_the_whole_apart_into_a_fixed_time_and_one_per_branch()
    {
        TickingClock clock = new();
        LatencyTable table = new LatencyMeasurement(Conditions, CPU, clock).Table(widths => Model(widths, clock, [Milliseconds(widths)])(), cancellation: TestContext.Current.CancellationToken);
        foreach (SubnetWidths widths in new[] { Small.FullWidths, SmallModels.Uneven(Small), SubnetWidths.Uniform(3, default).In(Small), SmallModels.Widths((2, 11), (2, 11), (2, 11)).In(Small) })
        {
            Assert.Equal(Milliseconds(widths) * 1e6, table.Predict(widths), 1);
        }
    }

    [Fact]
    public void Other_models_are_measured_beside_a_table()
    {
        TickingClock clock = new();
        (LatencyTable table, double[] others) = new LatencyMeasurement(Conditions, CPU, clock).TableWith(
            widths => Model(widths, clock, [Milliseconds(widths)])(), [Model(Small.FullWidths, clock, [3]), Model(Small.FullWidths, clock, [4])], cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([3e6, 4e6], others);
        Assert.Equal(Milliseconds(Small.FullWidths) * 1e6, table.Predict(Small.FullWidths), 1);
    }

    [Fact]
    public void A_batch_without_images_is_refused() =>
        Assert.Contains("latency batch: expected at least 1, found 0", Assert.Throws<SnapViTException>(() => new LatencyMeasurement(Conditions with { Batch = 0 }, CPU, TimeProvider.System)).Message, StringComparison.Ordinal);

    private static double Milliseconds(SubnetWidths widths) => 10 + widths.Sum(block => (block[Axis.Heads] > 0 ? 1 + block[Axis.Heads] : 0) + (block[Axis.Neurons] > 0 ? 2 + (0.5 * block[Axis.Neurons]) : 0));

    /// <summary>Makes a model whose passes take, by the clock, the given times in turn.</summary>
    private static Func<VisionTransformer> Model(SubnetWidths widths, TickingClock clock, double[] milliseconds) => () =>
    {
        clock.Passes(milliseconds);
        return SmallModels.Create(Small, widths);
    };

    /// <summary>A clock that stands still but between the two readings of a pass.</summary>
    private sealed class TickingClock : TimeProvider
    {
        private double[] _milliseconds = [0];
        private int _pass;
        private long _now;
        private bool _begun;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Passes(double[] milliseconds)
        {
            (_milliseconds, _pass, _begun) = (milliseconds, 0, false);
        }

        public override long GetTimestamp()
        {
            if (_begun)
            {
                _now += (long)Math.Round(_milliseconds[_pass++ % _milliseconds.Length] * TimeSpan.TicksPerMillisecond);
            }

            _begun = !_begun;
            return _now;
        }
    }
}
