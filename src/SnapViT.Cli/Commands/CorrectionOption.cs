using System.CommandLine;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary><c>--correction</c>: whether and how the layers that lost inputs are re-fitted.</summary>
internal sealed class CorrectionOption
{
    private const string Auto = "auto", None = "none", SparseGpt = "sparsegpt", Affine = "affine", Sequential = "sequential";
    private const int MostPhotos = 256;
    private const int PhotosPerBatch = 16;

    /// <param name="offersSequential">Whether sub-networks may be fitted to photos.</param>
    public CorrectionOption(bool offersSequential)
    {
        Correction = new("--correction")
        {
            Description = "Re-fits the layers that lost inputs, from the second moments in the scores file. sparsegpt: least squares, as the reference; affine: with intercept. auto: affine where the file has moments."
                + (offersSequential ? $" sequential: block after block from the sub-network's own inputs on photos (--images), at most {MostPhotos}; needs no moments." : ""),
            DefaultValueFactory = _ => Auto,
        };
        Correction.AcceptOnlyFromAmong(offersSequential ? [Auto, None, SparseGpt, Affine, Sequential] : [Auto, None, SparseGpt, Affine]);
    }

    private Option<string> Correction { get; }

    private Option<string> Ridge { get; } = new("--damping")
    {
        Description = "What holds corrected weights near the original ones: mean, max or percentile of the second moments' diagonal, and a share of it.",
        DefaultValueFactory = _ => DampingText.Of(new Damping()),
    };

    public void AddTo(Command command)
    {
        command.Options.Add(Correction);
        command.Options.Add(Ridge);
    }

    /// <summary>The correction from second moments, or the start of the sequential one; null for none.</summary>
    public CorrectionOptions? Choose(ParseResult parsed, ElasticScores? scores) => Name(parsed, scores) switch
    {
        Affine => new CorrectionOptions { Damping = DampingOf(parsed) },
        SparseGpt => new CorrectionOptions { Mode = CorrectionMode.SparseGpt, Damping = DampingOf(parsed) },
        Sequential when scores?.Moments is not null => new CorrectionOptions { Damping = DampingOf(parsed) },
        _ => null,
    };

    /// <summary>The correction in words, for people and provenance.</summary>
    public string Describe(ParseResult parsed, ElasticScores scores) => Name(parsed, scores) switch
    {
        None => None,
        Sequential when scores.Moments is null => $"{Sequential} from the uncorrected sub-network",
        Sequential => $"{Sequential} from {Affine}, damping {parsed.GetRequiredValue(Ridge)}",
        string name => $"{name}, damping {parsed.GetRequiredValue(Ridge)}",
    };

    /// <summary>Fails in one line where photos are needed and none are named.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="photos">The folder of <c>--images</c>; null where it was not given.</param>
    public void RequirePhotos(ParseResult parsed, string? photos)
    {
        if (IsSequential(parsed) && photos is null)
        {
            throw new ArgumentException("--correction sequential: expected --images DIR with it, the photos that layers are fitted on; found none");
        }
    }

    /// <summary>Whether sub-networks are fitted to photos.</summary>
    public bool IsSequential(ParseResult parsed) => parsed.GetRequiredValue(Correction) == Sequential;

    /// <summary>The correction by photos; null where it was not asked for.</summary>
    public PhotoCorrection? ByPhotos(ParseResult parsed, string? photos, LoadedModel model, Preprocessing preprocessing, IProgress<WorkProgress>? progress) => IsSequential(parsed)
        ? new PhotoCorrection(model, ImageSet.FromFolder(photos!).Sample(MostPhotos, parsed.GetValue(GlobalOptions.Seed)), preprocessing, PhotosPerBatch, progress)
        : null;

    private string Name(ParseResult parsed, ElasticScores? scores) => parsed.GetRequiredValue(Correction) switch
    {
        Auto => scores?.Moments is null ? None : Affine,
        string name => name,
    };

    private Damping DampingOf(ParseResult parsed) => DampingText.Parse(Ridge.Name, parsed.GetRequiredValue(Ridge));
}
