using System.CommandLine;
using SnapViT.Core.Errors;
using SnapViT.Correction;

namespace SnapViT.Cli.Commands;

/// <summary><c>--correction</c>: whether and how the layers that lost inputs are re-fitted.</summary>
internal sealed class CorrectionOption
{
    private const string Auto = "auto", None = "none", SparseGpt = "sparsegpt", Affine = "affine", Sequential = "sequential";

    /// <param name="offersSequential">Whether sub-networks may be fitted to photos.</param>
    public CorrectionOption(bool offersSequential)
    {
        Correction = new("--correction")
        {
            Description = "Re-fits the layers that lost inputs, from the second moments in the scores file. "
                + "sparsegpt: least squares, as the reference; affine: with intercept. auto: affine where the file has moments."
                + (offersSequential
                    ? " sequential: block after block from the sub-network's own inputs on photos (--images), at most 256; "
                        + "needs no moments."
                    : ""),
            DefaultValueFactory = _ => Auto,
        };
        Correction.AcceptOnlyFromAmong(offersSequential ? [Auto, None, SparseGpt, Affine, Sequential] : [Auto, None, SparseGpt, Affine]);
    }

    private Option<string> Correction { get; }

    private Option<string> Ridge { get; } = new("--damping")
    {
        Description = "What holds corrected weights near the original ones: mean, max or percentile of the second moments' diagonal, "
            + "and a share of it.",
        DefaultValueFactory = _ => new Damping().ToText(),
    };

    public void AddTo(Command command)
    {
        command.Options.Add(Correction);
        command.Options.Add(Ridge);
    }

    /// <summary>The correction from second moments, or the start of the sequential one; null for none.</summary>
    public CorrectionOptions? Read(ParseResult parsed) => parsed.GetRequiredValue(Correction) switch
    {
        None => null,
        Affine => new CorrectionOptions { Damping = DampingOf(parsed) },
        SparseGpt => new CorrectionOptions { Mode = CorrectionMode.SparseGpt, Damping = DampingOf(parsed) },
        _ => CorrectionOptions.Automatic with { Damping = DampingOf(parsed) },
    };

    /// <summary>Fails in one line, before any work, where options are wrong or contradict each other.</summary>
    public void Require(ParseResult parsed)
    {
        DampingOf(parsed);
        if (GlobalOptions.IsGiven(parsed, Ridge) && parsed.GetRequiredValue(Correction) == None)
        {
            throw new SnapViTException(ErrorKind.Option, $"{Ridge.Name}: expected a correction with it, found {Correction.Name} {None}");
        }
    }

    /// <summary>The same, and fails where photos are needed and none are named.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="photos">The folder of <c>--images</c>; null where it was not given.</param>
    public void Require(ParseResult parsed, string? photos)
    {
        Require(parsed);
        if (IsSequential(parsed) && photos is null)
        {
            throw new SnapViTException(
                ErrorKind.Option,
                "--correction sequential: expected --images DIR with it, the photos that layers are fitted on; found none");
        }
    }

    /// <summary>Whether sub-networks are fitted to photos.</summary>
    public bool IsSequential(ParseResult parsed) => parsed.GetRequiredValue(Correction) == Sequential;

    /// <summary>The options themselves, for verbs where they need others.</summary>
    public IReadOnlyList<Option> Options => [Correction, Ridge];

    private Damping DampingOf(ParseResult parsed) => Damping.Parse(parsed.GetRequiredValue(Ridge), Ridge.Name);
}
