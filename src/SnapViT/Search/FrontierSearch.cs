using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Search;

/// <summary>
/// Finds the frontier over all axes without labels. Curves are measured first: how far the model moves when one block alone loses units of
/// one axis. Then the path goes down in steps of the cost. A step is made several ways, of one axis alone and of all mixed, each where the
/// curves say that it costs least per cost saved; how far the sub-network then is from the whole model is measured, the best way is taken,
/// and how far curves and measurement are apart weighs each axis from then on.
/// </summary>
internal sealed class FrontierSearch : IDisposable
{
    /// <summary>Share of the whole cost that a step of the path saves.</summary>
    private const double Step = 0.05;

    /// <summary>Where the path ends, as a share of the whole cost, if the floors allow.</summary>
    private const double End = 0.2;

    /// <summary>
    /// By parameters a way is judged by its distance and by that of class scores times 2, which counts less how sure a model is of the same
    /// class. Corrected layers take a part of that, and without tokens most of what goes is in such layers.
    /// </summary>
    private const double Sharpness = 2, SharpWeight = 0.5;

    /// <summary>The widths of the curves, as shares of the whole.</summary>
    private static readonly Dictionary<Axis, double[]> Measured = new()
    {
        [Axis.Heads] = [0.85, 0.67, 0.34],
        [Axis.QueryKeyDims] = [0.75, 0.5, 0.3],
        [Axis.ValueDims] = [0.875, 0.75, 0.5],
        [Axis.Tokens] = [0.92, 0.8, 0.6],
        [Axis.Neurons] = [0.85, 0.65, 0.4],
    };

    /// <summary>
    /// Paths that are followed at a time: what is best in one step may be worse than another way two steps later.
    /// </summary>
    private const int PathsKept = 2;

    private readonly VisionTransformer _whole;
    private readonly ElasticWeights _elastic;
    /// <summary>The images as they enter the first block, which no sub-network changes, batch by batch.</summary>
    private readonly Tensor[] _tokens;
    private readonly Dictionary<SubnetWidths, (double Plain, double Sharp)> _known = [];
    private readonly ViTArchitecture _architecture;
    private readonly Axis[] _axes;
    private readonly Tensor? _mean;
    private readonly Tensor _target;
    private readonly CancellationToken _cancellation;
    private readonly Action<string> _measured;
    private readonly Lock _telling = new();
    private Dictionary<(int Block, Axis Axis), DamageCurve>? _curves;

    /// <summary>Embeds the images with the whole model once.</summary>
    /// <param name="whole">The unpruned model in the bases of its heads, in the precision that is measured in; stays the caller's.</param>
    /// <param name="elastic">Its weights at every size, corrected as they will be; stay the caller's.</param>
    /// <param name="axes">The axes that the path may take from.</param>
    /// <param name="batches">The images in batches [B, 3, S, S], disposed here after use.</param>
    /// <param name="measured">Told what was measured after every measurement, from one thread at a time.</param>
    /// <param name="cancellation">Stops between two measurements.</param>
    public FrontierSearch(
        VisionTransformer whole, ElasticWeights elastic, IEnumerable<Axis> axes, IEnumerable<Tensor> batches,
        Action<string>? measured = null, CancellationToken cancellation = default)
    {
        (_whole, _elastic, _axes) = (whole, elastic, [.. axes]);
        (_architecture, _cancellation, _measured) = (whole.Architecture, cancellation, measured ?? (_ => { }));
        _tokens = [.. batches.Select(Embedded)];
        using DisposeScope scope = NewDisposeScope();
        Tensor[] answers = SideBySide.Run<Tensor>(
            [.. _tokens.Select(batch => (Func<Tensor>)(() => whole.AnswersFrom(batch, 0)))], cancellation);
        Tensor target = cat(answers, 0);
        Array.ForEach(answers, ofBatch => ofBatch.Dispose());
        _mean = whole.Architecture.Classes > 0 ? null : target.mean([0], keepdim: true).DetachFromDisposeScope();
        _target = (_mean is null ? target : target.Minus(_mean)).DetachFromDisposeScope();

        Tensor Embedded(Tensor batch)
        {
            using (batch)
            {
                return whole.EmbedTokens(batch).DetachFromDisposeScope();
            }
        }
    }

    /// <summary>About how many measurements both frontiers take.</summary>
    public static int Measurements(ViTArchitecture architecture, int axes) => (architecture.Depth * axes * 3) + OnPaths(axes);

    /// <summary>What they cost, in passes of the whole model over the images.</summary>
    public static double Passes(ViTArchitecture architecture, int axes) => (0.25 * architecture.Depth * axes * 3) + (0.6 * OnPaths(axes));

    /// <summary>Every axis alone, all mixed and an order; some axes are passed over, and places of two paths may be the same.</summary>
    private static int OnPaths(int axes) => (int)(0.7 * PathsKept * ((2 * axes) + 2) * (1 - End) / Step);

