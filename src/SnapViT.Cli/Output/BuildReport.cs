using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What a build made.</summary>
internal static class BuildReport
{
    public static Report Of(string path, RunRecord run, BuildResult result, IReadOnlyList<object> leftOut) => new(
        new
        {
            Run = run,
            Out = path,
            result.Scores.Provenance,
            FitnessC0 = result.Search?.History[0],
            FitnessBest = result.Search?.BestFitness,
            FitnessHistory = result.Search?.History,
            FitnessHeldOut = result.Search is { HeldOut.Count: > 0 } held ? held.HeldOut : null,
            result.ContinuedPhotos,
            ContinuedEvaluations = result.Continued,
            result.Discarded,
            result.Skipped,
            LeftOut = leftOut,
        },
        console =>
        {
            console.WriteLine(result.Search is null
                ? $"{path}: scored by {result.Scores.Provenance[ElasticScores.Criterion]} on {result.Scores.Provenance["images"]} photos, "
                    + "not searched"
                : Figures.Invariant($"{path}: fitness {result.Search.History[0]:F4} at the start, ")
                    + Figures.Invariant($"{result.Search.BestFitness:F4} after {result.Search.History.Count - 1} evaluations"));
            if (result.Scores.Moments is { } moments)
            {
                console.WriteLine(
                    Figures.Invariant($"second moments for the correction ({result.Scores.Provenance["calibration"]}): ")
                    + $"{Figures.Bytes(moments.Bytes)} of the file; --moments false leaves them out");
            }

            if (result.Scores.Frontiers.GetValueOrDefault(CostUnit.Flops) is Frontier frontier)
            {
                console.WriteLine(
                    $"frontier over all axes, {frontier.Slices.Count} slices by FLOPs: budgets follow it, inspect lists them");
            }

            if (result.Discarded is not null)
            {
                console.WriteLine($"began anew: {result.Discarded}");
            }

            foreach (SnapViT.Data.SkippedImage skipped in result.Skipped)
            {
                console.WriteLine($"skipped {skipped.Name}: {skipped.Reason}");
            }
        });
}
