using System.Globalization;

namespace SnapViT.Core.Planning;

/// <summary>Budgets as people write them. The one place that reads them.</summary>
internal static class BudgetText
{
    private const string OneOfAll = "a share kept such as 0.6, a figure such as 4.3G or 22M, or two removed ratios such as 0.45:0.3; other kinds by name, such as params=22M, size=40MB or latency=12ms";

    private static readonly (string Suffix, double Factor)[] Decimal = [("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)];

    // A suffix that ends another comes after it.
    private static readonly (string Suffix, double Factor)[] Bytes =
        [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1)];

    private static readonly (string Suffix, double Factor)[] Ticks =
        [("us", TimeSpan.TicksPerMicrosecond), ("ms", TimeSpan.TicksPerMillisecond), ("s", TimeSpan.TicksPerSecond)];

    private static readonly Dictionary<string, Func<string, Budget>> Kinds = new(StringComparer.OrdinalIgnoreCase)
    {
        ["flops"] = Flops, ["params"] = Parameters, ["size"] = FileSize, ["latency"] = Latency, ["ratios"] = Ratios,
    };

    public static Budget Any(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] named = text.Split('=', 2, StringSplitOptions.TrimEntries);
        if (named.Length == 2)
        {
            return Kinds.TryGetValue(named[0], out Func<string, Budget>? read)
                ? read(named[1])
                : throw new BudgetException($"budget '{text}': expected one of {string.Join(", ", Kinds.Keys)} before '=', found '{named[0]}'");
        }

        string[] pair = text.Split(':');
        return pair.Length == 2
            ? Budget.Ratios(Number(pair[0], text, OneOfAll), Number(pair[1], text, OneOfAll))
            : Amount(text, Decimal, Budget.Flops, Budget.AbsoluteFlops, OneOfAll);
    }

    public static Budget Flops(string text) => Amount(text, Decimal, Budget.Flops, Budget.AbsoluteFlops, "a share kept such as 0.6, or a figure such as 4.3G");

    public static Budget Parameters(string text) => Amount(text, Decimal, Budget.Parameters, Budget.AbsoluteParameters, "a share kept such as 0.6, or a figure such as 22M");

    public static Budget FileSize(string text) => Amount(text, Bytes, Budget.FileSize, Budget.AbsoluteFileSize, "a share kept such as 0.6, or a size such as 40MB or 38MiB");

    public static Budget Latency(string text) =>
        Amount(text, Ticks, Budget.Latency, ticks => Budget.AbsoluteLatency(TimeSpan.FromTicks(ticks)), "a share kept such as 0.6, or a time such as 12ms, 800us or 1.5s", most: 9e16);

    public static Budget Ratios(string text)
    {
        const string Expected = "two removed ratios such as 0.45:0.3";
        ArgumentNullException.ThrowIfNull(text);
        string[] pair = text.Split(':');
        return pair.Length == 2
            ? Budget.Ratios(Number(pair[0], text, Expected), Number(pair[1], text, Expected))
            : throw new BudgetException($"budget '{text}': expected {Expected}");
    }

    private static Budget Amount(
        string text, (string Suffix, double Factor)[] units, Func<double, Budget> share, Func<long, Budget> absolute, string expected, double most = 9e18)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        (string? suffix, double factor) = units.FirstOrDefault(unit => trimmed.EndsWith(unit.Suffix, StringComparison.OrdinalIgnoreCase));
        if (suffix is null)
        {
            return share(Number(trimmed, text, expected));
        }

        double amount = Number(trimmed[..^suffix.Length], text, expected) * factor;
        return amount > 0 && amount < most
            ? absolute((long)amount)
            : throw new BudgetException($"budget '{text}': expected a positive figure below {most.ToString("0e+0", CultureInfo.InvariantCulture).Replace("+", "", StringComparison.Ordinal)}");
    }

    private static double Number(string part, string text, string expected) =>
        double.TryParse(part, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out double number)
        && double.IsFinite(number)
            ? number
            : throw new BudgetException($"budget '{text}': expected {expected}");
}
