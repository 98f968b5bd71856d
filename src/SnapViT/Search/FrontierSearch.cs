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
    private static readonly Dictionary<Axis, double[]> CurvePoints = new()
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
    private readonly Dictionary<(int? Block, SubnetWidths Widths), FrontierMeasurement> _known;
    private readonly ViTArchitecture _architecture;
    private readonly Axis[] _axes;
    private readonly Tensor? _mean;
    private readonly Tensor _target;
    private readonly CancellationToken _cancellation;
    private readonly Action<string> _measured;
    private readonly Lock _telling = new();
    private Dictionary<(int Block, Axis Axis), DamageCurve>? _curves;
    private Tensor[]? _into;
    private int _intoBlock;

    /// <summary>Embeds the images with the whole model once.</summary>
    /// <param name="whole">The unpruned model in the bases of its heads, in the precision that is measured in; stays the caller's.</param>
    /// <param name="elastic">Its weights at every size, corrected as they will be; stay the caller's.</param>
    /// <param name="axes">The axes that the path may take from.</param>
    /// <param name="batches">The images in batches [B, 3, S, S], disposed here after use.</param>
    /// <param name="known">What an interrupted search measured; null for nothing.</param>
    /// <param name="measured">Told what was measured after every measurement, from one thread at a time.</param>
    /// <param name="cancellation">Stops between two measurements.</param>
    public FrontierSearch(
        VisionTransformer whole, ElasticWeights elastic, IEnumerable<Axis> axes, IEnumerable<Tensor> batches,
        IEnumerable<FrontierMeasurement>? known = null, Action<string>? measured = null, CancellationToken cancellation = default)
    {
        _known = (known ?? []).ToDictionary(one => (one.Block, one.Widths));
        (_whole, _elastic, _axes) = (whole, elastic, [.. axes]);
        (_architecture, _cancellation, _measured) = (whole.Architecture, cancellation, measured ?? (_ => { }));
        _tokens = [.. batches.Select(Embedded)];
        using DisposeScope scope = NewDisposeScope();
        Tensor[] answers = SideBySide.Run(_tokens, batch => whole.AnswersFrom(batch, 0), cancellation);
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

    /// <summary>What was measured so far, in the order in which it was.</summary>
    public IReadOnlyList<FrontierMeasurement> Known => [.. _known.Values];

    /// <summary>Evaluates sub-networks on other machines too; null for here alone.</summary>
    public ICandidateCluster? Cluster { get; init; }

    /// <summary>Told now and then that more is known, and when the search is cancelled; null for nobody.</summary>
    public Action? Progressed { get; init; }

    /// <summary>About how many measurements so many frontiers take.</summary>
    public static int Measurements(ViTArchitecture architecture, int axes, int frontiers) =>
        (architecture.Depth * axes * 3) + OnPaths(axes, frontiers);

    /// <summary>What they cost, in passes of the whole model over the images.</summary>
    public static double Passes(ViTArchitecture architecture, int axes, int frontiers) =>
        (0.25 * architecture.Depth * axes * 3) + (0.6 * OnPaths(axes, frontiers));

    /// <summary>Every axis alone, all mixed and an order; some axes are passed over, and places of two paths may be the same.</summary>
    private static int OnPaths(int axes, int frontiers) =>
        (int)(0.7 * PathsKept * frontiers * (axes + 1) * (1 - End) / Step);

    /// <summary>Looks for the frontier of one cost.</summary>
    /// <param name="unit"><see cref="CostUnit.Flops"/>, <see cref="CostUnit.Parameters"/> or <see cref="CostUnit.Nanoseconds"/>.</param>
    /// <param name="latency">What a forward pass takes; needed for nanoseconds alone.</param>
    public Frontier Find(CostUnit unit, LatencyTable? latency = null)
    {
        using IDisposable frozen = no_grad();
        _curves ??= MeasureCurves();
        FrontierWays ways = new(_architecture, unit, latency, _elastic.Planner.Floors, _curves);
        Axis[] axes = [.. _axes.Where(axis => unit != CostUnit.Parameters || axis != Axis.Tokens)];
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
            return found.Select(widths => new Place(widths, Math.Max(Plain(widths), place.Distance), place, step.Weights, behind)
            {
                Judged = Judged(widths),
            });
        }).SelectMany(found => found);

        double Judged(SubnetWidths widths)
        {
            FrontierMeasurement measured = _known[(null, widths)];
            return ways.Unit != CostUnit.Parameters ? measured.Plain : measured.Plain + (SharpWeight * measured.Sharp);
        }
    }

    /// <summary>Measures what was not measured before, side by side.</summary>
    private void Measure(IEnumerable<SubnetWidths> some) => Measure(some, block: null, _tokens);

    /// <inheritdoc cref="Measure(IEnumerable{SubnetWidths})"/>
    /// <param name="some">What is measured.</param>
    /// <param name="block">The only block that is smaller; null where any may be.</param>
    /// <param name="tokens">The images as they enter that block, or the first.</param>
    private void Measure(IEnumerable<SubnetWidths> some, int? block, Tensor[] tokens)
    {
        SubnetWidths[] unknown = [.. some.Distinct().Where(widths => !_known.ContainsKey((block, widths)))];
        try
        {
            if (Cluster is null)
            {
                SideBySide.Run(unknown, widths => Keep(Measured(widths, block, tokens)), _cancellation);
            }
            else if (unknown.Length > 0)
            {
                double[][] candidates = [.. unknown.Select(widths => FrontierMeasurement.ToNumbers(block, widths))];
                CandidateWork work = new(CandidateWork.Frontier, [], candidates, Math.Max(1, SideBySide.Free), some => Distances(
                    [.. some.Select(one => FrontierMeasurement.Read(one).Widths)], block, tokens));
                IReadOnlyList<double[]> measured = Cluster.Evaluate(work, _cancellation);
                for (int i = 0; i < unknown.Length; i++)
                {
                    Keep(new FrontierMeasurement(block, unknown[i], measured[i][0], measured[i][1]));
                }
            }
        }
        finally
        {
            if (unknown.Length > 0)
            {
                Progressed?.Invoke();
            }
        }
    }

    private double Plain(SubnetWidths widths)
    {
        Measure([widths]);
        return _known[(null, widths)].Plain;
    }

    private FrontierMeasurement Measured(SubnetWidths widths, int? block, Tensor[] tokens)
    {
        _cancellation.ThrowIfCancellationRequested();
        using VisionTransformer subnet = _elastic.At(widths);
        using DisposeScope scope = NewDisposeScope();
        Tensor answers = cat([.. tokens.Select(batch => subnet.AnswersFrom(batch, block ?? 0))], 0);
        return new FrontierMeasurement(block, widths, Distance(answers, 1), Distance(answers, Sharpness));
    }

    private FrontierMeasurement Keep(FrontierMeasurement measurement)
    {
        lock (_telling)
        {
            _known.Add((measurement.Block, measurement.Widths), measurement);
            _measured(measurement.Block is null
                ? FormattableString.Invariant($"distance {measurement.Plain:0.0000}")
                : FormattableString.Invariant($"block {measurement.Block}"));
        }

        return measurement;
    }

    /// <summary>
    /// Both distances of sub-networks that another machine asks for. Each is measured by one thread, whatever their number, so that every
    /// machine gives the same bits.
    /// </summary>
    /// <param name="candidates">What <see cref="FrontierMeasurement.ToNumbers"/> gave; of one block, or of the path.</param>
    public IReadOnlyList<double[]> Distances(IReadOnlyList<double[]> candidates)
    {
        using IDisposable frozen = no_grad();
        (int? Block, SubnetWidths Widths)[] all = [.. candidates.Select(FrontierMeasurement.Read)];
        List<double[]> found = [];
        foreach (IGrouping<int, (int? Block, SubnetWidths Widths)> ofBlock in all.GroupBy(one => one.Block ?? -1))
        {
            int? block = ofBlock.Key < 0 ? null : ofBlock.Key;
            found.AddRange(Distances([.. ofBlock.Select(one => one.Widths)], block, block is int at ? Into(at) : _tokens));
        }

        return found;
    }

    private double[][] Distances(SubnetWidths[] some, int? block, Tensor[] tokens) => SideBySide.Run(some, widths =>
    {
        FrontierMeasurement one = Measured(widths, block, tokens);
        return new[] { one.Plain, one.Sharp };
    }, _cancellation);

    /// <summary>The tokens of half of the images as they enter a block, kept for the next one.</summary>
    private Tensor[] Into(int block)
    {
        if (_into is null || _intoBlock > block)
        {
            Array.ForEach(_into ?? [], batch => batch.Dispose());
            (_into, _intoBlock) = (Half(), 0);
        }

        for (; _intoBlock < block; _intoBlock++)
        {
            Advance(_into, _intoBlock);
        }

        return _into;
    }

    /// <summary>Half of the images will do for curves: they are corrected by what is measured later.</summary>
    private Tensor[] Half() => [.. _tokens.Take((_tokens.Length + 1) / 2).Select(batch => batch.alias().DetachFromDisposeScope())];

    private void Advance(Tensor[] tokens, int block)
    {
        for (int batch = 0; batch < tokens.Length; batch++)
        {
            using Tensor before = tokens[batch];
            tokens[batch] = _whole.Block(before, block, hook: null).DetachFromDisposeScope();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _mean?.Dispose();
        _target.Dispose();
        Array.ForEach(_tokens, batch => batch.Dispose());
        Array.ForEach(_into ?? [], batch => batch.Dispose());
    }

    /// <summary>
    /// How far answers are from those of the whole model (<see cref="FrontierSlice.Distance"/>), with class scores times a number; of a
    /// model without a classifier that makes no difference.
    /// </summary>
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
        Tensor[] tokens = Half();
        try
        {
            for (int block = 0; block < _architecture.Depth; block++)
            {
                (Axis Axis, int Removed, SubnetWidths Widths)[] points =
                [
                    .. _axes.SelectMany(axis => Points(block, axis).Select(point => (axis, point.Removed, point.Widths))),
                ];
                Measure(points.Select(point => point.Widths), block, tokens);
                foreach (IGrouping<Axis, (Axis, int Removed, SubnetWidths Widths)> ofAxis in points.GroupBy(point => point.Axis))
                {
                    curves[(block, ofAxis.Key)] = new DamageCurve(
                        [.. ofAxis.Select(point => (point.Removed, _known[(block, point.Widths)].Plain))]);
                }

                Advance(tokens, block);
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
        IEnumerable<int> widths = CurvePoints[axis]
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

/// <summary>How far a sub-network is from the whole model on the images of a search.</summary>
/// <param name="Block">The only block that is smaller, measured on half of the images; null for one of a path.</param>
/// <param name="Widths">What is left.</param>
/// <param name="Plain">How far it is (<see cref="FrontierSlice.Distance"/>).</param>
/// <param name="Sharp">How far with sharper class scores; of a model without a classifier the same.</param>
internal sealed record FrontierMeasurement(int? Block, SubnetWidths Widths, double Plain, double Sharp)
{
    /// <summary>The block or -1, and the widths of all axes, block after block.</summary>
    public static double[] ToNumbers(int? block, SubnetWidths widths) =>
        [block ?? -1, .. widths.SelectMany(kept => AxisTable.Rows.Select(row => (double)kept[row.Axis]))];

    /// <summary>What <see cref="ToNumbers"/> gave.</summary>
    public static (int? Block, SubnetWidths Widths) Read(double[] numbers)
    {
        int axes = AxisTable.Rows.Count;
        return (
            numbers[0] < 0 ? null : (int)numbers[0],
            new SubnetWidths(Enumerable.Range(0, (numbers.Length - 1) / axes).Select(block => AxisTable.Rows.Select((row, at) => (row, at))
                .Aggregate(
                    default(BlockWidths), (kept, axis) => kept.With(axis.row.Axis, (int)numbers[1 + (block * axes) + axis.at])))));
    }
}
