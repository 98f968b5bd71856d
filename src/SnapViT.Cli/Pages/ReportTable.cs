using System.Globalization;
using System.Text;
using SnapViT.Cli.Output;

namespace SnapViT.Cli.Pages;

/// <summary>All sub-networks of a report as a table: for a page, to copy, and as a file.</summary>
internal sealed class ReportTable
{
    private static readonly string[] Bounds = ["", "_low", "_high"];

    private readonly List<(ReportModel Model, ReportLine? Line, ReportRow Row)> _rows = [];

    /// <summary>The sub-networks of some models.</summary>
    public ReportTable(IReadOnlyList<ReportModel> models)
    {
        foreach (ReportModel model in models)
        {
            if (model.Whole is ReportRow whole)
            {
                _rows.Add((model, null, whole));
            }

            _rows.AddRange(model.Lines.SelectMany(line => line.Rows.Select(row => (model, (ReportLine?)line, row))));
        }

        Metrics = [.. ReportModel.Metrics.Where(metric => _rows.Any(row => row.Row.Accuracy.ContainsKey(metric.Key)))];
        HasLatency = _rows.Any(row => row.Row.LatencyMs is not null);
        HasSpeed = _rows.Any(row => row.Row.Speed is not null);
    }

    private IReadOnlyList<(string Key, string Label)> Metrics { get; }

    private bool HasLatency { get; }

    private bool HasSpeed { get; }

    /// <summary>Names of the columns for people.</summary>
    public IReadOnlyList<string> Columns =>
    [
        "way", "FLOPs kept", .. Metrics.Select(metric => metric.Label), "parameters", "FLOPs",
        .. HasLatency ? ["latency"] : Array.Empty<string>(), .. HasSpeed ? ["images/s"] : Array.Empty<string>(),
    ];

    /// <summary>The rows for people, a figure and its interval apart, and whether a row is a baseline.</summary>
    public IEnumerable<(bool IsBaseline, IReadOnlyList<(string Figure, string? Interval)> Cells)> Rows => _rows.Select(entry =>
    {
        (ReportModel model, ReportLine? line, ReportRow row) = entry;
        return (line?.IsBaseline == true, (IReadOnlyList<(string, string?)>)
        [
            (line?.Name ?? "whole model", null),
            (line is null ? "100 %" : Figures.Percent(model.FlopShare(row)), null),
            .. Metrics.Select(metric => row.Accuracy.TryGetValue(metric.Key, out Interval? value)
                ? (Figures.Percent(value.Value), Range(value, bound => Percent(bound))) : ("-", null)),
            (Figures.Count((long)row.Parameters), null),
            (Figures.Count((long)row.Flops), null),
            .. HasLatency
                ? [(row.LatencyMs is double ms ? Figures.Invariant($"{ms:0.00} ms") : "-", null)] : Array.Empty<(string, string?)>(),
            .. HasSpeed
                ? [row.Speed is Interval speed
                    ? (Figures.Invariant($"{speed.Value:0}"), Range(speed, bound => Figures.Invariant($"{bound:0}"))) : ("-", null)]
                : Array.Empty<(string, string?)>(),
        ]);
    });

    /// <summary>The table as Markdown.</summary>
    public string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append("| ").AppendJoin(" | ", Columns).Append(" |\n|").Insert(text.Length, "---|", Columns.Count).Append('\n');
        foreach ((_, IReadOnlyList<(string Figure, string? Interval)> cells) in Rows)
        {
            text.Append("| ").AppendJoin(
                " | ", cells.Select(cell => cell.Interval is null ? cell.Figure : $"{cell.Figure} ({cell.Interval})")).Append(" |\n");
        }

        return text.ToString();
    }

    /// <summary>The table as comma-separated values, in full precision: shares are 0..1.</summary>
    public string ToCsv()
    {
        StringBuilder text = new("model,way,baseline,budget,flops,flops_kept,parameters,parameters_kept,latency_ms");
        foreach (string name in Metrics.Select(metric => metric.Key).Append("images_per_second"))
        {
            text.Append(',').AppendJoin(',', Bounds.Select(bound => name + bound));
        }

        text.Append('\n');
        foreach ((ReportModel model, ReportLine? line, ReportRow row) in _rows)
        {
            IEnumerable<string> cells =
            [
                Quoted(model.Name), Quoted(line?.Name ?? "whole model"), line?.IsBaseline == true ? "1" : "0", Quoted(row.Budget ?? "1"),
                Number(row.Flops), Number(model.FlopShare(row)), Number(row.Parameters), Number(model.ParameterShare(row)),
                Number(row.LatencyMs),
                .. Metrics.Select(metric => row.Accuracy.GetValueOrDefault(metric.Key)).Append(row.Speed)
                    .SelectMany(value => new[] { Number(value?.Value), Number(value?.Low), Number(value?.High) }),
            ];
            text.AppendJoin(',', cells).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>An interval in words; null for none.</summary>
    public static string? Range(Interval interval, Func<double, string> text) =>
        interval is { Low: double low, High: double high } ? $"{text(low)} to {text(high)}" : null;

    /// <summary>A share as a percentage without its sign.</summary>
    public static string Percent(double share) => Figures.Invariant($"{100 * share:0.0}");

    private static string Number(double? value) => value is double number ? number.ToString("G9", CultureInfo.InvariantCulture) : "";

    private static string Quoted(string text) => text.AsSpan().ContainsAny(",\"\n\r")
        ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
