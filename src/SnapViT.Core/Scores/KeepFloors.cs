using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Scores;

/// <summary>What every block keeps whatever the budget: of every axis its best <c>floor(fraction * width)</c> units.</summary>
public sealed record KeepFloors
{
    private readonly PerAxis<double> _fractions;

    /// <summary>The defaults: 0.05 of the neurons and 0.2 of the heads, which protects no head where a block has fewer than 5.</summary>
    public KeepFloors()
        : this(PerAxis<double>.Of(row => row.DefaultFloor))
    {
    }

    /// <summary>Floors of the paper's two axes; others keep their defaults.</summary>
    /// <param name="neurons">Share of a block's neurons, 0..1. With 0 a block may lose its whole MLP but the bias.</param>
    /// <param name="heads">Share of a block's heads, 0..1.</param>
    /// <exception cref="SnapViTException">A share is outside 0..1.</exception>
    public KeepFloors(double neurons, double heads)
        : this(PerAxis<double>.Of(row => row.DefaultFloor).With(Axis.Neurons, neurons).With(Axis.Heads, heads))
    {
    }

    private KeepFloors(PerAxis<double> fractions)
    {
        if (AxisTable.Rows.Any(row => fractions.Get(row.Axis) is not (>= 0 and <= 1)))
        {
            string found = string.Join(" and ", AxisTable.InPaperOrder.Select(
                row => string.Create(CultureInfo.InvariantCulture, $"{fractions.Get(row.Axis)} of {row.Label}")));
            throw new SnapViTException(ErrorKind.Option, $"floors: expected fractions in 0..1, found {found}");
        }

        _fractions = fractions;
    }

    /// <summary>Share of a block's units of an axis that is never removed, 0..1.</summary>
    public double this[Axis axis] => _fractions.Get(axis);

    /// <summary>The same with another floor of one axis.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="fraction">Share of a block's units, 0..1.</param>
    /// <exception cref="SnapViTException">The share is outside 0..1.</exception>
    public KeepFloors With(Axis axis, double fraction) => new(_fractions.With(axis, fraction));

    /// <summary>Units of an axis that are never removed from a block.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="perBlock">Units that a block of the unpruned model has.</param>
    public int Kept(Axis axis, int perBlock) => (int)(perBlock * _fractions.Get(axis));
}
