using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Search;

/// <summary>
/// Ways to make a sub-network smaller: unit after unit where the curves say that it costs least per cost saved, of chosen axes.
/// </summary>
internal sealed class FrontierWays
{
    /// <summary>An axis is gone through in about so many pieces.</summary>
    private const int Pieces = 32;

    private readonly ViTArchitecture _architecture;
    private readonly Func<SubnetWidths, long> _cost;
    private readonly KeepFloors _floors;
    private readonly IReadOnlyDictionary<(int Block, Axis Axis), DamageCurve> _curves;
    private readonly double _whole;

    /// <summary>Ways to save one cost.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="unit"><see cref="CostUnit.Flops"/> or <see cref="CostUnit.Parameters"/>.</param>
    /// <param name="floors">What every block keeps.</param>
    /// <param name="curves">What units of one axis are worth in one block; what has no curve stays.</param>
    public FrontierWays(
        ViTArchitecture architecture, CostUnit unit, KeepFloors floors, IReadOnlyDictionary<(int Block, Axis Axis), DamageCurve> curves)
    {
        (_architecture, _floors, _curves) = (architecture, floors, curves);
        _cost = unit == CostUnit.Flops
            ? widths => CostModel.Flops(architecture, widths)
            : widths => CostModel.Parameters(architecture, widths);
        _whole = _cost(architecture.FullWidths);
        SubnetWidths full = architecture.FullWidths;
        Start = unit == CostUnit.Flops && architecture.PooledTokens > 0 && curves.Keys.Any(key => key.Axis == Axis.Tokens)
            ? full.With(full.Count - 1, Axis.Tokens, architecture.PooledTokens)
            : full;
    }

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
        (SubnetWidths widths, double expected, long cost) = (from, 0, _cost(from));
        while (cost / _whole > share)
        {
            (SubnetWidths? Widths, double Lost, long Cost, double Rate) best = (null, 0, 0, double.PositiveInfinity);
            foreach (Axis axis in axes)
            {
                for (int block = 0; block < widths.Count; block++)
                {
                    if (!_curves.TryGetValue((block, axis), out DamageCurve? curve) || Smaller(widths, block, axis) is not SubnetWidths next)
                    {
                        continue;
                    }

                    int before = Removed(widths, block, axis), after = Removed(next, block, axis);
                    double lost = weights[axis] * (curve.At(after) - curve.At(before));
                    long saved = cost - _cost(next);
                    double rate = saved > 0 ? lost / saved : double.PositiveInfinity;
                    best = rate < best.Rate ? (next, lost, cost - saved, rate) : best;
                }
            }

            if (best.Widths is null)
            {
                return null;
            }

            (widths, expected, cost) = (best.Widths, expected + best.Lost, best.Cost);
        }

        return (widths, expected);
    }

    private int Removed(SubnetWidths widths, int block, Axis axis) => axis == Axis.Tokens
        ? widths.TokensInto(_architecture, block) - widths[block][Axis.Tokens]
        : AxisTable.Of(axis).Count(_architecture) - widths[block][axis];

    /// <summary>The next smaller widths on one axis in one block; null where the floor or the blocks behind forbid them.</summary>
    private SubnetWidths? Smaller(SubnetWidths widths, int block, Axis axis)
    {
        ViTArchitecture a = _architecture;
        int count = AxisTable.Of(axis).Count(a), width = widths[block][axis], floor = Math.Max(1, _floors.Kept(axis, count));
        int piece = axis == Axis.Tokens ? Math.Max(1, a.Patches / 49) : Math.Max(1, count / Pieces);
        if (axis != Axis.Tokens)
        {
            int left = axis is Axis.Heads or Axis.Neurons ? Math.Max(_floors.Kept(axis, count), width - piece) : Math.Max(floor, width - piece);
            return left < width ? widths.With(block, axis, left) : null;
        }

        // Tokens that are merged here are missing in every block behind.
        List<BlockWidths> blocks = [.. widths];
        int into = widths.TokensInto(a, block);
        for (int behind = block; behind < blocks.Count; behind++)
        {
            bool isPooled = behind == blocks.Count - 1 && a.PooledTokens > 0;
            int kept = blocks[behind][Axis.Tokens];
            int left = isPooled && kept < widths.TokensInto(a, behind) ? kept : kept - piece;
            if (!isPooled && (left < Math.Max(floor, a.PrefixTokens + 1) || left < SubnetWidths.FewestTokens(a, into)))
            {
                return null;
            }

            blocks[behind] = blocks[behind].With(Axis.Tokens, left);
            into = left;
        }

        return new SubnetWidths(blocks);
    }
}
