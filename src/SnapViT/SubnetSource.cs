using System.Globalization;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT;

/// <summary>
/// What every sub-network of a model has in common: how images are prepared for it, and what its files say about where it comes from.
/// </summary>
/// <param name="Model">Name of the model's file, without its folder.</param>
/// <param name="Sha256">SHA-256 of the model's file, lower-case hexadecimal.</param>
/// <param name="Provenance">Options, seeds and hashes of the scores.</param>
/// <param name="Preprocessing">How images become the model's input.</param>
internal sealed record SubnetSource(
    string Model, string Sha256, IReadOnlyDictionary<string, string> Provenance, Preprocessing Preprocessing)
{
    /// <summary>Names of the model's classes; empty where they are not known.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>The words for no correction.</summary>
    public const string Uncorrected = "none";

    /// <summary>A correction from second moments in words, such as <c>affine, damping mean:0.01</c>.</summary>
    public static string Describe(CorrectionOptions? correction) =>
        correction is null ? Uncorrected : $"{correction.Mode.ToString().ToLowerInvariant()}, damping {correction.Damping.ToText()}";

    /// <summary>The correction block after block on photos, from what it starts with, in words.</summary>
    public static string DescribeSequential(string start) =>
        $"sequential from {(start == Uncorrected ? "the uncorrected sub-network" : start)}";

    /// <summary>The rotary pairs of every block in the order of the elastic model's; null where they lie as published.</summary>
    public IReadOnlyList<IReadOnlyList<int>>? RotaryPairs { get; init; }

    /// <summary>What a sub-network that is cut to a plan will say about itself.</summary>
    /// <inheritdoc cref="Config(SubnetPlan, string, IReadOnlyList{IReadOnlyList{int}})"/>
    public ModelConfig Config(SubnetPlan plan, string correction) =>
        Config(plan, correction, RotarySpec.IsWhole(plan.Architecture, plan.Widths) ? null : RotaryPairs);

    /// <summary>What a sub-network says about itself in every format it is written in.</summary>
    /// <param name="plan">What it keeps.</param>
    /// <param name="correction">How it was corrected, in words; part of a written file and so of its bytes.</param>
    /// <param name="rotaryPairs">The rotary pairs of its blocks; null where they lie as published.</param>
    public ModelConfig Config(SubnetPlan plan, string correction, IReadOnlyList<IReadOnlyList<int>>? rotaryPairs) => ModelConfig.Of(
        plan.Architecture, plan.Widths, rotaryPairs) with
    {
        Preprocessing = Preprocessing,
        ClassNames = ClassNames.Count > 0 ? ClassNames : null,
        Provenance = new SortedDictionary<string, string>(Provenance.ToDictionary(), StringComparer.Ordinal)
        {
            [ElasticScores.ModelHash] = Sha256,
            ["model"] = Model,
            ["removed"] = plan.Removed.ToString(),
            ["cut_correction"] = correction,
            ["parameters"] = plan.Parameters.ToString(CultureInfo.InvariantCulture),
            ["flops"] = plan.Flops.ToString(CultureInfo.InvariantCulture),
        },
    };
}
