using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What a cut kept and wrote.</summary>
internal static class CutReport
{
    public static Report Of(
        IReadOnlyList<string> paths,
        string budget,
        SubnetPlan plan,
        string correction,
        ModelAgreement? agreement,
        MeasuredLatency? latency,
        IReadOnlyList<object> leftOut)
    {
        WrittenFile[] files = [.. paths.Select(WrittenFile.Of)];
        long fullParameters = CostModel.Parameters(plan.Architecture, plan.Architecture.FullWidths);
        long fullFlops = CostModel.Flops(plan.Architecture, plan.Architecture.FullWidths);
        return new Report(
            new
            {
                Files = files,
                Budget = budget,
                Removed = RemovedShares.Json(plan.Removed),
                plan.Parameters,
                plan.Flops,
                Correction = correction,
                LatencyMs = latency?.PredictedMs,
                Blocks = plan.Widths,
                Latency = latency,
                Agreement = agreement,
                LeftOut = leftOut,
            },
            console =>
            {
                console.WriteLine(
                    $"{budget}: {Figures.Count(plan.Parameters)} parameters ({Figures.Percent(plan.Parameters / (double)fullParameters)}), "
                    + $"{Figures.Count(plan.Flops)} FLOPs ({Figures.Percent(plan.Flops / (double)fullFlops)}), "
                    + $"without {string.Join(", ", RemovedShares.Words(plan.Removed))}");
                console.WriteLine($"correction: {correction}");
                foreach (WrittenFile file in files)
                {
                    console.WriteLine($"wrote {file.Path}: {Figures.Bytes(file.Bytes)}");
                }

                foreach (string line in latency?.Lines() ?? [])
                {
                    console.WriteLine(line);
                }

                if (agreement is not null)
                {
                    string answers = agreement.SameAnswer is null ? "" : $", the same answer to {Figures.Percent(agreement.SameAnswer)}";
                    console.WriteLine(
                        Figures.Invariant($"smaller weights against float32 on {agreement.Images} photos: ")
                        + Figures.Invariant($"mean cosine of features {agreement.FeatureCosine:F6}{answers}"));
                }
            },
            NextCommand.Of("inspect", paths[0]));
    }
}

/// <summary>A file that was written.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Bytes">How large it is.</param>
internal sealed record WrittenFile(string Path, long Bytes)
{
    public static WrittenFile Of(string path) => new(path, new FileInfo(path).Length);
}
