using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using static System.FormattableString;
using static TorchSharp.torch;

namespace SnapViT.Correction;

/// <summary>How the layers whose inputs were pruned are re-fitted to what they gave before.</summary>
public enum CorrectionMode
{
    /// <summary>Least squares on what the inputs are, without intercept: the reference's elastic SparseGPT.</summary>
    SparseGpt,

    /// <summary>Least squares with intercept: the mean of what was removed moves into the bias.</summary>
    Affine,
}

/// <summary>Options of the correction.</summary>
public sealed record CorrectionOptions
{
    /// <summary>Fewer tokens than this for every input made sub-networks of DeiT-Ti worse (bench/results/few-photos.md).</summary>
    private const int TokensPerInput = 4;

    /// <summary>What is fitted; default affine.</summary>
    public CorrectionMode Mode { get; init; } = CorrectionMode.Affine;

    /// <summary>Ridge toward the original weights; default 1 % of the mean.</summary>
    public Damping Damping { get; init; } = new();

    /// <summary>
    /// Precision in which factors are kept and every budget is solved, float32 or float64; default float32: half of the memory and time,
    /// and weights within 1e-5 of their largest of those in float64. Moments are summed and factored in float64 whatever this says.
    /// </summary>
    public ScalarType Precision { get; init; } = ScalarType.Float32;

    /// <summary>Whether scores without second moments are cut without correction; else they are refused. Default refused.</summary>
    public bool Optional { get; init; }

    /// <summary>The default of a model that is opened: affine where the scores hold second moments, else none.</summary>
    public static CorrectionOptions Automatic { get; } = new() { Optional = true };

    /// <summary>Checks the options.</summary>
    /// <exception cref="SnapViTException">The damping is out of range, or the precision another.</exception>
    public CorrectionOptions Validated() => Precision is ScalarType.Float32 or ScalarType.Float64
        ? this with { Damping = Damping.Validated() }
        : throw new SnapViTException(ErrorKind.Option, $"correction: expected the precision float32 or float64, found {Precision}");

    /// <summary>Why a correction by second moments of few tokens is in doubt, in one sentence; null where they are enough.</summary>
    /// <param name="moments">Second moments that layers are fitted by.</param>
    /// <param name="tokens">Tokens of an image, N.</param>
    internal static string? Doubt(StoredMoments moments, int tokens)
    {
        int inputs = Math.Max(moments.ProjWidth, moments.Fc2Width);
        long found = moments.Images * tokens, expected = (long)TokensPerInput * inputs;
        long images = (expected + tokens - 1) / tokens;
        return found >= expected
            ? null
            : Invariant($"correction: fitted on {found} tokens ({moments.Images} calibration images, every view counted) ")
                + Invariant($"for layers of {inputs} inputs; with fewer than {TokensPerInput} tokens an input, ")
                + "corrected sub-networks were measured worse than uncorrected ones: "
                + Invariant($"take at least {images} images, or no correction");
    }

    /// <summary>The options in one phrase, such as <c>affine, damping 0.01 of the mean</c>.</summary>
    public override string ToString() => $"{Mode.ToString().ToLowerInvariant()}, damping {Damping}";
}
