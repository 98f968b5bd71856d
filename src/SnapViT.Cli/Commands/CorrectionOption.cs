using System.CommandLine;
using SnapViT.Core.Scores;
using SnapViT.Correction;

namespace SnapViT.Cli.Commands;

/// <summary><c>--correction</c>: whether and how the layers that lost inputs are re-fitted.</summary>
internal sealed class CorrectionOption
{
    public CorrectionOption() => Option.AcceptOnlyFromAmong("auto", "none", "sparsegpt", "affine");

    public Option<string> Option { get; } = new("--correction")
    {
        Description = "Re-fits the layers that lost inputs, from the second moments in the scores file. sparsegpt: least squares, as the reference; affine: with intercept. auto: affine where the file has moments.",
        DefaultValueFactory = _ => "auto",
    };

    /// <summary>The correction asked for; null for none.</summary>
    public CorrectionOptions? Choose(ParseResult parsed, ElasticScores? scores) => parsed.GetRequiredValue(Option) switch
    {
        "affine" => new CorrectionOptions(),
        "sparsegpt" => new CorrectionOptions { Mode = CorrectionMode.SparseGpt },
        "auto" when scores?.Moments is not null => new CorrectionOptions(),
        _ => null,
    };
}
