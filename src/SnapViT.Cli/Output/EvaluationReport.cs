using SnapViT.Core.Architecture;
using SnapViT.Data;
using SnapViT.Workflows;
using Spectre.Console;
using static TorchSharp.torch;

namespace SnapViT.Cli.Output;

/// <summary>What was measured of one sub-network.</summary>
/// <param name="Budget">What it was cut to, as <c>--budgets</c> takes it; null for a model that was not cut here.</param>
/// <param name="LatencyMs">What the latency table says of it; null without a table.</param>
/// <param name="Figures">What it costs and is worth.</param>
internal sealed record MeasuredRow(string? Budget, double? LatencyMs, EvaluationRow Figures)
{
    /// <summary>What every block keeps.</summary>
    public SubnetWidths? Widths { get; init; }

    /// <summary>Distance from the whole model by the frontier; null where the plan is not of one.</summary>
    public double? Distance { get; init; }

    /// <summary>What of single images and batches is told; null for nothing.</summary>
    public RowFacts? Facts { get; init; }
}

/// <summary>One way of cutting, over all budgets.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Meaning">What is cut and by what.</param>
/// <param name="IsBaseline">Whether others are compared with it.</param>
/// <param name="Rows">What was measured.</param>
internal sealed record MeasuredLine(string Name, string Meaning, bool IsBaseline, IReadOnlyList<MeasuredRow> Rows);

/// <summary>A row per sub-network.</summary>
internal static class EvaluationReport
{
    public static Report Of(
        RunRecord run,
        Preprocessing preprocessing,
        ScalarType precision,
        int batch,
        MeasuredRow? unpruned,
        IReadOnlyList<MeasuredRow> rows,
        IReadOnlyList<MeasuredLine> baselines,
        ModelEvaluation evaluation,
        IReadOnlyList<object> leftOut) => new(
        new
        {
            Run = run,
            Preprocessing = preprocessing.Describe(),
            Precision = PrecisionName(precision),
            Batch = batch,
            Unpruned = (unpruned ?? rows.FirstOrDefault(row => IsWhole(row.Figures))) is { } whole ? Row(whole) : null,
            Rows = rows.Select(Row),
            Baselines = baselines.Count > 0 ? baselines.Select(Line) : null,
            evaluation.Notes,
            evaluation.Skipped,
            LeftOut = leftOut,
        },
        console =>
        {
            console.WriteLine($"preprocessing: {preprocessing.Describe()}");
            console.Write(Table(unpruned is null ? rows : [unpruned, .. rows]));
            foreach (MeasuredLine line in baselines)
            {
                console.WriteLine($"{line.Name}: {line.Meaning}");
                console.Write(Table(line.Rows));
            }

            EvaluationRow first = (unpruned ?? rows[0]).Figures;
            string neighbours = first.KnnImages is int counted ? Figures.Invariant($", k-NN on {counted} of them") : "";
            console.WriteLine(Figures.Invariant($"measured on {first.Images} test images{neighbours}; ")
                + Figures.Invariant($"images/s: the forward pass in batches of {batch}, {PrecisionName(precision)}"));
            foreach (string note in evaluation.Notes)
            {
                console.WriteLine(note);
            }

            if (rows.All(row => row.Figures.Knn is null))
            {
                console.WriteLine("k-NN -: needs labelled training images, --train DIR");
            }

            foreach (SkippedImage file in evaluation.Skipped)
            {
                console.WriteLine($"skipped {file.Name}: {file.Reason}");
            }
        });

    private static string PrecisionName(ScalarType precision) => precision == ScalarType.BFloat16 ? "bf16" : "fp32";

    private static Table Table(IReadOnlyList<MeasuredRow> rows)
    {
        bool hasTop5 = rows.Any(row => row.Figures.Top5 is not null);
        string[] accuracies = hasTop5 ? ["top-1", "top-5", "k-NN"] : ["top-1", "k-NN"];
        IReadOnlyList<AxisFacts> axes = RemovedShares.Columns(rows.Select(row => row.Figures.Removed));
        Table table = Report.Table(
            ["budget", .. axes.Select(axis => $"{axis.Label} removed"), "parameters", "FLOPs", .. accuracies, "images/s"]);
        foreach ((string? budget, _, EvaluationRow row) in rows)
        {
            string[] measured = [.. (hasTop5 ? [row.Top1, row.Top5, row.Knn] : new[] { row.Top1, row.Knn }).Select(Figures.Percent)];
            table.AddRow(
            [
                budget ?? (IsWhole(row) ? "whole model" : "this model"),
                .. axes.Select(axis => Figures.Percent(row.Removed[axis.Axis])),
                Figures.Count(row.Parameters), Figures.Count(row.Flops),
                .. measured, Figures.Invariant($"{row.ImagesPerSecond:0.0}"),
            ]);
        }

        return table;
    }

    private static bool IsWhole(EvaluationRow row) => AxisTable.Rows.All(axis => row.Removed[axis.Axis] == 0);

    /// <summary>A way of cutting as JSON.</summary>
    public static object Line(MeasuredLine line) => new
    {
        line.Name,
        line.Meaning,
        Baseline = line.IsBaseline,
        Rows = line.Rows.Select(Row),
    };

    /// <summary>A row as JSON.</summary>
    public static object Row(MeasuredRow measured)
    {
        EvaluationRow row = measured.Figures;
        return new
        {
            measured.Budget,
            Removed = RemovedShares.Json(row.Removed),
            measured.LatencyMs,
            row.Parameters,
            row.Flops,
            row.Top1,
            row.Top5,
            row.Knn,
            ImagesPerSecond = measured.Facts?.Speed?.Median ?? row.ImagesPerSecond,
            ImagesPerSecondInterval = measured.Facts?.Speed is { } speed ? new[] { speed.Low, speed.High } : null,
            row.Images,
            row.KnnImages,
            measured.Distance,
            MostChanged = measured.Facts?.Farthest is { Count: > 0 } farthest ? farthest : null,
            Blocks = measured.Widths,
        };
    }
}
