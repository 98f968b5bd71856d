using System.Globalization;
using SnapViT.Correction;

namespace SnapViT.Cli.Commands;

/// <summary>A damping as it is written on the command line: what it is measured by and a share of it, <c>mean:0.01</c>.</summary>
internal static class DampingText
{
    private static readonly IReadOnlyDictionary<string, DampingKind> Kinds =
        Enum.GetValues<DampingKind>().ToDictionary(kind => kind.ToString().ToLowerInvariant());

    /// <summary>Writes one.</summary>
    public static string Of(Damping damping) => string.Create(CultureInfo.InvariantCulture, $"{damping.Kind.ToString().ToLowerInvariant()}:{damping.Share}");

    /// <summary>Reads one.</summary>
    /// <param name="option">The option's name, for the message.</param>
    /// <param name="text">What was given.</param>
    /// <exception cref="ArgumentException">It has another form, or the share is out of range.</exception>
    public static Damping Parse(string option, string text)
    {
        string[] parts = text.Split(':');
        return parts.Length == 2 && Kinds.TryGetValue(parts[0], out DampingKind kind)
            && double.TryParse(parts[1], CultureInfo.InvariantCulture, out double share) && share >= 0 && double.IsFinite(share)
            ? new Damping(kind, share)
            : throw new ArgumentException($"{option}: expected mean, max or percentile and a finite share of 0 or more, as in mean:0.01, found '{text}'");
    }
}
