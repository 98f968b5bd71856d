using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;

namespace SnapViT.Cli.Output;

/// <summary>
/// What was removed of every axis, as people and programs read it. Text names neurons and heads always, another axis where something of it
/// was removed.
/// </summary>
internal static class RemovedShares
{
    /// <summary>The share of every axis by its name, such as <c>query_key_dims</c>.</summary>
    public static IReadOnlyDictionary<string, double> Json(PruningRatios removed) =>
        AxisTable.Rows.ToDictionary(row => JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Key), row => removed[row.Axis]);

    /// <summary>The axes that a table of sub-networks has a column for.</summary>
    public static IReadOnlyList<AxisFacts> Columns(IEnumerable<PruningRatios> rows)
    {
        PruningRatios[] all = [.. rows];
        return [.. AxisTable.InPaperOrder, .. AxisTable.Rows.Where(row => !row.IsScored && all.Any(removed => removed[row.Axis] > 0))];
    }

    /// <summary>What was removed of one model in words, such as <c>45.0 % of the neurons</c>.</summary>
    public static IEnumerable<string> Words(PruningRatios removed) =>
        Columns([removed]).Select(row => $"{Figures.Percent(removed[row.Axis])} of the {row.Label}");
}
