using System.Globalization;
using System.Text;
using SnapViT.Cli.Output;
using SnapViT.Cli.Pages;
using Spectre.Console;

namespace SnapViT.Cli.Roofline;

/// <summary>The figures of a benchmark as text, JSON, Markdown, and a picture.</summary>
/// <param name="machine">What they were measured on.</param>
/// <param name="limits">The machine's limits, measured to the end.</param>
/// <param name="rows">What was measured.</param>
internal sealed class RooflineReport(string machine, MachineLimits limits, IReadOnlyList<StageRow> rows)
{
    private const double Giga = 1e9;

    private static readonly string[] Columns = ["case", "of the limit", "limit", "images/s", "time", "median", "peak memory", ""];

    /// <summary>Text and JSON.</summary>
    /// <param name="files">Files that were written beside.</param>
    public Report ToReport(IReadOnlyList<string> files) => new(
        new
        {
            Machine = machine,
            Limits = limits.Best.Select(limit => new
            {
                Name = NameOf(limit.Key),
                Unit = UnitOf(limit.Key),
                PerSecond = limit.Value,
                Of = limits.Products.FirstOrDefault(product => product.Kind == limit.Key).Size,
            }),
            Rows = rows.Select(row => new
            {
                row.Stage,
                row.Case,
                row.Share,
                Limit = row.Limit == LimitKind.None ? null : NameOf(row.Limit),
                LimitPerSecond = row.Limit == LimitKind.None ? (double?)null : row.LimitRate,
                Work = row.Limit == LimitKind.None ? (double?)null : row.Work,
                row.Images,
                row.ImagesPerSecond,
                row.Seconds,
                row.MedianSeconds,
                row.Runs,
                row.PeakBytes,
                row.Note,
            }),
            Files = files,
        },
        console =>
        {
            console.WriteLine(machine);
            foreach (string line in Limits())
            {
                console.WriteLine(line);
            }

            Table table = Report.Table(Columns);
            foreach (StageRow row in rows)
            {
                table.AddRow([.. Cells(row).Select(cell => cell.EscapeMarkup())]);
            }

            console.Write(table);
            foreach (string file in files)
            {
                console.WriteLine($"wrote {file}");
            }
        });

    /// <summary>A table with what it was measured on.</summary>
    public string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{machine}\n\n");
        foreach (string line in Limits())
        {
            text.Append(CultureInfo.InvariantCulture, $"- {line}\n");
        }

        string rule = string.Concat(Columns.Select((_, column) => column < 1 ? "---|" : "---:|"));
        text.Append(CultureInfo.InvariantCulture, $"\n| {string.Join(" | ", Columns)} |\n|{rule}\n");
        foreach (StageRow row in rows)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", Cells(row))} |\n");
        }

        return text.ToString();
    }

    /// <summary>Shares of the limits as bars.</summary>
    public Drawing Chart() => Charts.Bars(
        "share of the machine's limit",
        [
            .. rows.Where(row => row.Share is not null)
                .Select(row => new ChartBar($"{row.Stage}: {row.Case}", row.Share!.Value, (int)row.Limit)),
        ],
        [.. limits.Best.Keys.Select(kind => ((int)kind, NameOf(kind)))]);

    private IEnumerable<string> Limits() => limits.Best.Select(limit =>
        Figures.Invariant($"{NameOf(limit.Key)}: {limit.Value / Giga:0} {UnitOf(limit.Key)}")
        + (limits.Products.FirstOrDefault(product => product.Kind == limit.Key).Size is string size ? $", {size}" : ""));

    private static string[] Cells(StageRow row) =>
    [
        $"{row.Stage}: {row.Case}", Figures.Percent(row.Share), row.Limit == LimitKind.None ? "-" : NameOf(row.Limit),
        row.ImagesPerSecond is double speed ? Figures.Invariant($"{speed:0.0}") : "-", Time(row.Seconds), Time(row.MedianSeconds),
        Figures.Bytes(row.PeakBytes), row.Note ?? "",
    ];

    private static string Time(double seconds) => seconds switch
    {
        < 1e-3 => Figures.Invariant($"{1e6 * seconds:0} us"),
        < 1 => Figures.Invariant($"{1e3 * seconds:0.0} ms"),
        _ => Figures.Invariant($"{seconds:0.00} s"),
    };

    private static string NameOf(LimitKind kind) => kind switch
    {
        LimitKind.GemmFp32 => "fp32 products",
        LimitKind.GemmBf16 => "bf16 products",
        LimitKind.Memory => "memory",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "no limit"),
    };

    private static string UnitOf(LimitKind kind) => kind == LimitKind.Memory ? "GB/s" : "GFLOP/s";
}
