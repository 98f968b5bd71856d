using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Evaluation;

/// <summary>
/// Measures the time of forward passes. All models are measured in turn, in several rounds, and the best pass of each turn counts. Slowness
/// that all models of a round share is divided out; the result is the median over the rounds, scaled to the fastest round.
/// </summary>
/// <param name="conditions">
/// What is measured under; the models are of its architecture, precision and device, torch already has its threads.
/// </param>
/// <param name="device">The device of the conditions.</param>
/// <param name="time">The clock.</param>
/// <exception cref="SnapViTException">The batch is below 1.</exception>
internal sealed class LatencyMeasurement(LatencyConditions conditions, Device device, TimeProvider time)
{
    private const int FewestRounds = 8;
    private const int MostRounds = 24;
    private const int MostPasses = 8;
    private const int MostOtherPoints = 12;
    private const int MostHeadPoints = 8;

    /// <summary>A visit to one model lasts about so long: enough for its weights to be in the caches as in steady use.</summary>
    private const double VisitSeconds = 0.06;

    /// <summary>A table takes about so long, unless its fewest rounds take longer.</summary>
    private const double TableSeconds = 60;

    private static readonly int[] Quarters = [1, 2, 3, 4];

    private readonly int _batch = conditions.Batch >= 1
        ? conditions.Batch
        : throw new SnapViTException(ErrorKind.Option, $"latency batch: expected at least 1, found {conditions.Batch}");

    /// <summary>Times of a forward pass, to logits where the model has a classifier, else to features, as in the fastest round.</summary>
    /// <param name="models">Makes the models, one after the other in every round; each is disposed after its turn.</param>
    /// <param name="progress">Told the models measured and those to measure in all; null for nobody.</param>
    /// <param name="cancellation">Stops between two models.</param>
    /// <returns>Nanoseconds of a pass of every model.</returns>
    public double[] Times(
        IReadOnlyList<Func<VisionTransformer>> models, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(models);
        using Tensor images = Images();
        List<double[]> times = [];
        int rounds = FewestRounds;
        for (int round = 0; round < rounds; round++)
        {
            long start = time.GetTimestamp();
            times.Add(new double[models.Count]);
            for (int i = 0; i < models.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                using VisionTransformer model = models[i]();
                times[round][i] = Visit(model, images);
                if (round == 0)
                {
                    // The first round tells how many there are, its beginning about how many.
                    rounds = RoundsOf(time.GetElapsedTime(start).TotalSeconds * models.Count / (i + 1));
                }

                progress?.Invoke((round * models.Count) + i + 1, rounds * models.Count);
            }
        }

        return InFastestRound(times);
    }

    private static int RoundsOf(double secondsPerRound) =>
        Math.Clamp((int)(TableSeconds / Math.Max(secondsPerRound, 1e-3)), FewestRounds, MostRounds);

