using SnapViT.Core.Architecture;
using SnapViT.Data;
using SnapViT.Workflows;
using Spectre.Console;
using static TorchSharp.torch;

namespace SnapViT.Cli.Output;

/// <summary>A row per sub-network.</summary>
internal static class EvaluationReport
{
    public static Report Of(
        Preprocessing preprocessing,
        ScalarType precision,
        EvaluationRow? unpruned,
        IReadOnlyList<EvaluationRow> rows,
        ModelEvaluation evaluation,
        IReadOnlyList<object> leftOut) => new(
        new
        {
            Preprocessing = preprocessing.Describe(),
            Precision = precision == ScalarType.BFloat16 ? "bf16" : "fp32",
            Unpruned = unpruned is null ? null : Row(unpruned),
            Rows = rows.Select(Row),
            evaluation.Notes,
            evaluation.Skipped,
            LeftOut = leftOut,
        },
        console =>
        {
            console.WriteLine($"preprocessing: {preprocessing.Describe()}");
            console.Write(Table(unpruned is null ? rows : [unpruned, .. rows]));
            EvaluationRow first = unpruned ?? rows[0];
            string neighbours = first.KnnImages is int counted ? Figures.Invariant($", k-NN on {counted} of them") : "";
            console.WriteLine(Figures.Invariant($"measured on {first.Images} test images{neighbours}"));
            foreach (string note in evaluation.Notes)
            {
                console.WriteLine(note);
            }

            foreach (SkippedImage file in evaluation.Skipped)
            {
                console.WriteLine($"skipped {file.Name}: {file.Reason}");
            }
        });

    public static Table Table(IReadOnlyList<EvaluationRow> rows)
    {
        Table table = Report.Table("MLP removed", "heads removed", "parameters", "FLOPs", "top-1", "k-NN", "images/s");
        foreach (EvaluationRow row in rows)
        {
            table.AddRow(
                Figures.Percent(row.Removed[Axis.Neurons]), Figures.Percent(row.Removed[Axis.Heads]), Figures.Count(row.Parameters), Figures.Count(row.Flops),
                Figures.Percent(row.Top1), Figures.Percent(row.Knn), Figures.Invariant($"{row.ImagesPerSecond:0.0}"));
        }

        return table;
    }

    public static object Row(EvaluationRow row) => new
    {
        Mlp = row.Removed[Axis.Neurons],
        Heads = row.Removed[Axis.Heads],
        row.Parameters,
        row.Flops,
        row.Top1,
        row.Knn,
        row.ImagesPerSecond,
        row.Images,
        row.KnnImages,
    };
}
