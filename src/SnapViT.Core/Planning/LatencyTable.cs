using SnapViT.Core.Architecture;

namespace SnapViT.Core.Planning;

/// <summary>
/// What a forward pass takes on one machine, as a sum: a fixed time, and of every block one for its heads and one for its neurons. The blocks of a
/// model have one shape, so that one curve of either serves them all.
/// </summary>
public sealed record LatencyTable
{
    /// <summary>Puts a table together.</summary>
    /// <param name="conditions">What it was measured under.</param>
    /// <param name="fixedNanoseconds">Time of a model whose blocks keep nothing, 0 or more.</param>
    /// <param name="attention">Time of one block's heads over their number, 0..A.</param>
    /// <param name="mlp">Time of one block's neurons over their number, 0..H.</param>
    /// <exception cref="ArgumentException">The fixed time is negative or not finite, or a curve ends elsewhere than at the architecture's width.</exception>
    public LatencyTable(LatencyConditions conditions, double fixedNanoseconds, LatencyCurve attention, LatencyCurve mlp)
    {
        ArgumentNullException.ThrowIfNull(conditions);
        ArgumentNullException.ThrowIfNull(attention);
        ArgumentNullException.ThrowIfNull(mlp);
        (Conditions, FixedNanoseconds, Attention, Mlp) = (conditions, fixedNanoseconds, attention, mlp);
        ViTArchitecture a = conditions.Architecture;
        if (!double.IsFinite(fixedNanoseconds) || fixedNanoseconds < 0)
        {
            throw new ArgumentException($"latency table: expected a fixed time of 0 or more, found {fixedNanoseconds}");
        }

        if ((attention.Largest, mlp.Largest) != (a.Heads, a.MlpDim))
        {
            throw new ArgumentException($"latency table: expected curves up to {a.Heads} heads and {a.MlpDim} neurons, found {attention.Largest} and {mlp.Largest}");
        }
    }

    /// <summary>What it was measured under.</summary>
    public LatencyConditions Conditions { get; }

    /// <summary>Time of a model whose blocks keep nothing.</summary>
    public double FixedNanoseconds { get; }

    /// <summary>Time of one block's heads over their number.</summary>
    public LatencyCurve Attention { get; }

    /// <summary>Time of one block's neurons over their number.</summary>
    public LatencyCurve Mlp { get; }

    /// <summary>Nanoseconds of one forward pass of a model with given widths.</summary>
    /// <param name="widths">Widths of every block.</param>
    /// <exception cref="ArgumentException">The widths are of another architecture.</exception>
    public long Predict(SubnetWidths widths)
    {
        ParameterTable.RequireFit(Conditions.Architecture, widths);
        return (long)Math.Round(FixedNanoseconds + widths.Sum(block => Attention.At(block.Heads) + Mlp.At(block.Neurons)));
    }
}
