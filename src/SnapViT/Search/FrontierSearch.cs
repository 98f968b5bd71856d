using SnapViT.Core.Architecture;
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

    /// <summary>The widths of the curves, as shares of the whole.</summary>
    private static readonly Dictionary<Axis, double[]> Measured = new()
    {
        [Axis.Heads] = [0.85, 0.67, 0.34],
        [Axis.QueryKeyDims] = [0.75, 0.5, 0.3],
        [Axis.ValueDims] = [0.875, 0.75, 0.5],
        [Axis.Tokens] = [0.92, 0.8, 0.6],
        [Axis.Neurons] = [0.85, 0.65, 0.4],
    };

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
        _target = (_mean is null ? F.log_softmax(target, -1) : target.Minus(_mean)).DetachFromDisposeScope();
    }

    /// <summary>Measurements that both frontiers take at most.</summary>
    public static int Measurements(ViTArchitecture architecture, int axes) =>
        (architecture.Depth * axes * 3) + (int)((axes + axes + 1) * (1 - End) / Step);

    /// <summary>What they cost, in passes of the whole model over the images.</summary>
    public static double Passes(ViTArchitecture architecture, int axes) =>
        (0.25 * architecture.Depth * axes * 3) + (0.6 * (axes + axes + 1) * (1 - End) / Step);

    /// <summary>Looks for the frontier of one cost.</summary>
    /// <param name="unit"><see cref="CostUnit.Flops"/> or <see cref="CostUnit.Parameters"/>.</param>
    public Frontier Find(CostUnit unit)
    {
        using IDisposable frozen = no_grad();
        _curves ??= MeasureCurves();
        FrontierWays ways = new(_architecture, unit, _elastic.Planner.Floors, _curves);
        Axis[] axes = [.. _axes.Where(axis => unit == CostUnit.Flops || axis != Axis.Tokens)];
        SubnetWidths now = ways.Start;
        List<FrontierSlice> slices = [new(_architecture.FullWidths, 0)];
        if (!now.Equals(_architecture.FullWidths))
        {
            slices.Add(new FrontierSlice(now, Distance(now)));
        }

        Dictionary<Axis, double> weights = axes.ToDictionary(axis => axis, _ => 1.0), behind = axes.ToDictionary(axis => axis, _ => 0.0);
        for (double share = 1 - Step; share > End - (Step / 2); share -= Step)
        {
            if (ways.Share(now) <= share)
            {
                continue;
            }

            (SubnetWidths? best, double least) = (null, double.PositiveInfinity);
            double before = slices[^1].Distance;
            Dictionary<Axis, double> lost = [];
            foreach (Axis axis in axes)
            {
                if (behind[axis] > FarBehind)
                {
                    // Measured again in the step after.
                    behind[axis] /= 2;
                    continue;
                }

                if (ways.Shrunk(now, share, weights, [axis]) is not (SubnetWidths widths, double expected))
                {
                    continue;
                }

                Consider(widths, out double distance);
                lost[axis] = Math.Max(distance - before, 1e-9);
                weights[axis] = Math.Clamp(Math.Sqrt(weights[axis] * lost[axis] / Math.Max(expected / weights[axis], 1e-9)), 0.02, 50);
            }

            if (ways.Shrunk(now, share, weights, axes) is (SubnetWidths mixed, _))
            {
                Consider(mixed, out _);
            }

            if (best is null)
            {
                break;
            }

            foreach ((Axis axis, double loss) in lost)
            {
                behind[axis] = loss / Math.Max(least - before, 1e-9);
            }

            // What was measured of a smaller model may be less by chance; a path that promised so would not be one.
            slices.Add(new FrontierSlice(best, Math.Max(least, before)));
            now = best;

            void Consider(SubnetWidths widths, out double distance)
            {
                distance = Distance(widths);
                (best, least) = distance < least ? (widths, distance) : (best, least);
            }
        }

        // Budgets below the last step are met on the way to the floors.
        SubnetWidths smallest = ways.Smallest(now, weights, axes);
        if (!smallest.Equals(now))
        {
            slices.Add(new FrontierSlice(smallest, Math.Max(Distance(smallest), slices[^1].Distance)));
        }

        return new Frontier(slices);
    }

    /// <summary>How far a sub-network is from the whole model (<see cref="FrontierSlice.Distance"/>).</summary>
    public double Distance(SubnetWidths widths)
    {
        _cancellation.ThrowIfCancellationRequested();
        using VisionTransformer subnet = _elastic.At(widths);
        using DisposeScope scope = NewDisposeScope();
        double distance = Distance(Answers(subnet));
        _measured(FormattableString.Invariant($"distance {distance:0.0000}"));
        return distance;
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

    private double Distance(Tensor answers)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor target = _target.narrow(0, 0, answers.shape[0]);
        Tensor distance = _mean is null
            ? (target.exp() * target.Minus(F.log_softmax(answers, -1))).sum(1)
            : ones_like(target.select(1, 0)).Minus(F.cosine_similarity(answers.Minus(_mean), target, 1, 1e-8));
        return Math.Max(0, distance.mean().item<float>());
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
        int count = AxisTable.Of(axis).Count(a);
        bool isPooled = axis == Axis.Tokens && block == a.Depth - 1 && a.PooledTokens > 0;
        IEnumerable<int> widths = Measured[axis]
            .Select(share => (int)Math.Round(share * count))
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
        double distance = Distance(cat([.. tokens.Select(batch => subnet.AnswersFrom(batch, block))], 0));
        _measured(FormattableString.Invariant($"block {block}"));
        return distance;
    }
}
