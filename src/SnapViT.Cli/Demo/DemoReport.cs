using SnapViT.Cli.Output;
using Spectre.Console;

namespace SnapViT.Cli.Demo;

/// <summary>The demo's table.</summary>
internal static class DemoReport
{
    public static Report Of(DemoResult result, string? page) => new(
        new
        {
            result.Seconds,
            result.Seed,
            Photos = result.Photos,
            TestImages = result.TestImages,
            FitnessC0 = result.Fitness.Count > 0 ? result.Fitness[0] : (double?)null,
            FitnessBest = result.Fitness.Count > 0 ? result.Fitness.Min() : (double?)null,
            Rows = result.Rows.Select(EvaluationReport.Row),
            Page = page,
        },
        console =>
        {
            console.WriteLine(Figures.Invariant($"One trained ViT, {result.Photos} unlabelled images, no retraining: scored and cut in {result.Seconds:0} s."));
            console.WriteLine(Figures.Invariant($"Measured on {result.TestImages} labelled test images of {ShapeTextureImages.Classes} classes (chance {100.0 / ShapeTextureImages.Classes:0.0} %):"));
            console.Write(EvaluationReport.Table(result.Rows));
            console.WriteLine(page is null ? "snapvit demo --out demo.html draws the curves." : $"{page}: the curves");
            console.WriteLine("Your own model: snapvit build MODEL --images DIR --out SCORES, then snapvit cut and snapvit eval.");
        });
}
