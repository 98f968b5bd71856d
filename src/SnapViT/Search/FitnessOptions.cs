using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;

namespace SnapViT.Search;

/// <summary>How far a sub-network's features are from the unpruned model's.</summary>
public enum FitnessLoss
{
    /// <summary><c>1 - mean cosine similarity</c>.</summary>
    Cosine,

    /// <summary>Mean squared error over all elements.</summary>
    MeanSquaredError,
}

/// <summary>What the search minimises (method of the paper, section 3.2).</summary>
public sealed record FitnessOptions
{
    /// <summary>
    /// The (MLP, head) ratios that every candidate is cut at; default the paper's four, (.15, 0) (.35, .2) (.55, .4) (.65, .5).
    /// </summary>
    public IReadOnlyList<PruningRatios> Ratios { get; init; } = [new(0.15, 0), new(0.35, 0.2), new(0.55, 0.4), new(0.65, 0.5)];

    /// <summary>
    /// Principal components of the unpruned model's features in which they are compared; default 192. No projection where D is not larger.
    /// </summary>
    public int PcaComponents { get; init; } = 192;

    /// <summary>Losses that are summed; default cosine alone.</summary>
    public IReadOnlyList<FitnessLoss> Losses { get; init; } = [FitnessLoss.Cosine];

    /// <summary>What every block keeps whatever the candidate; default the paper's floors.</summary>
    public KeepFloors Floors { get; init; } = new();

    /// <summary>Checks the options.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">No ratio, no loss or less than one component; the message lists all violations.</exception>
    public FitnessOptions Validated()
    {
        List<string> faults = [];
        if (Ratios.Count == 0)
        {
            faults.Add("expected at least one pair of ratios, found none");
        }

        if (Losses.Count == 0)
        {
            faults.Add("expected at least one loss, found none");
        }

        if (PcaComponents < 1)
        {
            faults.Add($"expected at least one PCA component, found {PcaComponents}");
        }

        return faults.Count == 0 ? this : throw new SnapViTException(ErrorKind.Option, $"fitness: {string.Join("; ", faults)}");
    }

    /// <summary>The options as they stand in the provenance.</summary>
    internal IEnumerable<KeyValuePair<string, string>> Describe() => new Dictionary<string, string>
    {
        ["ratios"] = string.Join(' ', Ratios),
        ["losses"] = string.Join(' ', Losses),
        ["pca_components"] = PcaComponents.ToString(CultureInfo.InvariantCulture),
        ["floors"] = string.Create(CultureInfo.InvariantCulture, $"{Floors[Axis.Neurons]} {Floors[Axis.Heads]}"),
    };
}
