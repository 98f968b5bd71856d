using System.Globalization;

namespace SnapViT.Cli.Output;

/// <summary>Numbers as people read them.</summary>
internal static class Figures
{
    /// <summary>22.1 M and the like.</summary>
    public static string Count(long value) => value switch
    {
        >= 1_000_000_000 => Invariant($"{value / 1e9:0.00} G"),
        >= 1_000_000 => Invariant($"{value / 1e6:0.00} M"),
        >= 10_000 => Invariant($"{value / 1e3:0.0} k"),
        _ => Invariant($"{value}"),
    };

    /// <summary>Bytes in units of 1000: 950 B, 3.0 kB, 13.66 MB.</summary>
    public static string Bytes(double value) => value switch
    {
        >= 1e9 => Invariant($"{value / 1e9:0.00} GB"),
        >= 1e6 => Invariant($"{value / 1e6:0.00} MB"),
        >= 1e3 => Invariant($"{value / 1e3:0.0} kB"),
        _ => Invariant($"{value:0} B"),
    };

    /// <summary>79.6 % or a dash.</summary>
    public static string Percent(double? share) => share is double value ? Invariant($"{100 * value:0.0} %") : "-";

    /// <summary>79 %.</summary>
    public static string Percent(double share, int digits) =>
        (100 * share).ToString($"F{digits}", CultureInfo.InvariantCulture) + " %";

    /// <summary>Time in the two units that matter: 45 s, 2 min 30 s, 1 h 20 min.</summary>
    public static string Duration(TimeSpan time)
    {
        long seconds = (long)Math.Ceiling(time.TotalSeconds), tens = (seconds + 5) / 10 * 10, minutes = (seconds + 30) / 60;
        return seconds < 60 ? Invariant($"{seconds} s")
            : tens < 600 ? Invariant($"{tens / 60} min{(tens % 60 == 0 ? "" : Invariant($" {tens % 60} s"))}")
            : minutes < 60 ? Invariant($"{minutes} min")
            : Invariant($"{minutes / 60} h{(minutes % 60 == 0 ? "" : Invariant($" {minutes % 60} min"))}");
    }

    public static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
