namespace SnapViT.Importance;

/// <summary>How gradients become a score.</summary>
public enum ScoreCriterion
{
    /// <summary>The square of the mean gradient over all images, as the reference computes it: <c>mean_row((1/n sum_i g_i)^2)</c>.</summary>
    Ssl,

    /// <summary>The mean of the squared per-sample gradients, the paper's Eq. 2 (empirical Fisher): <c>1/n sum_i mean_row(g_i^2)</c>.</summary>
    Fisher,

    /// <summary>The loss that removing a structure costs after the others were corrected, from block-wise curvature (<see cref="CurvatureEstimator"/>).</summary>
    Curvature,
}