    /// <summary>Looks for the frontier of one cost.</summary>
    /// <param name="unit"><see cref="CostUnit.Flops"/> or <see cref="CostUnit.Parameters"/>.</param>
    public Frontier Find(CostUnit unit)
    {
        using IDisposable frozen = no_grad();
        _curves ??= MeasureCurves();
        FrontierWays ways = new(_architecture, unit, _elastic.Planner.Floors, _curves);
        Axis[] axes = [.. _axes.Where(axis => unit == CostUnit.Flops || axis != Axis.Tokens)];
        RemovalOrder? order = unit == CostUnit.Parameters && AxisTable.InPaperOrder.All(row => axes.Contains(row.Axis))
            ? _elastic.Planner.RemovalsBy(unit, new PlanOptions { Allocation = Allocation.Pools })
            : null;
        Place start = new(
            _architecture.FullWidths, 0, null, axes.ToDictionary(axis => axis, _ => 1.0), axes.ToDictionary(axis => axis, _ => 0.0));
        if (!ways.Start.Equals(_architecture.FullWidths))
        {
            start = start with { Widths = ways.Start, Distance = Plain(ways.Start), Before = start };
        }

        Place[] places = [start];
        for (double share = 1 - Step; share > End - (Step / 2); share -= Step)
        {
            Place[] next =
            [
                .. places.Where(place => ways.Share(place.Widths) <= share)
                    .Concat(Smaller([.. places.Where(place => ways.Share(place.Widths) > share)], ways, order, share, axes))
                    .DistinctBy(place => place.Widths).OrderBy(place => place.Judged).Take(PathsKept),
            ];
            if (next.Length == 0)
            {
                break;
            }

            places = next;
        }

        Place end = places.MinBy(place => place.Sum)!;

        // Budgets below the last step are met on the way to the floors.
        SubnetWidths smallest = ways.Smallest(end.Widths, end.Weights, axes);
        return new Frontier(
        [
            .. end.Path().Select(place => new FrontierSlice(place.Widths, place.Distance)),
            .. smallest.Equals(end.Widths)
                ? Array.Empty<FrontierSlice>()
                : [new FrontierSlice(smallest, Math.Max(Plain(smallest), end.Distance))],
        ]);
    }

    /// <summary>The sub-networks that a step from one of some places can lead to, measured.</summary>
    private IEnumerable<Place> Smaller(Place[] places, FrontierWays ways, RemovalOrder? order, double share, Axis[] axes)
    {
        FrontierStep[] steps =
        [
            .. places.Select(place => new FrontierStep(
                place.Widths, place.Judged, share, ways, axes, new(place.Weights), new(place.Behind), order)),
        ];
        Measure(steps.SelectMany(step => step.Alone));
        Array.ForEach(steps, step => step.Learn(Judged));
        Measure(steps.SelectMany(step => step.Mixed));
        return places.Zip(steps, (place, step) =>
        {
            SubnetWidths[] found = [.. step.Alone, .. step.Mixed];
            IReadOnlyDictionary<Axis, double> behind = step.Behind(found.Length == 0 ? 0 : found.Min(Judged));

            // What was measured of a smaller model may be less by chance; a path that promised so would not be one.
            return found.Select(widths => new Place(widths, Math.Max(_known[widths].Plain, place.Distance), place, step.Weights, behind)
            {
                Judged = Judged(widths),
            });
        }).SelectMany(found => found);

        double Judged(SubnetWidths widths)
        {
            (double plain, double sharp) = _known[widths];
            return ways.Unit == CostUnit.Flops ? plain : plain + (SharpWeight * sharp);
        }
    }

    /// <summary>Measures what was not measured before, side by side.</summary>
    private void Measure(IEnumerable<SubnetWidths> some)
    {
        SubnetWidths[] unknown = [.. some.Distinct().Where(widths => !_known.ContainsKey(widths))];
        (double, double)[] distances = SideBySide.Run<(double, double)>(
            [.. unknown.Select(widths => (Func<(double, double)>)(() => Distance(widths)))], _cancellation);
        foreach ((SubnetWidths widths, (double, double) distance) in unknown.Zip(distances))
        {
            _known.Add(widths, distance);
        }
    }

    private double Plain(SubnetWidths widths)
    {
        Measure([widths]);
        return _known[widths].Plain;
    }

    /// <summary>
    /// How far a sub-network is from the whole model (<see cref="FrontierSlice.Distance"/>), and how far with class scores times
    /// <see cref="Sharpness"/>; of a model without a classifier the same.
    /// </summary>
    private (double Plain, double Sharp) Distance(SubnetWidths widths)
    {
        _cancellation.ThrowIfCancellationRequested();
        using VisionTransformer subnet = _elastic.At(widths);
        using DisposeScope scope = NewDisposeScope();
        Tensor answers = cat([.. _tokens.Select(batch => subnet.AnswersFrom(batch, 0))], 0);
        double distance = Distance(answers, 1);
        Tell(FormattableString.Invariant($"distance {distance:0.0000}"));
        return (distance, Distance(answers, Sharpness));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _mean?.Dispose();
        _target.Dispose();
        Array.ForEach(_tokens, batch => batch.Dispose());
    }

