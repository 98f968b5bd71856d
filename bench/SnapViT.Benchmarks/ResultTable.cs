using System.Globalization;
using System.Text;

namespace SnapViT.Benchmarks;

/// <summary>One measured case. The ratio is of two times measured in the same run, so that it survives a change of machine.</summary>
/// <param name="Case">What was measured.</param>
/// <param name="Ratio">The figure to compare between runs.</param>
/// <param name="RatioOf">What is divided by what.</param>
/// <param name="Target">The figure asked for and whether it was met; empty when none was asked for.</param>
/// <param name="Absolute">Times and rates on this machine.</param>
internal sealed record ResultRow(string Case, double Ratio, string RatioOf, string Target, string Absolute);

/// <summary>A figure asked for.</summary>
internal static class Target
{
    public static string AtLeast(double asked, double found) => Verdict($"at least {asked:0.##}", found >= asked);

    public static string AtMost(double asked, double found, string unit = "") => Verdict($"at most {asked:0.##}{unit}", found <= asked);

    private static string Verdict(string asked, bool met) => $"{asked}: {(met ? "met" : "**missed**")}";
}

/// <summary>Results as one markdown table.</summary>
internal sealed class ResultTable
{
    private const string Header = "| Benchmark | Ratio | Ratio of | Target | Case | Absolute |\n|---|---:|---|---|---|---|\n";

    private readonly StringBuilder _rows = new();

    /// <summary>Adds a row and returns its line of the table.</summary>
    public string Add(string benchmark, ResultRow row)
    {
        string ratio = row.Ratio.ToString(row.Ratio < 0.1 ? "0.0000" : "0.00", CultureInfo.InvariantCulture);
        string line = $"| {benchmark} | {ratio} | {row.RatioOf} | {row.Target} | {row.Case} | {row.Absolute} |";
        _rows.Append(line).Append('\n');
        return line;
    }

    /// <summary>The whole document: where and how it was measured, then the table.</summary>
    public string ToMarkdown(string machine, string command) =>
        $"# Speed\n\n{machine}  \nCommand: `{command}`\n\n"
        + $"Figures are the best of {Measure.Runs} runs after a warm-up, or median and worst of many where the row says so. GEMM is a plain `F.linear`\n"
        + "of the size and precision of the workload's, timed in turn with it; so are the forwards that others are compared with. Ratios carry over to other machines; absolute figures do not.\n\n"
        + Header + _rows;
}
