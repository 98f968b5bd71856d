using System.Globalization;

namespace SnapViT.Correction;

/// <summary>How the layers whose inputs were pruned are re-fitted to what they gave before.</summary>
public enum CorrectionMode
{
    /// <summary>Least squares on what the inputs are, without intercept: the reference's elastic SparseGPT.</summary>
    SparseGpt,

    /// <summary>Least squares with intercept: the mean of what was removed moves into the bias.</summary>
    Affine,
}

/// <summary>Options of the correction.</summary>
public sealed record CorrectionOptions
{
    /// <summary>What is fitted; default affine.</summary>
    public CorrectionMode Mode { get; init; } = CorrectionMode.Affine;

    /// <summary>Ridge toward the original weights; default 1 % of the mean.</summary>
    public Damping Damping { get; init; } = new();

    /// <summary>The options in one phrase, such as <c>affine, damping 0.01 of the mean</c>.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Mode.ToString().ToLowerInvariant()}, damping {Damping.Share} of the {Damping.Kind.ToString().ToLowerInvariant()}");
}
