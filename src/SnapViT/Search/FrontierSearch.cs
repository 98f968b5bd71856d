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

    /// <summary>An axis that costs so many times more than the best is not tried again in the next step.</summary>
    private const double FarBehind = 4;

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
    private readonly Func<IEnumerable<Tensor>> _batches;
    private readonly ViTArchitecture _architecture;
    private readonly Axis[] _axes;
    private readonly Tensor? _mean;
    private readonly Tensor _target;
    private readonly CancellationToken _cancellation;
    private readonly Action<string> _measured;
    private Dictionary<(int Block, Axis Axis), DamageCurve>? _curves;

    /// <summary>Embeds the images with the whole model once.</summary>
    /// <param name="whole">The unpruned model in the bases of its heads, in the precision that is measured in; stays the caller's.</param>
    /// <param name="elastic">Its weights at every size, corrected as they will be; stay the caller's.</param>
    /// <param name="axes">The axes that the path may take from.</param>
    /// <param name="batches">Starts a pass over the images: batches [B, 3, S, S], disposed here after use.</param>
    /// <param name="measured">Told what was measured after every measurement.</param>
    /// <param name="cancellation">Stops between two measurements.</param>
    public FrontierSearch(
        VisionTransformer whole, ElasticWeights elastic, IEnumerable<Axis> axes, Func<IEnumerable<Tensor>> batches,
        Action<string>? measured = null, CancellationToken cancellation = default)
    {
        (_whole, _elastic, _batches, _axes) = (whole, elastic, batches, [.. axes]);
        (_architecture, _cancellation, _measured) = (whole.Architecture, cancellation, measured ?? (_ => { }));
        using DisposeScope scope = NewDisposeScope();
        Tensor target = Answers(whole);
        _mean = whole.Architecture.Classes > 0 ? null : target.mean([0], keepdim: true).DetachFromDisposeScope();
        _target = (_mean is null ? target : target.Minus(_mean)).DetachFromDisposeScope();
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
            start = start with { Widths = ways.Start, Distance = Distance(ways.Start).Plain, Before = start };
        }

        Place[] places = [start];
        for (double share = 1 - Step; share > End - (Step / 2); share -= Step)
        {
            Place[] next =
            [
                .. places.SelectMany(place => ways.Share(place.Widths) <= share ? [place] : Smaller(place, ways, order, share, axes))
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
                : [new FrontierSlice(smallest, Math.Max(Distance(smallest).Plain, end.Distance))],
        ]);
    }

    /// <summary>The sub-networks that a step from a place can lead to, measured.</summary>
    private List<Place> Smaller(Place place, FrontierWays ways, RemovalOrder? order, double share, Axis[] axes)
    {
        Dictionary<Axis, double> weights = new(place.Weights), behind = new(place.Behind), lost = [];
        List<(SubnetWidths Widths, double Distance, double Judged)> found = [];
        foreach (Axis axis in axes)
        {
            if (behind[axis] > FarBehind)
            {
                // Measured again in the step after.
                behind[axis] /= 2;
            }
            else if (ways.Shrunk(place.Widths, share, weights, [axis]) is (SubnetWidths widths, double expected))
            {
                lost[axis] = Math.Max(Measure(widths) - place.Judged, 1e-9);
                weights[axis] = Math.Clamp(Math.Sqrt(weights[axis] * lost[axis] / Math.Max(expected / weights[axis], 1e-9)), 0.02, 50);
            }
        }

        if (ways.Shrunk(place.Widths, share, weights, axes) is (SubnetWidths mixed, _))
        {
            Measure(mixed);
        }

        if (order is not null && ways.Along(order, place.Widths, share) is SubnetWidths ordered)
        {
            Measure(ordered);
        }

        double least = found.Count == 0 ? 0 : found.Min(way => way.Judged);
        foreach ((Axis axis, double loss) in lost)
        {
            behind[axis] = loss / Math.Max(least - place.Judged, 1e-9);
        }

        // What was measured of a smaller model may be less by chance; a path that promised so would not be one.
        return
        [
            .. found.Select(way => new Place(way.Widths, Math.Max(way.Distance, place.Distance), place, weights, behind)
            {
                Judged = way.Judged,
            }),
        ];

        double Measure(SubnetWidths widths)
        {
            (double plain, double sharp) = Distance(widths);
            found.Add((widths, plain, ways.Unit == CostUnit.Flops ? plain : plain + (SharpWeight * sharp)));
            return found[^1].Judged;
        }
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
        Tensor answers = Answers(subnet);
        double distance = Distance(answers, 1);
        _measured(FormattableString.Invariant($"distance {distance:0.0000}"));
        return (distance, Distance(answers, Sharpness));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _mean?.Dispose();
        _target.Dispose();
    }

    private Tensor Answers(VisionTransformer model)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> answers = [];
        foreach (Tensor batch in _batches())
        {
            using (batch)
            {
                answers.Add(model.Answers(batch));
            }
        }

        return cat(answers, 0).MoveToOuterDisposeScope();
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
        List<Tensor> tokens = [];
        try
        {
            // Half of the images will do: curves are corrected by what is measured later.
            Tensor[] batches = [.. _batches()];
            foreach ((Tensor batch, int index) in batches.Select((batch, index) => (batch, index)))
            {
                using (batch)
                {
                    if (index < (batches.Length + 1) / 2)
                    {
                        tokens.Add(_whole.EmbedTokens(batch).DetachFromDisposeScope());
                    }
                }
            }

            for (int block = 0; block < _architecture.Depth; block++)
            {
                foreach (Axis axis in _axes)
                {
                    (int, double)[] points =
                    [
                        .. Points(block, axis).Select(point => (point.Removed, Distance(point.Widths, block, tokens))),
                    ];
                    if (points.Length > 0)
                    {
                        curves[(block, axis)] = new DamageCurve(points);
                    }
                }

                for (int batch = 0; batch < tokens.Count; batch++)
                {
                    using Tensor before = tokens[batch];
                    tokens[batch] = _whole.Block(before, block, hook: null).DetachFromDisposeScope();
                }
            }

            return curves;
        }
        finally
        {
            tokens.ForEach(batch => batch.Dispose());
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

    private double Distance(SubnetWidths widths, int block, List<Tensor> tokens)
    {
        _cancellation.ThrowIfCancellationRequested();
        using VisionTransformer subnet = _elastic.At(widths);
        using DisposeScope scope = NewDisposeScope();
        double distance = Distance(cat([.. tokens.Select(batch => subnet.AnswersFrom(batch, block))], 0), 1);
        _measured(FormattableString.Invariant($"block {block}"));
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
