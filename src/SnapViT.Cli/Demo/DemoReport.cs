using SnapViT.Cli.Output;
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
            Lines = result.Lines.Select(line => new
            {
                line.Name,
                line.Meaning,
                Rows = line.Places.Select(place => EvaluationReport.Row(place.Row, place.Budget)),
            }),
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
            foreach (DemoLine line in result.Lines)
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

    private static Table Rows(DemoResult result)
    {
        Table table = Report.Table(["FLOPs kept", .. result.Lines.Select(line => line.Name), "k-NN", "parameters", "images/s"]);
        for (int budget = 0; budget < result.Lines[0].Places.Count; budget++)
        {
            EvaluationRow row = result.Lines[0].Places[budget].Row;
            table.AddRow(
            [
                Figures.Percent(row.Flops / (double)result.Whole.Flops),
                .. result.Lines.Select(line => Figures.Percent(line.Places[budget].Row.Top1)),
                Figures.Percent(row.Knn), Figures.Count(row.Parameters), Figures.Invariant($"{row.ImagesPerSecond:0}"),
            ]);
        }

        return table;
    }
}
