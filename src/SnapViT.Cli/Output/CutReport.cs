using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What a cut kept.</summary>
internal static class CutReport
{
    public static Report Of(string path, SubnetPlan plan)
    {
        long fullParameters = CostModel.Parameters(plan.Architecture, plan.Architecture.FullWidths);
        long fullFlops = CostModel.Flops(plan.Architecture, plan.Architecture.FullWidths);
        return new Report(
            new { Out = path, plan.Removed.Mlp, plan.Removed.Heads, plan.Parameters, plan.Flops, Blocks = plan.Widths },
            console => console.WriteLine(
                $"{path}: {Figures.Count(plan.Parameters)} parameters ({Figures.Percent(plan.Parameters / (double)fullParameters)}), "
                + $"{Figures.Count(plan.Flops)} FLOPs ({Figures.Percent(plan.Flops / (double)fullFlops)}), "
                + $"without {Figures.Percent(plan.Removed.Mlp)} of the neurons and {Figures.Percent(plan.Removed.Heads)} of the heads"));
    }
}