    /// <summary>
    /// Every time is what the model takes times how slow its round is (a median polish of one step): the first, where the second is least.
    /// </summary>
    internal static double[] InFastestRound(IReadOnlyList<double[]> times)
    {
        double[] typical = [.. Enumerable.Range(0, times[0].Length).Select(model => Median(times.Select(round => round[model])))];
        double[] slowness = [.. times.Select(round => Median(round.Select((nanoseconds, model) => nanoseconds / typical[model])))];
        double fastest = slowness.Min();
        return [.. typical.Select((_, model) => fastest * Median(times.Select((round, index) => round[model] / slowness[index])))];
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>
    /// Measures a table: whole models with one width at a time less in all blocks, since a branch alone would find in the caches what a
    /// model has to fetch.
    /// </summary>
    /// <param name="create">
    /// Makes a model of given widths with weights of its own, in the precision and on the device of the conditions.
    /// </param>
    /// <param name="progress">Told the models measured and those to measure in all; null for nobody.</param>
    /// <param name="cancellation">Stops between two models.</param>
    /// <returns>The table.</returns>
    public LatencyTable Table(
        Func<SubnetWidths, VisionTransformer> create, Action<int, int>? progress = null, CancellationToken cancellation = default) =>
        TableWith(create, [], progress, cancellation).Table;

    /// <summary>Measures a table and other models in the same rounds, so that both see the same machine.</summary>
    /// <param name="create">
    /// Makes a model of given widths with weights of its own, in the precision and on the device of the conditions.
    /// </param>
    /// <param name="others">Makes the other models.</param>
    /// <param name="progress">Told the models measured and those to measure in all; null for nobody.</param>
    /// <param name="cancellation">Stops between two models.</param>
    /// <returns>The table, and nanoseconds of a pass of each of the others.</returns>
    public (LatencyTable Table, double[] Others) TableWith(
        Func<SubnetWidths, VisionTransformer> create, IReadOnlyList<Func<VisionTransformer>> others,
        Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(create);
        ArgumentNullException.ThrowIfNull(others);
        ViTArchitecture a = conditions.Architecture;
        Dictionary<Axis, int[]> grids = AxisTable.Rows.ToDictionary(row => row.Axis, row => Grid(row.Axis, row.Count(a)));
        SubnetWidths[] widths = [.. grids.SelectMany(grid => grid.Value.Select(width => Widths(a, grid.Key, width))), MergingOne(a)];
        double[] times = Times(
            [.. widths.Select(kept => (Func<VisionTransformer>)(() => create(kept))), .. others], progress, cancellation);
        Dictionary<Axis, double[]> ofAxis = [];
        int first = 0;
        foreach ((Axis axis, int[] grid) in grids)
        {
            ofAxis[axis] = times[first..(first += grid.Length)];
        }

        // Every series ends at the whole model.
        double whole = ofAxis.Values.Min(series => series[^1]);
        LatencyCurve heads = Curve(grids[Axis.Heads], ofAxis[Axis.Heads], a.Depth);
        LatencyCurve neurons = Curve(grids[Axis.Neurons], ofAxis[Axis.Neurons], a.Depth);
        double attention = heads.At(heads.Largest), block = attention + neurons.At(neurons.Largest);
        double constant = Math.Max(0, whole - (a.Depth * block)), merging = Math.Max(0, (times[first] - whole) / Math.Max(1, a.Depth - 1));
        LatencyTable table = new(
            conditions, constant,
            new Dictionary<Axis, LatencyCurve>
            {
                [Axis.Heads] = heads,
                [Axis.Neurons] = neurons,
                [Axis.QueryKeyDims] = Within(Axis.QueryKeyDims),
                [Axis.ValueDims] = Within(Axis.ValueDims),
                [Axis.Tokens] = OfTokens(a, grids[Axis.Tokens], ofAxis[Axis.Tokens], constant, merging, block),
            },
            merging);
        return (table, times[widths.Length..]);

        // What attention of one block takes with so many dimensions; with none, what is left of it with the fewest measured.
        LatencyCurve Within(Axis axis)
        {
            double[] series = ofAxis[axis];
            IEnumerable<(int, double)> points = grids[axis].Zip(
                series, (width, time) => (width, Math.Max(0, attention - ((series[^1] - time) / a.Depth))));
            return LatencyCurve.Fit(points.Prepend((0, points.First().Item2)));
        }
    }

    /// <summary>What a whole block takes with so many tokens, from models that merge in their first blocks.</summary>
    private static LatencyCurve OfTokens(
        ViTArchitecture a, int[] grid, double[] times, double constant, double merging, double block)
    {
        SortedDictionary<int, double> points = new() { [0] = 0, [a.Tokens] = block };
        foreach ((int width, double time) in grid.Zip(times).Where(point => point.First < a.Tokens))
        {
            SubnetWidths widths = Widths(a, Axis.Tokens, width);
            int merges = Enumerable.Range(0, a.Depth).Count(index => widths[index][Axis.Tokens] < widths.TokensInto(a, index));
            int mean = (int)Enumerable.Range(0, a.Depth).Average(index => widths[index][Axis.Tokens]);
            points.TryAdd(mean, Math.Clamp((time - constant - (merges * merging)) / a.Depth, 0, block));
        }

        return LatencyCurve.Fit(points.Select(point => (point.Key, point.Value)));
    }

    /// <summary>A model with one width less in all blocks; tokens are merged as early as they can be.</summary>
    private static SubnetWidths Widths(ViTArchitecture a, Axis axis, int width)
    {
        if (axis != Axis.Tokens)
        {
            return SubnetWidths.Uniform(a.Depth, a.FullBlock.With(axis, width));
        }

        List<BlockWidths> blocks = [];
        int into = a.Tokens;
        for (int block = 0; block < a.Depth; block++)
        {
            // The last block of a model that pools prefix tokens merges nothing.
            into = block == a.Depth - 1 && a.PooledTokens > 0 ? into : Math.Max(width, SubnetWidths.FewestTokens(a, into));
            blocks.Add(a.FullBlock.With(Axis.Tokens, into));
        }

        return new SubnetWidths(blocks);
    }

    /// <summary>A model that merges one token in every block but the last: what merging takes beside what it saves.</summary>
    private static SubnetWidths MergingOne(ViTArchitecture a)
    {
        List<BlockWidths> blocks = [];
        int into = a.Tokens;
        for (int block = 0; block < a.Depth; block++)
        {
            into = block == a.Depth - 1 || SubnetWidths.FewestTokens(a, into) == into ? into : into - 1;
            blocks.Add(a.FullBlock.With(Axis.Tokens, into));
        }

        return new SubnetWidths(blocks);
    }

    /// <summary>
    /// Widths that are measured: of heads and neurons 0, 1, and from there to the full width in even steps; of dimensions and tokens
    /// quarters.
    /// </summary>
    private static int[] Grid(Axis axis, int count) => axis switch
    {
        Axis.Heads => Even(count, MostHeadPoints),
        Axis.Neurons => Even(count, MostOtherPoints),
        Axis.Tokens => [.. Quarters.Select(part => Math.Max(1, count * part / 4)).Distinct()],
        _ => [.. Quarters.Select(part => Math.Max(2, count * part / 8 * 2)).Append(count).Where(width => width <= count).Distinct()],
    };

    private static LatencyCurve Curve(int[] widths, double[] nanoseconds, int depth) =>
        LatencyCurve.Fit(widths.Zip(nanoseconds, (width, time) => (width, (time - nanoseconds[0]) / depth)));

    private static int[] Even(int width, int points) =>
        [.. Enumerable.Range(0, points + 1).Select(step => (int)((long)width * step / points)).Concat([0, 1]).Distinct().Order()];

    private Tensor Images()
    {
        ViTArchitecture a = conditions.Architecture;
        using Generator generator = new(0);
        using Tensor images = randn([_batch, a.Channels, a.ImageSize, a.ImageSize], generator: generator);
        return images.to(device, copy: true);
    }

    /// <summary>One pass that does not count, then as many as fit into a visit.</summary>
    private double Visit(VisionTransformer model, Tensor images)
    {
        double warm = Pass(model, images), best = double.PositiveInfinity;
        int passes = Math.Clamp((int)(VisitSeconds * 1e9 / Math.Max(warm, 1)), 1, MostPasses);
        for (int pass = 0; pass < passes; pass++)
        {
            best = Math.Min(best, Pass(model, images));
        }

        return best;
    }

    private double Pass(VisionTransformer model, Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        long start = time.GetTimestamp();
        Tensor output = model.Architecture.Classes > 0 ? model.Logits(images) : model.Embed(images);
        if (device.type == DeviceType.CUDA)
        {
            // What was asked of a GPU is done when the answer is here.
            output.cpu();
        }

        return time.GetElapsedTime(start).Ticks * (double)TimeSpan.NanosecondsPerTick;
    }
}
