using SnapViT.Calibration;
using SnapViT.Correction;
using SnapViT.Importance;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary>Named sets of build options; single options override them.</summary>
internal static class BuildPreset
{
    public static string[] Names { get; } = ["recommended", "reference"];

    /// <summary>recommended: block curvature with correction, measured best in bench/results; reference: the paper's.</summary>
    public static BuildOptions Named(string name) => name switch
    {
        "reference" => new BuildOptions(),
        _ => new BuildOptions
        {
            Criterion = ScoreCriterion.Curvature,
            CalibrationViews = 8,
            WholeImageShare = 0.15,
            PrefixWeights = new PrefixWeights(BuildOptions.DefaultPrefixWeight, 1000),
            Correction = new CorrectionOptions(),
            FeatureShare = 0.2,
            KeepMoments = true,
            Evaluations = 0,
        },
    };
}
