using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;

namespace SnapViT.Search;

/// <summary>
/// Ways to make a sub-network smaller: unit after unit where the curves say that it costs least per cost saved, of chosen axes.
/// </summary>
internal sealed class FrontierWays
{
    /// <summary>An axis is gone through in about so many pieces.</summary>
    private const int Pieces = 24;

    /// <summary>So many pieces are all patch tokens.</summary>
    private const int TokenPieces = 49;

    private readonly ViTArchitecture _architecture;
    private readonly Func<SubnetWidths, long> _cost;
    private readonly KeepFloors _floors;
    private readonly IReadOnlyDictionary<(int Block, Axis Axis), DamageCurve> _curves;
    private readonly double _whole;

    /// <summary>Ways to save one cost.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="unit"><see cref="CostUnit.Flops"/>, <see cref="CostUnit.Parameters"/> or <see cref="CostUnit.Nanoseconds"/>.</param>
    /// <param name="latency">What a forward pass takes; needed for nanoseconds alone.</param>
    /// <param name="floors">What every block keeps.</param>
    /// <param name="curves">What units of one axis are worth in one block; what has no curve stays.</param>
    public FrontierWays(
        ViTArchitecture architecture, CostUnit unit, LatencyTable? latency, KeepFloors floors,
        IReadOnlyDictionary<(int Block, Axis Axis), DamageCurve> curves)
    {
        (_architecture, Unit, _floors, _curves) = (architecture, unit, floors, curves);
        SubnetWidths full = architecture.FullWidths;
        long fixedParameters = CostModel.Parameters(architecture, full) - CostModel.PrunableParameters(architecture, full);
        _cost = unit switch
        {
            CostUnit.Flops => widths => CostModel.FlopsOfFitting(architecture, widths),
            CostUnit.Parameters => widths => fixedParameters + CostModel.PrunableParameters(architecture, widths),
            _ => (latency ?? throw new ArgumentNullException(nameof(latency))).Predict,
        };
        _whole = _cost(full);
        Start = unit != CostUnit.Parameters && architecture.PooledTokens > 0 && curves.Keys.Any(key => key.Axis == Axis.Tokens)
            ? full.With(full.Count - 1, Axis.Tokens, architecture.PooledTokens)
            : full;
    }

    /// <summary>The cost.</summary>
    public CostUnit Unit { get; }

    /// <summary>
    /// The whole model, of whose last block only the pooled tokens are computed where that counts: it costs less and loses nothing.
    /// </summary>
    public SubnetWidths Start { get; }

    /// <summary>The cost of widths as a share of the whole model's.</summary>
    public double Share(SubnetWidths widths) => _cost(widths) / _whole;

    /// <summary>A sub-network within another that costs a share of the whole at most; null where the floors forbid it.</summary>
    /// <param name="from">The other.</param>
    /// <param name="share">What it may cost.</param>
    /// <param name="weights">What the curves of every axis are multiplied by.</param>
    /// <param name="axes">The axes that it takes from.</param>
    /// <returns>Its widths, and what the weighted curves say that it loses.</returns>
    public (SubnetWidths Widths, double Expected)? Shrunk(
        SubnetWidths from, double share, IReadOnlyDictionary<Axis, double> weights, IReadOnlyCollection<Axis> axes)
    {
        (SubnetWidths widths, double expected, long cost) = Shrink(from, share, weights, axes);
        return cost / _whole > share ? null : (widths, expected);
    }

    /// <summary>
    /// A sub-network within another that costs a share of the whole at most, smaller where an order of removal makes it so; null where the
    /// order ends before.
    /// </summary>
    /// <param name="order">The order.</param>
    /// <param name="from">The other.</param>
    /// <param name="share">What it may cost.</param>
    public SubnetWidths? Along(RemovalOrder order, SubnetWidths from, double share)
    {
        int steps = order.Fewest(taken => Share(Within(taken)) <= share);
        return steps <= order.Length ? Within(steps) : null;

        SubnetWidths Within(int taken)
        {
            SubnetWidths left = order.Widths(_architecture, taken);
            return new SubnetWidths(from.Select((kept, block) => AxisTable.InPaperOrder.Aggregate(
                kept, (smaller, row) => smaller.With(row.Axis, Math.Min(kept[row.Axis], left[block][row.Axis])))));
        }
    }

    /// <summary>The smallest sub-network within another that the floors allow.</summary>
    /// <inheritdoc cref="Shrunk"/>
    public SubnetWidths Smallest(SubnetWidths from, IReadOnlyDictionary<Axis, double> weights, IReadOnlyCollection<Axis> axes) =>
        Shrink(from, share: 0, weights, axes).Widths;

