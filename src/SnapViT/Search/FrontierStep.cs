using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;

namespace SnapViT.Search;

/// <summary>
/// The ways one step of a path can be made from one sub-network: of every axis alone, of all mixed once it is known what the axes lose,
/// and in a given order.
/// </summary>
internal sealed class FrontierStep
{
    /// <summary>An axis that costs so many times more than the best is not tried again in the next step.</summary>
    private const double FarBehind = 4;

    private readonly FrontierWays _ways;
    private readonly SubnetWidths _from;
    private readonly double _judged;
    private readonly double _share;
    private readonly Axis[] _axes;
    private readonly Dictionary<Axis, double> _weights;
    private readonly Dictionary<Axis, double> _behind;
    private readonly Dictionary<Axis, (SubnetWidths Widths, double Expected)> _alone = [];
    private readonly Dictionary<Axis, double> _lost = [];
    private readonly SubnetWidths? _ordered;

    /// <summary>Looks for the ways of one axis alone, and in an order.</summary>
    /// <param name="from">The sub-network.</param>
    /// <param name="judged">What it was judged by.</param>
    /// <param name="share">What the smaller ones may cost.</param>
    /// <param name="ways">Makes them.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="weights">What the curves of every axis are multiplied by; owned from here on.</param>
    /// <param name="behind">How much more every axis lost in the step before than the best way did; owned from here on.</param>
    /// <param name="order">The order; null for none.</param>
    public FrontierStep(
        SubnetWidths from, double judged, double share, FrontierWays ways, Axis[] axes, Dictionary<Axis, double> weights,
        Dictionary<Axis, double> behind, RemovalOrder? order)
    {
        (_from, _judged, _share, _ways, _axes, _weights, _behind) = (from, judged, share, ways, axes, weights, behind);
        foreach (Axis axis in axes)
        {
            if (behind[axis] > FarBehind)
            {
                // Measured again in the step after.
                behind[axis] /= 2;
            }
            else if (ways.Shrunk(from, share, weights, [axis]) is (SubnetWidths, double) way)
            {
                _alone[axis] = way;
            }
        }

        _ordered = order is null ? null : ways.Along(order, from, share);
    }

    /// <summary>What is to be measured first.</summary>
    public IEnumerable<SubnetWidths> Alone => [.. _alone.Values.Select(way => way.Widths), .. Some(_ordered)];

    /// <summary>What is to be measured then; empty before <see cref="Learn"/>, or where the floors forbid it.</summary>
    public IEnumerable<SubnetWidths> Mixed { get; private set; } = [];

    /// <summary>What the curves of every axis are multiplied by from here on.</summary>
    public IReadOnlyDictionary<Axis, double> Weights => _weights;

    /// <summary>Weighs every axis by what it lost against what its curves said, and mixes.</summary>
    /// <param name="judged">What a sub-network was judged by.</param>
    public void Learn(Func<SubnetWidths, double> judged)
    {
        foreach ((Axis axis, (SubnetWidths widths, double expected)) in _alone)
        {
            _lost[axis] = Math.Max(judged(widths) - _judged, 1e-9);
            double weight = _weights[axis];
            _weights[axis] = Math.Clamp(Math.Sqrt(weight * _lost[axis] / Math.Max(expected / weight, 1e-9)), 0.02, 50);
        }

        Mixed = [.. Some(_ways.Shrunk(_from, _share, _weights, _axes)?.Widths)];
    }

    /// <summary>How much more every axis lost than the best way did.</summary>
    /// <param name="least">What the best way was judged by.</param>
    public IReadOnlyDictionary<Axis, double> Behind(double least)
    {
        foreach ((Axis axis, double loss) in _lost)
        {
            _behind[axis] = loss / Math.Max(least - _judged, 1e-9);
        }

        return _behind;
    }

    private static IEnumerable<SubnetWidths> Some(SubnetWidths? widths) => widths is null ? [] : [widths];
}
