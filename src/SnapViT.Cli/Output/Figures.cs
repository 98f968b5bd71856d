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

    /// <summary>79.6 % or a dash.</summary>
    public static string Percent(double? share) => share is double value ? Invariant($"{100 * value:0.0} %") : "-";

    public static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
