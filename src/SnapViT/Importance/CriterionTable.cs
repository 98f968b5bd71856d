using SnapViT.Core.Scores;
using SnapViT.Models;

namespace SnapViT.Importance;

/// <summary>One criterion: a row of <see cref="CriterionTable"/>.</summary>
/// <param name="Criterion">Which one.</param>
/// <param name="Name">Its name in commands and provenance.</param>
/// <param name="Meaning">What it measures, in a few words for people.</param>
/// <param name="Source">What it scores from.</param>
public sealed record CriterionRow(ScoreCriterion Criterion, string Name, string Meaning, ScoreSource Source)
{
    /// <summary>Whether second moments of activations are needed besides.</summary>
    public bool NeedsMoments { get; init; }

    /// <summary>Whether scores of different blocks compare as they are, so that the factors start at 1 instead of the paper's tilt.</summary>
    public bool ComparesBlocks { get; init; }

    /// <summary>How gradients of the model's weights become scores; null where they do not.</summary>
    internal Func<ViTWeights, IGradientScore>? FromGradients { get; init; }

    /// <summary>How the model alone is scored, by a seed; null where it is not.</summary>
    internal Func<ViTWeights, ulong, ImportanceScores>? FromWeights { get; init; }

    /// <summary>Scores of a model by its weights alone.</summary>
    /// <param name="weights">The unpruned weights.</param>
    /// <param name="seed">Seed of everything random.</param>
    /// <exception cref="InvalidOperationException">This criterion scores from images.</exception>
    public ImportanceScores OfWeights(ViTWeights weights, ulong seed) =>
        (FromWeights ?? throw new InvalidOperationException($"criterion {Name}: scores from images, not from weights alone"))(weights, seed);
}

/// <summary>Every criterion: to add another, add a row.</summary>
public static class CriterionTable
{
    /// <summary>All criteria.</summary>
    public static IReadOnlyList<CriterionRow> All { get; } =
    [
        new(ScoreCriterion.Ssl, "ssl", "squared mean self-supervised gradient, as the reference", ScoreSource.Crops)
        {
            FromGradients = _ => new SquaredMeanGradient(),
        },
        new(ScoreCriterion.Fisher, "fisher", "mean of squared per-image gradients, the paper's Eq. 2", ScoreSource.Crops)
        {
            FromGradients = _ => new PerSampleFisher(),
        },
        new(ScoreCriterion.Curvature, "curvature", "the loss that is left after correction", ScoreSource.Crops) { NeedsMoments = true, ComparesBlocks = true },
        new(ScoreCriterion.CrossEntropy, "cross-entropy", "ssl with labels and the model's classifier", ScoreSource.LabelledImages)
        {
            FromGradients = _ => new SquaredMeanGradient(),
        },
        new(ScoreCriterion.SnipMagnitude, "snip-magnitude", "gradient times weight, plus magnitude", ScoreSource.Crops)
        {
            FromGradients = weights => new SensitivityMagnitude(weights),
        },
        new(ScoreCriterion.SnipMagnitudeCrossEntropy, "snip-magnitude-cross-entropy", "the same with labels", ScoreSource.LabelledImages)
        {
            FromGradients = weights => new SensitivityMagnitude(weights),
        },
        new(ScoreCriterion.Lamp, "lamp", "layer-adaptive magnitude of weights, without photos", ScoreSource.Weights)
        {
            FromWeights = (weights, _) => LayerAdaptiveMagnitude.Of(weights),
        },
        new(ScoreCriterion.Random, "random", "seeded random numbers", ScoreSource.Weights)
        {
            FromWeights = (weights, seed) => RandomScores.Of(weights.Architecture, seed), ComparesBlocks = true,
        },
    ];

    /// <summary>The row of a criterion.</summary>
    public static CriterionRow Of(ScoreCriterion criterion) =>
        All.FirstOrDefault(row => row.Criterion == criterion) ?? throw new ArgumentOutOfRangeException(nameof(criterion), criterion, "unknown criterion");

    /// <summary>The row of a name.</summary>
    /// <exception cref="ArgumentException">There is no such criterion; the message lists them.</exception>
    public static CriterionRow Named(string name) => All.FirstOrDefault(row => row.Name == name)
        ?? throw new ArgumentException($"criterion: expected one of {string.Join(", ", All.Select(row => row.Name))}, found '{name}'", nameof(name));
}
