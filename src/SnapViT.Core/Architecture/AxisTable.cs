using System.Runtime.CompilerServices;

namespace SnapViT.Core.Architecture;

/// <summary>
/// What of a block can be made smaller. In the order in which a forward pass meets them; <see cref="AxisTable"/> has a row for each.
/// </summary>
public enum Axis
{
    /// <summary>Whole attention heads.</summary>
    Heads,

    /// <summary>Hidden neurons of the MLP.</summary>
    Neurons,
}

/// <summary>What is known of one axis: one row of <see cref="AxisTable"/>.</summary>
public sealed class AxisFacts
{
    private readonly Func<ViTArchitecture, int> _count;

    internal AxisFacts(Axis axis, string label, string unit, Func<ViTArchitecture, int> count) =>
        (Axis, Label, Unit, _count) = (axis, label, unit, count);

    /// <summary>The axis.</summary>
    public Axis Axis { get; }

    /// <summary>Its units in words, such as <c>heads</c>; also their key in JSON.</summary>
    public string Label { get; }

    /// <summary>One unit in words, such as <c>head</c>.</summary>
    public string Unit { get; }

    /// <summary>Width of one unit in channels, as alignment counts them: d of a head, 1 of a neuron.</summary>
    internal Func<ViTArchitecture, int> Channels { get; init; } = _ => 1;

    /// <summary>Share of a block's units that it keeps whatever the budget, unless said otherwise; 0..1.</summary>
    public double DefaultFloor { get; internal init; }

    /// <summary>
    /// How far this axis is behind on the paper's line of ratio pairs: it is removed at the first axis's ratio less this.
    /// </summary>
    internal double LineOffset { get; init; }

    /// <summary>
    /// Whether a unit saves the same FLOPs and parameters whatever else a model keeps. Where not, whole widths are priced.
    /// </summary>
    internal bool IsAdditive { get; init; }

    /// <summary>Whether scores files from before the axis existed lack it: its units are then not ranked, and stay.</summary>
    internal bool IsOptional { get; init; }

    /// <summary>Global factors of a block with so many units (paper, section 3.2): one per unit, one for all, or none.</summary>
    internal Func<int, int> FactorsPerBlock { get; init; } = _ => 0;

    /// <summary>Name of its tensor of scores, [L, units], in a scores file.</summary>
    internal string StoredScores { get; init; } = "";

    /// <summary>Key of its floor in the metadata of a scores file.</summary>
    internal string StoredFloor { get; init; } = "";

    /// <summary>Key of its curve in the file of a latency table.</summary>
    internal string StoredCurve { get; init; } = "";

    /// <summary>Units in a block of the unpruned model.</summary>
    public int Count(ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        return _count(architecture);
    }
}

/// <summary>The axes along which a model can be made smaller. Whatever is there for every axis is derived from these rows.</summary>
public static class AxisTable
{
    /// <summary>Number of axes.</summary>
    internal const int Length = (int)Axis.Neurons + 1;

    /// <summary>One row per axis, in the order of <see cref="Axis"/>: the order in which a forward pass meets them.</summary>
    public static IReadOnlyList<AxisFacts> Rows { get; } =
    [
        new(Axis.Heads, "heads", "head", a => a.Heads)
        {
            DefaultFloor = 0.2,
            LineOffset = 0.15,
            IsAdditive = true,
            Channels = a => a.HeadDim,
            FactorsPerBlock = heads => heads,
            StoredScores = "head_scores",
            StoredFloor = "floor.heads",
            StoredCurve = "attention_nanoseconds",
        },
        new(Axis.Neurons, "neurons", "neuron", a => a.MlpDim)
        {
            DefaultFloor = 0.05,
            LineOffset = 0,
            IsAdditive = true,
            FactorsPerBlock = _ => 1,
            StoredScores = "mlp_scores",
            StoredFloor = "floor.neurons",
            StoredCurve = "mlp_nanoseconds",
        },
    ];

    /// <summary>
    /// The rows by their places on the paper's line, neurons first: the order of two ratios, of factors and of tensors in a scores file. Of
    /// equals, the earlier axis goes first.
    /// </summary>
    public static IReadOnlyList<AxisFacts> InPaperOrder { get; } = [.. Rows.OrderBy(row => row.LineOffset)];

    /// <summary>The row of an axis.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    public static AxisFacts Of(Axis axis) => (uint)axis < Length
        ? Rows[(int)axis]
        : throw new ArgumentOutOfRangeException(nameof(axis), axis, "expected an axis of the table");
}

/// <summary>One value per axis, compared by value.</summary>
[InlineArray(AxisTable.Length)]
internal struct PerAxis<T> : IEquatable<PerAxis<T>>
{
    private T _first;

    /// <summary>The values that a function gives.</summary>
    public static PerAxis<T> Of(Func<AxisFacts, T> value)
    {
        PerAxis<T> values = default;
        foreach (AxisFacts row in AxisTable.Rows)
        {
            values[(int)row.Axis] = value(row);
        }

        return values;
    }

    public readonly T Get(Axis axis) => this[(int)AxisTable.Of(axis).Axis];

    public readonly PerAxis<T> With(Axis axis, T value)
    {
        PerAxis<T> values = this;
        values[(int)AxisTable.Of(axis).Axis] = value;
        return values;
    }

    public readonly bool Equals(PerAxis<T> other)
    {
        for (int i = 0; i < AxisTable.Length; i++)
        {
            if (!EqualityComparer<T>.Default.Equals(this[i], other[i]))
            {
                return false;
            }
        }

        return true;
    }

    public override readonly bool Equals(object? obj) => obj is PerAxis<T> other && Equals(other);

    public override readonly int GetHashCode()
    {
        HashCode hash = default;
        for (int i = 0; i < AxisTable.Length; i++)
        {
            hash.Add(this[i]);
        }

        return hash.ToHashCode();
    }
}
