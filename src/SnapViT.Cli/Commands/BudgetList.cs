using SnapViT.Core.Planning;

namespace SnapViT.Cli.Commands;

/// <summary>The text of <c>--budgets</c>: several budgets, of any kinds, with commas between them.</summary>
internal static class BudgetList
{
    /// <summary>What an option that takes such a text says about it.</summary>
    public const string Says = "Comma-separated budgets: a share of the FLOPs kept (0.6), FLOPs (4.3G), two removed ratios (0.45:0.3), "
        + "or any kind by name (params=22M, size=40MB, latency=12ms).";

    /// <summary>A budget of a list as the option for one and its value: <c>--flops 0.6</c>, <c>--ratios 0.45:0.3</c>.</summary>
    public static string[] AsOption(string text)
    {
        string[] named = text.Split('=', 2, StringSplitOptions.TrimEntries);
        string kind = named.Length == 2 ? named[0].ToLowerInvariant() : text.Contains(':', StringComparison.Ordinal) ? "ratios" : "flops";
        return [$"--{kind}", named[^1]];
    }

    /// <summary>The budgets, each with its text.</summary>
    /// <exception cref="BudgetException">One of them is not well formed.</exception>
    public static (string Text, Budget Budget)[] Read(string text) =>
        [.. text.Split(',', StringSplitOptions.TrimEntries).Select(part => (part, Budget.Parse(part)))];
}
