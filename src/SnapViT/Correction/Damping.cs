using System.Globalization;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Correction;

/// <summary>What the damping of second moments is measured by.</summary>
public enum DampingKind
{
    /// <summary>The mean of their diagonal.</summary>
    Mean,

    /// <summary>The largest value of their diagonal.</summary>
    Max,

    /// <summary>The 95th percentile of their diagonal, interpolated linearly.</summary>
    Percentile,
}

/// <summary>
/// What is added to the diagonal of second moments before they are factored: a ridge that holds the corrected weights near the original ones
/// where the calibration images say little. Too few images for the inputs of a layer are no error for that reason, but need damping above 0.
/// </summary>
/// <param name="Kind">What it is measured by; default the mean.</param>
/// <param name="Share">How much of that, 0 or more; default 0.01, the reference's.</param>
public sealed record Damping(DampingKind Kind = DampingKind.Mean, double Share = 0.01)
{
    /// <summary>Checks the share.</summary>
    /// <exception cref="ArgumentException">It is negative or not finite.</exception>
    public Damping Validated() => double.IsFinite(Share) && Share >= 0
        ? this
        : throw new ArgumentException($"damping: expected a finite share of 0 or more, found {Share}");

    /// <summary>The damping in one phrase, such as <c>0.01 of the mean</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Share} of the {Kind.ToString().ToLowerInvariant()}");

    /// <summary>The moments with damped diagonal, a new tensor.</summary>
    /// <param name="moments">Float64 [n, n].</param>
    internal Tensor Apply(Tensor moments)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] diagonal = moments.diagonal().cpu().contiguous().data<double>().ToArray();
        double amount = Share * Kind switch
        {
            DampingKind.Mean => diagonal.Average(),
            DampingKind.Max => diagonal.Max(),
            DampingKind.Percentile => Percentile95(diagonal),
            _ => throw new InvalidOperationException($"unknown damping {Kind}"),
        };
        Tensor added = tensor(Enumerable.Repeat(amount, diagonal.Length).ToArray(), device: moments.device);
        return moments.Plus(added.diag()).MoveToOuterDisposeScope();
    }

    private static double Percentile95(double[] values)
    {
        Array.Sort(values);
        double position = 0.95 * (values.Length - 1);
        int below = (int)position;
        return below + 1 < values.Length ? values[below] + ((position - below) * (values[below + 1] - values[below])) : values[below];
    }
}