    private void Tell(string figure)
    {
        lock (_telling)
        {
            _measured(figure);
        }
    }

    private double Distance(Tensor answers, double sharpness)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor target = _target.narrow(0, 0, answers.shape[0]);
        Tensor distance = _mean is null
            ? Divergence(target.Times(sharpness), answers.Times(sharpness))
            : ones_like(target.select(1, 0)).Minus(F.cosine_similarity(answers.Minus(_mean), target, 1, 1e-8));
        return Math.Max(0, distance.mean().item<float>());
    }

    /// <summary>Kullback-Leibler divergence of class probabilities from those of the whole model, [B].</summary>
    private static Tensor Divergence(Tensor expected, Tensor actual)
    {
        Tensor logs = F.log_softmax(expected, -1);
        return (logs.exp() * logs.Minus(F.log_softmax(actual, -1))).sum(1);
    }

    /// <summary>One block after the other is made smaller alone; what the blocks before it give is computed once.</summary>
    private Dictionary<(int Block, Axis Axis), DamageCurve> MeasureCurves()
    {
        Dictionary<(int, Axis), DamageCurve> curves = [];

        // Half of the images will do: curves are corrected by what is measured later.
        Tensor[] tokens = [.. _tokens.Take((_tokens.Length + 1) / 2).Select(batch => batch.alias().DetachFromDisposeScope())];
        try
        {
            for (int block = 0; block < _architecture.Depth; block++)
            {
                (Axis Axis, int Removed, SubnetWidths Widths)[] points =
                [
                    .. _axes.SelectMany(axis => Points(block, axis).Select(point => (axis, point.Removed, point.Widths))),
                ];
                int at = block;
                double[] distances = SideBySide.Run<double>(
                    [.. points.Select(point => (Func<double>)(() => Distance(point.Widths, at, tokens)))], _cancellation);
                foreach (IGrouping<Axis, (int Removed, double Distance)> ofAxis in points.Zip(distances)
                    .GroupBy(point => point.First.Axis, point => (point.First.Removed, point.Second)))
                {
                    curves[(block, ofAxis.Key)] = new DamageCurve([.. ofAxis]);
                }

                for (int batch = 0; batch < tokens.Length; batch++)
                {
                    using Tensor before = tokens[batch];
                    tokens[batch] = _whole.Block(before, block, hook: null).DetachFromDisposeScope();
                }
            }

            return curves;
        }
        finally
        {
            Array.ForEach(tokens, batch => batch.Dispose());
        }
    }

    /// <summary>The whole model with one block smaller on one axis.</summary>
    private IEnumerable<(int Removed, SubnetWidths Widths)> Points(int block, Axis axis)
    {
        ViTArchitecture a = _architecture;
        int count = AxisTable.Of(axis).Count(a), grain = AxisTable.Of(axis).Grain(a);
        bool isPooled = axis == Axis.Tokens && block == a.Depth - 1 && a.PooledTokens > 0;
        IEnumerable<int> widths = Measured[axis]
            .Select(share => (int)Math.Round(share * count / grain) * grain)
            .Select(width => axis == Axis.Tokens ? Math.Max(width, SubnetWidths.FewestTokens(a, count)) : width)
            .Where(width => width > 0 && width < count && !isPooled)
            .Distinct();
        foreach (int width in widths)
        {
            SubnetWidths smaller = axis == Axis.Tokens
                ? new SubnetWidths(a.FullWidths.Select((kept, index) => index < block ? kept : kept.With(axis, width)))
                : a.FullWidths.With(block, axis, width);
            yield return (count - width, smaller);
        }
    }

    private double Distance(SubnetWidths widths, int block, Tensor[] tokens)
    {
        _cancellation.ThrowIfCancellationRequested();
        using VisionTransformer subnet = _elastic.At(widths);
        using DisposeScope scope = NewDisposeScope();
        double distance = Distance(cat([.. tokens.Select(batch => subnet.AnswersFrom(batch, block))], 0), 1);
        Tell(FormattableString.Invariant($"block {block}"));
        return distance;
    }

    /// <summary>Where a path has come to.</summary>
    /// <param name="Widths">What is left.</param>
    /// <param name="Distance">How far it is from the whole model.</param>
    /// <param name="Before">Where it came from; null at the whole model.</param>
    /// <param name="Weights">What the curves of every axis are multiplied by from here.</param>
    /// <param name="Behind">How much more every axis lost in the last step than the best way did.</param>
    private sealed record Place(
        SubnetWidths Widths, double Distance, Place? Before, IReadOnlyDictionary<Axis, double> Weights,
        IReadOnlyDictionary<Axis, double> Behind)
    {
        /// <summary>What the place is chosen by.</summary>
        public double Judged { get; init; }

        /// <summary>What a path is judged by: the sum of the logarithms of what its places are.</summary>
        public double Sum => Before is null ? 0 : Before.Sum + Math.Log(Math.Max(Judged, 1e-6));

        /// <summary>The places of the path, from the whole model to here.</summary>
        public IEnumerable<Place> Path() => [.. Before?.Path() ?? [], this];
    }
}