    private (SubnetWidths Widths, double Expected, long Cost) Shrink(
        SubnetWidths from, double share, IReadOnlyDictionary<Axis, double> weights, IReadOnlyCollection<Axis> axes)
    {
        (SubnetWidths widths, double expected, long cost) = (from, 0, _cost(from));
        while (cost / _whole > share)
        {
            (SubnetWidths? Widths, double Lost, long Cost, double Rate) best = (null, 0, 0, double.PositiveInfinity);
            foreach ((Axis axis, int block, SubnetWidths next) in Steps(widths, axes))
            {
                // Merging in one block changes what share of their tokens the blocks behind merge.
                int last = axis == Axis.Tokens ? widths.Count - 1 : block;
                double lost = weights[axis] * Enumerable.Range(block, last - block + 1).Sum(at => Lost(axis, widths, at, next));
                long saved = cost - _cost(next);
                double rate = saved > 0 ? lost / saved : double.PositiveInfinity;
                best = rate < best.Rate ? (next, lost, cost - saved, rate) : best;
            }

            if (best.Widths is null)
            {
                break;
            }

            (widths, expected, cost) = (best.Widths, expected + best.Lost, best.Cost);
        }

        return (widths, expected, cost);
    }

    /// <summary>Every step that can be taken, with the block that loses by it.</summary>
    private IEnumerable<(Axis Axis, int Block, SubnetWidths Next)> Steps(SubnetWidths widths, IReadOnlyCollection<Axis> axes)
    {
        foreach (Axis axis in axes)
        {
            for (int block = 0; block < widths.Count; block++)
            {
                if (!_curves.ContainsKey((block, axis)))
                {
                    continue;
                }

                if (axis != Axis.Tokens)
                {
                    if (Smaller(widths, block, axis) is SubnetWidths next)
                    {
                        yield return (axis, block, next);
                    }

                    continue;
                }

                // Tokens go here and are missing in every block behind; or they go here instead of in the block behind.
                foreach (int last in new[] { widths.Count - 1, block }.Distinct())
                {
                    if (Merged(widths, block, last) is SubnetWidths next)
                    {
                        yield return (axis, block, next);
                    }
                }
            }
        }
    }

    /// <summary>What a block loses by a step, as its curve says; below 0 where it merges fewer tokens.</summary>
    private double Lost(Axis axis, SubnetWidths before, int block, SubnetWidths after) =>
        _curves.TryGetValue((block, axis), out DamageCurve? curve)
            ? curve.At(Removed(after, block, axis)) - curve.At(Removed(before, block, axis))
            : 0;

    /// <summary>
    /// Units that a block lacks, as its curve counts them: where tokens were merged before, the same share of all patch tokens.
    /// </summary>
    private double Removed(SubnetWidths widths, int block, Axis axis)
    {
        if (axis != Axis.Tokens)
        {
            return AxisTable.Of(axis).Count(_architecture) - widths[block][axis];
        }

        int into = widths.TokensInto(_architecture, block);
        return (into - widths[block][Axis.Tokens]) * (double)_architecture.Patches / Math.Max(1, into - _architecture.PrefixTokens);
    }

    /// <summary>The next smaller width of one block; null where the floor forbids it.</summary>
    private SubnetWidths? Smaller(SubnetWidths widths, int block, Axis axis)
    {
        AxisFacts row = AxisTable.Of(axis);
        int count = row.Count(_architecture), grain = row.Grain(_architecture), width = widths[block][axis];
        int floor = Math.Max(row.IsScored ? 0 : grain, (_floors.Kept(axis, count) + grain - 1) / grain * grain);
        int left = Math.Max(floor, width - Math.Max(grain, count / Pieces / grain * grain));
        return left < width ? widths.With(block, axis, left) : null;
    }

    /// <summary>Fewer tokens behind the blocks first..last; null where the floor or the number that a block can merge forbids it.</summary>
    private SubnetWidths? Merged(SubnetWidths widths, int first, int last)
    {
        ViTArchitecture a = _architecture;
        int piece = Math.Max(1, a.Patches / TokenPieces), floor = Math.Max(a.PrefixTokens + 1, _floors.Kept(Axis.Tokens, a.Tokens));
        List<BlockWidths> blocks = [.. widths];
        int into = widths.TokensInto(a, first);
        for (int block = first; block < blocks.Count; block++)
        {
            int kept = blocks[block][Axis.Tokens];
            bool isPooled = block == blocks.Count - 1 && a.PooledTokens > 0;
            if (isPooled)
            {
                // The last block merges nothing: it gives the pooled tokens, or all that enter it.
                blocks[block] = blocks[block].With(Axis.Tokens, kept < widths.TokensInto(a, block) ? kept : into);
                break;
            }

            int left = block <= last ? kept - piece : kept;
            if (left < floor || left > into || left < SubnetWidths.FewestTokens(a, into))
            {
                return null;
            }

            blocks[block] = blocks[block].With(Axis.Tokens, left);
            into = left;
        }

        return new SubnetWidths(blocks);
    }
}
