namespace SnapViT.Importance;

/// <summary>How a structure is scored; <see cref="CriterionTable"/> has the facts of each.</summary>
public enum ScoreCriterion
{
    /// <summary>The square of the mean gradient over all images, as the reference computes it: <c>mean_row((1/n sum_i g_i)^2)</c>.</summary>
    Ssl,

    /// <summary>The mean of the squared per-sample gradients, the paper's Eq. 2 (empirical Fisher): <c>1/n sum_i mean_row(g_i^2)</c>.</summary>
    Fisher,

    /// <summary>The loss that removing a structure costs after the others were corrected, from block-wise curvature (<see cref="CurvatureEstimator"/>).</summary>
    Curvature,

    /// <summary>As <see cref="Ssl"/> with the cross-entropy of the model's own classifier; needs labels.</summary>
    CrossEntropy,

    /// <summary>Connection sensitivity with magnitude (<see cref="SensitivityMagnitude"/>), of self-supervised gradients.</summary>
    SnipMagnitude,

    /// <summary>The same of cross-entropy gradients; needs labels.</summary>
    SnipMagnitudeCrossEntropy,

    /// <summary>Layer-adaptive magnitude (<see cref="LayerAdaptiveMagnitude"/>); looks at weights only.</summary>
    Lamp,

    /// <summary>Uniform random numbers, seeded: what any other criterion has to beat.</summary>
    Random,
}

/// <summary>What a criterion scores from.</summary>
public enum ScoreSource
{
    /// <summary>Crops of photos, without labels.</summary>
    Crops,

    /// <summary>Photos with labels of the model's own classes.</summary>
    LabelledImages,

    /// <summary>The model alone.</summary>
    Weights,
}
