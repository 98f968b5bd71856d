using SnapViT.Correction;

namespace SnapViT.Importance;

/// <summary>
/// What the block-curvature score adds to the diagonal of the input covariance: the more, the less it trusts that the remaining structures make up
/// for a removed one. Stronger than the correction's own ridge, for what calibration images promise is over-fitted, that of whole heads most
/// (measured in bench/results/accuracy-seeds.md).
/// </summary>
/// <param name="Neurons">For the neurons of an MLP.</param>
/// <param name="Heads">For attention heads.</param>
public sealed record CurvatureDamping(Damping Neurons, Damping Heads)
{
    /// <summary>10 % of the mean of the diagonal for neurons, all of it for heads.</summary>
    public CurvatureDamping()
        : this(new Damping(DampingKind.Mean, 0.1), new Damping(DampingKind.Mean, 1))
    {
    }

    /// <summary>Checks both.</summary>
    /// <exception cref="ArgumentException">A share is negative or not finite.</exception>
    public CurvatureDamping Validated() => new(Neurons.Validated(), Heads.Validated());

    /// <summary>Both in one phrase.</summary>
    public override string ToString() => $"neurons {Neurons}, heads {Heads}";
}
