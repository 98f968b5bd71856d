using System.Diagnostics;
using SnapViT.Core.Architecture;
using SnapViT.Data;
using SnapViT.Evaluation;
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
        int? scoredTestImages,
        IReadOnlyList<object> leftOut,
        bool perClass) => new(
        new
        {
            Run = run,
            Preprocessing = preprocessing.Describe(),
            Precision = PrecisionName(precision),
            Batch = batch,
            Unpruned = (unpruned ?? rows.FirstOrDefault(row => IsWhole(row.Figures))) is { } whole ? Row(whole) : null,
            Rows = rows.Select(Row),
            Baselines = baselines.Count > 0 ? baselines.Select(Line) : null,
            Classes = evaluation.TestClasses.Select(entry => new { entry.Name, entry.Images }),
            Confidence = Bootstrap.Confidence,
            BootstrapDraws = Bootstrap.Draws,
            evaluation.Seed,
            PeakMemoryBytes = PeakMemory(),
            ScoredTestImages = scoredTestImages,
            evaluation.Notes,
            evaluation.Skipped,
            LeftOut = leftOut,
        },
        console =>
        {
            console.WriteLine($"preprocessing: {preprocessing.Describe()}");
            MeasuredRow[] measured = unpruned is null ? [.. rows] : [unpruned, .. rows];
            console.WriteLine("what is removed of each axis, and what is left:");
            console.Write(Costs(measured));
            WriteAccuracies(console, measured);
            foreach (MeasuredLine line in baselines)
            {
                console.WriteLine($"{line.Name}: {line.Meaning}");
                WriteAccuracies(console, line.Rows);
            }

            EvaluationRow first = (unpruned ?? rows[0]).Figures;
            string neighbours = first.KnnImages is int counted ? Figures.Invariant($", k-NN on {counted} of them") : "";
            console.WriteLine(Figures.Invariant($"measured on {first.Images} test images{neighbours}; ")
                + Figures.Invariant($"images/s: the forward pass in batches of {batch}, {PrecisionName(precision)}"));
            console.WriteLine(Figures.Invariant($"in brackets: intervals of {Bootstrap.Confidence:0 %} over the test images ")
                + Figures.Invariant($"({Bootstrap.Draws} bootstrap draws, seed {evaluation.Seed}); ")
                + $"of images/s the quartiles of the batches; peak memory of the program {Figures.Bytes(PeakMemory())}");
            if (perClass)
            {
                console.Write(OfClasses(measured, evaluation));
            }

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

    /// <summary>The accuracies that rows may have: name of the column, name in JSON, and where it is.</summary>
    private static readonly (string Label, string Name, Func<EvaluationRow, Accuracy?> Of)[] Kinds =
    [
        ("top-1", "top1", row => row.Top1),
        ("top-5", "top5", row => row.Top5),
        ("k-NN", "knn", row => row.Knn),
        ("weighted k-NN", "weighted_knn", row => row.WeightedKnn),
        ("linear probe", "probe", row => row.Probe),
    ];

    private static Table Costs(IReadOnlyList<MeasuredRow> rows)
    {
        IReadOnlyList<AxisFacts> axes = RemovedShares.Columns(rows.Select(row => row.Figures.Removed));
        Table table = Report.Table(["budget", .. axes.Select(axis => axis.Label), "parameters", "FLOPs", "images/s"]);
        foreach (MeasuredRow row in rows)
        {
            table.AddRow(
            [
                Name(row), .. axes.Select(axis => Figures.Percent(row.Figures.Removed[axis.Axis])),
                Figures.Count(row.Figures.Parameters), Figures.Count(row.Figures.Flops), Speed(row).EscapeMarkup(),
            ]);
        }

        return table;
    }

    /// <summary>Accuracies with their intervals, so few in a table that it fits into a terminal.</summary>
    private static void WriteAccuracies(IAnsiConsole console, IReadOnlyList<MeasuredRow> rows)
    {
        foreach ((string Label, string Name, Func<EvaluationRow, Accuracy?> Of)[] kinds in Kinds
            .Where(kind => rows.Any(row => kind.Of(row.Figures) is not null)).Chunk(2))
        {
            bool compared = rows.Any(row => kinds.Any(kind => kind.Of(row.Figures)?.Loss is not null));
            Table table = Report.Table(
                ["budget", .. kinds.SelectMany(kind => compared ? [kind.Label, "lost"] : new[] { kind.Label })]);
            foreach (MeasuredRow row in rows)
            {
                IEnumerable<string> figures = kinds.SelectMany(kind => kind.Of(row.Figures) is { } accuracy
                    ? compared ? [Share(accuracy), Lost(accuracy)] : new[] { Share(accuracy) }
                    : compared ? ["-", "-"] : ["-"]);
                table.AddRow([Name(row), .. figures.Select(text => text.EscapeMarkup())]);
            }

            console.Write(table);
        }
    }

    private static string Name(MeasuredRow row) =>
        (row.Budget ?? (IsWhole(row.Figures) ? "whole model" : "this model")).EscapeMarkup();

    private static string Share(Accuracy accuracy) => $"{Figures.Percent(accuracy.Share)} {Range(accuracy.Interval)}";

    private static string Lost(Accuracy accuracy) => accuracy.Loss is double loss
        ? Figures.Invariant($"{100 * loss:0.0} ") + Range(accuracy.LossInterval!.Value)
        : "-";

    private static string Range((double Low, double High) interval) =>
        Figures.Invariant($"[{100 * interval.Low:0.0}, {100 * interval.High:0.0}]");

    private static string Speed(MeasuredRow row) => row.Facts?.Speed is (double median, double low, double high)
        ? Figures.Invariant($"{median:0.0} [{low:0.0}, {high:0.0}]")
        : Figures.Invariant($"{row.Figures.ImagesPerSecond:0.0}");

    /// <summary>A row per class, a column per model: by the models' own classifier, else by neighbours.</summary>
    private static Table OfClasses(IReadOnlyList<MeasuredRow> rows, ModelEvaluation evaluation)
    {
        (string Label, string Name, Func<EvaluationRow, Accuracy?> Of) kind =
            Array.Find(Kinds, candidate => rows.All(row => candidate.Of(row.Figures) is not null));
        Table table = Report.Table([$"class, {kind.Label ?? "-"}", "images", .. rows.Select(row => row.Budget ?? "whole model")]);
        for (int index = 0; kind.Of is not null && index < evaluation.TestClasses.Count; index++)
        {
            (string name, int images) = evaluation.TestClasses[index];
            table.AddRow(
            [
                name.EscapeMarkup(), Figures.Invariant($"{images}"),
                .. rows.Select(row => Figures.Percent(kind.Of(row.Figures)!.PerClass[index])),
            ]);
        }

        return table;
    }

    private static long PeakMemory()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
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
        Dictionary<string, object?> json = new()
        {
            ["budget"] = measured.Budget,
            ["removed"] = RemovedShares.Json(row.Removed),
            ["latency_ms"] = measured.LatencyMs,
            ["parameters"] = row.Parameters,
            ["flops"] = row.Flops,
        };
        foreach ((_, string name, Func<EvaluationRow, Accuracy?> of) in Kinds)
        {
            if (of(row) is Accuracy accuracy)
            {
                json[name] = accuracy.Share;
                json[$"{name}_interval"] = Pair(accuracy.Interval);
                json[$"{name}_loss"] = accuracy.Loss;
                json[$"{name}_loss_interval"] = Pair(accuracy.LossInterval);
                json[$"{name}_per_class"] = accuracy.PerClass;
            }
        }

        json["probe_learning_rate"] = row.ProbeLearningRate;
        (double Median, double Low, double High)? speed = measured.Facts?.Speed;
        json["images_per_second"] = speed?.Median ?? row.ImagesPerSecond;
        json["images_per_second_interval"] = speed is (_, double low, double high) ? new[] { low, high } : null;
        json["images"] = row.Images;
        json["knn_images"] = row.KnnImages;
        json["distance"] = measured.Distance;
        json["most_changed"] = measured.Facts?.Farthest is { Count: > 0 } farthest ? farthest : null;
        json["blocks"] = measured.Widths;
        return json.Where(entry => entry.Value is not null).ToDictionary();
    }

    private static double[]? Pair((double Low, double High)? ends) => ends is (double low, double high) ? [low, high] : null;
}
