using System.Runtime.CompilerServices;

namespace SnapViT.Core.Architecture;

/// <summary>
/// What of a block can be made smaller. In the order in which a forward pass meets them; <see cref="AxisTable"/> has a row for each.
/// </summary>
public enum Axis
{
    /// <summary>Whole attention heads.</summary>
    Heads,

    /// <summary>Dimensions of the queries and keys inside every head, in a basis that sorts them (docs/method.md).</summary>
    QueryKeyDims,

    /// <summary>Dimensions of the values inside every head, in a basis that sorts them.</summary>
    ValueDims,

    /// <summary>
    /// Tokens that leave the block: the most similar patch tokens are merged between attention and MLP (Bolya et al., 2023). Never more
    /// than in the block before.
    /// </summary>
    Tokens,

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

    /// <summary>Its units in words, such as <c>heads</c>.</summary>
    public string Label { get; }

    /// <summary>One unit in words, such as <c>head</c>.</summary>
    public string Unit { get; }

    /// <summary>
    /// Whether single units are scored and ranked, as the paper does with heads and neurons. The units of any other axis have an order of
    /// their own, the same for every budget.
    /// </summary>
    public bool IsScored => StoredScores.Length > 0;

    /// <summary>Width of one unit in channels, as alignment counts them: d of a head, 1 of a neuron.</summary>
    internal Func<ViTArchitecture, int> Channels { get; init; } = _ => 1;

    /// <summary>Units that stay or go together: 2 of q/k dims that rotary positions turn in pairs, else 1.</summary>
    internal Func<ViTArchitecture, int> Grain { get; init; } = _ => 1;

    /// <summary>Share of a block's units that it keeps whatever the budget, unless said otherwise; 0..1.</summary>
    public double DefaultFloor { get; internal init; }

    /// <summary>
    /// How far a scored axis is behind on the paper's line of ratio pairs: it is removed at the first axis's ratio less this.
    /// </summary>
    internal double LineOffset { get; init; }

    /// <summary>
    /// Whether a unit saves the same FLOPs and parameters whatever else a model keeps of such axes. Where not, whole widths are priced.
    /// </summary>
    internal bool IsAdditive { get; init; }

    /// <summary>Key of a block's width in JSON, and of the widths of all blocks in a config.</summary>
    internal string Key => Axis.ToString();

    /// <summary>Global factors of a block with so many units (paper, section 3.2): one per unit, one for all, or none.</summary>
    internal Func<int, int> FactorsPerBlock { get; init; } = _ => 0;

    /// <summary>Name of its tensor of scores, [L, units], in a scores file; empty for an axis whose units are not scored.</summary>
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
        new(Axis.QueryKeyDims, "q/k dims", "query/key dimension", a => a.HeadDim)
        {
            DefaultFloor = 0.125,
            Grain = a => a.Position == PositionEmbedding.Rotary ? 2 : 1,
            StoredFloor = "floor.query_key_dims",
            StoredCurve = "query_key_nanoseconds",
        },
        new(Axis.ValueDims, "v dims", "value dimension", a => a.HeadDim)
        {
            DefaultFloor = 0.125,
            StoredFloor = "floor.value_dims",
            StoredCurve = "value_nanoseconds",
        },
        new(Axis.Tokens, "tokens", "token", a => a.Tokens)
        {
            DefaultFloor = 0.05,
            StoredFloor = "floor.tokens",
            StoredCurve = "token_nanoseconds",
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
    /// The scored axes by their places on the paper's line, neurons first: the order of two ratios, of factors and of tensors in a scores
    /// file.
    /// </summary>
    public static IReadOnlyList<AxisFacts> InPaperOrder { get; } = [.. Rows.Where(row => row.IsScored).OrderBy(row => row.LineOffset)];

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
