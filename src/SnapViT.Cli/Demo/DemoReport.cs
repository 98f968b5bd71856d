using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Demo;

/// <summary>The demo's table.</summary>
internal static class DemoReport
{
    public static Report Of(DemoResult result, string? page, string? files) => new(
        new
        {
            result.Seconds,
            result.Seed,
            result.Photos,
            result.TestImages,
            FitnessC0 = result.Fitness.Count > 0 ? result.Fitness[0] : (double?)null,
            FitnessBest = result.Fitness.Count > 0 ? result.Fitness.Min() : (double?)null,
            Rows = result.Rows.Select((row, index) => EvaluationReport.Row(row, result.Budgets[index])),
            RandomOrder = result.Baseline.Select((row, index) => EvaluationReport.Row(row, result.Budgets[index])),
            Page = page,
            Files = files,
        },
        console =>
        {
            console.WriteLine(Figures.Invariant(
                $"One trained ViT, {result.Photos} unlabelled images, no retraining: scored, cut and measured in {result.Seconds:0} s."));
            console.WriteLine(Figures.Invariant(
                $"Accuracy on {result.TestImages} other images of {ShapeTextureImages.Classes} classes ")
                + Figures.Invariant($"(chance {100.0 / ShapeTextureImages.Classes:0.0} %):"));
            console.Write(Rows(result));
            console.WriteLine("random order: as many neurons and heads removed without scores, the layers re-fitted in the same way");
            foreach (string written in new[] { page, files }.OfType<string>())
            {
                console.WriteLine($"wrote {written}");
            }
        },
        files is null ? NextCommand.Of("demo", "--files", "demo")
            : NextCommand.Of(
                "build", Path.Join(files, "model.safetensors"), "--images", Path.Join(files, "photos"),
                "--out", Path.Join(files, "scores.safetensors")));

    private static Table Rows(DemoResult result)
    {
        Table table = Report.Table(
            "FLOPs kept", "MLP removed", "heads removed", "parameters", "top-1", "random order", "k-NN", "random order", "images/s");
        foreach ((EvaluationRow row, EvaluationRow baseline) in result.Rows.Zip(result.Baseline))
        {
            table.AddRow(
                Figures.Percent(row.Flops / (double)result.Rows[0].Flops),
                Figures.Percent(row.Removed[Axis.Neurons]),
                Figures.Percent(row.Removed[Axis.Heads]),
                Figures.Count(row.Parameters),
                Figures.Percent(row.Top1),
                Figures.Percent(baseline.Top1),
                Figures.Percent(row.Knn),
                Figures.Percent(baseline.Knn),
                Figures.Invariant($"{row.ImagesPerSecond:0}"));
        }

        return table;
    }
}
