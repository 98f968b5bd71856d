using System.Globalization;
using SnapViT.Core.Errors;
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
/// What is added to the diagonal of second moments before they are factored: a ridge that holds the corrected weights near the original
/// ones where the calibration images say little. Too few images for the inputs of a layer are no error for that reason, but need damping
/// above 0.
/// </summary>
/// <param name="Kind">What it is measured by; default the mean.</param>
/// <param name="Share">How much of that, 0 or more; default 0.01, the reference's.</param>
public sealed record Damping(DampingKind Kind = DampingKind.Mean, double Share = 0.01)
{
    /// <summary>Checks the share.</summary>
    /// <exception cref="SnapViTException">It is negative or not finite.</exception>
    public Damping Validated() => double.IsFinite(Share) && Share >= 0
        ? this
        : throw new SnapViTException(ErrorKind.Option, $"damping: expected a finite share of 0 or more, found {Share}");

    /// <summary>The damping in one phrase, such as <c>0.01 of the mean</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Share} of the {Kind.ToString().ToLowerInvariant()}");

    /// <summary>The damping as it is written in options and in the provenance of models: <c>mean:0.01</c>.</summary>
    public string ToText() => string.Create(CultureInfo.InvariantCulture, $"{Kind.ToString().ToLowerInvariant()}:{Share}");

    /// <summary>Reads a damping: <c>mean</c>, <c>max</c> or <c>percentile</c> and a share of it, such as <c>mean:0.01</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">What the message calls it.</param>
    /// <exception cref="SnapViTException">It has another form, or the share is negative or not finite.</exception>
    public static Damping Parse(string text, string name = "damping")
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':');
        DampingKind[] kinds =
        [
            .. Enum.GetValues<DampingKind>()
                .Where(kind => string.Equals(kind.ToString(), parts[0], StringComparison.OrdinalIgnoreCase)),
        ];
        return parts.Length == 2 && kinds.Length == 1
            && double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double share)
            && share >= 0
            && double.IsFinite(share)
            ? new Damping(kinds[0], share)
            : throw new SnapViTException(
                ErrorKind.Option,
                $"{name}: expected mean, max or percentile and a finite share of 0 or more, as in mean:0.01, found '{text}'");
    }

    /// <summary>The moments with damped diagonal, a new tensor.</summary>
    /// <param name="moments">Float64 [n, n].</param>
    internal Tensor Apply(Tensor moments)
    {
        Tensor damped = moments.clone();
        AddTo(damped);
        return damped;
    }

    /// <summary>Damps moments in place.</summary>
    /// <inheritdoc cref="Apply"/>
    internal void AddTo(Tensor moments)
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
        moments.diagonal().AddInPlace(added);
    }

    private static double Percentile95(double[] values)
    {
        Array.Sort(values);
        double position = 0.95 * (values.Length - 1);
        int below = (int)position;
        return below + 1 < values.Length ? values[below] + ((position - below) * (values[below + 1] - values[below])) : values[below];
    }
}
