using System.CommandLine;
using System.Text.Json;
using SnapViT.Cli.Output;
using SnapViT.Cli.Pages;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Demo;

/// <summary>The demo's table and page.</summary>
internal static class DemoReport
{
    public static Report Of(ParseResult parsed, DemoResult result, string? page, string? files) => new(
        new
        {
            Run = new RunRecord(parsed)
            {
                Model = "demo-vit.safetensors",
                ModelSha256 = result.Scores.Provenance[ElasticScores.ModelHash],
                WeightsSha256 = result.Scores.Provenance[ElasticScores.WeightsHash],
                Units = AxisTable.Rows.ToDictionary(
                    row => JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Key), row => row.Count(DemoModel.Architecture)),
            },
            result.Seconds,
            result.Seed,
            result.Photos,
            result.TestImages,
            FitnessC0 = result.Fitness.Count > 0 ? result.Fitness[0] : (double?)null,
            FitnessBest = result.Fitness.Count > 0 ? result.Fitness.Min() : (double?)null,
            FitnessHistory = result.Fitness.Count > 0 ? result.Fitness : null,
            Unpruned = EvaluationReport.Row(result.Whole),
            Lines = result.Lines.Select(line => EvaluationReport.Line(line with { Rows = [result.Whole, .. line.Rows] })),
            Page = page,
            Files = files,
        },
        console =>
        {
            console.WriteLine(Figures.Invariant(
                $"One trained ViT, {result.Photos} unlabelled images, no retraining: scored, cut and measured in {result.Seconds:0} s."));
            console.WriteLine(Figures.Invariant(
                $"Accuracy on {result.TestImages} other images of {ShapeTextureImages.Classes} classes ")
                + Figures.Invariant($"(chance {100.0 / ShapeTextureImages.Classes:0.0} %); ")
                + "k-NN, parameters and images/s are those of all axes:");
            console.Write(Rows(result));
            foreach (MeasuredLine line in result.Lines)
            {
                console.WriteLine($"{line.Name}: {line.Meaning}");
            }

            foreach (string written in new[] { page, files }.OfType<string>())
            {
                console.WriteLine($"wrote {written}");
            }
        },
        files is null ? NextCommand.Of("demo", "--files", "demo")
            : NextCommand.Of(
                "build", Path.Join(files, "model.safetensors"), "--images", Path.Join(files, "photos"),
                "--out", Path.Join(files, "scores.safetensors")));

    /// <summary>What the demo's page shows.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="result">What was measured.</param>
    /// <param name="folder">Where the images still are.</param>
    public static ReportData Page(ParseResult parsed, DemoResult result, string folder)
    {
        RunReader reader = new()
        {
            Title = "One Vision Transformer, every size",
            Lead = Figures.Invariant($"A small trained ViT was scored on {result.Photos} unlabelled images and cut to ")
                + Figures.Invariant($"{result.Lines[0].Rows.Count} budgets without retraining. What remained of a layer ")
                + Figures.Invariant($"was re-fitted in closed ")
                + Figures.Invariant($"form. Accuracy was measured on {result.TestImages} other images with labels: ")
                + Figures.Invariant($"{ShapeTextureImages.Classes} classes, shapes times textures; neither alone tells them apart."),
        };
        reader.Read("snapvit demo", Of(parsed, result, null, null).ToElement());
        reader.Read("of the demo", result.Scores);
        ReportData data = reader.Data;
        ReportImages images = new(Path.Combine(folder, "photos"), Path.Combine(folder, "test"));
        foreach (ReportModel model in data.Models)
        {
            images.AddTo(model);
        }

        return data;
    }

    private static Table Rows(DemoResult result)
    {
        Table table = Report.Table(["FLOPs kept", .. result.Lines.Select(line => line.Name), "k-NN", "parameters", "images/s"]);
        for (int budget = -1; budget < result.Lines[0].Rows.Count; budget++)
        {
            EvaluationRow row = RowOf(result.Lines[0]);
            table.AddRow(
            [
                Figures.Percent(row.Flops / (double)result.Whole.Figures.Flops),
                .. result.Lines.Select(line => Figures.Percent(RowOf(line).Top1?.Share)),
                Figures.Percent(row.Knn?.Share), Figures.Count(row.Parameters), Figures.Invariant($"{row.ImagesPerSecond:0}"),
            ]);

            EvaluationRow RowOf(MeasuredLine line) => (budget < 0 ? result.Whole : line.Rows[budget]).Figures;
        }

        return table;
    }
}
