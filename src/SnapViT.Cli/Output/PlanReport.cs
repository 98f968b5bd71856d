using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What a plan keeps and costs.</summary>
internal static class PlanReport
{
    private const double Millisecond = 1e6;

    public static Report Of(SubnetPlan plan, Func<SubnetPlan, long> fileBytes, PlanOptions how)
    {
        ViTArchitecture a = plan.Architecture;
        SubnetPlan full = SubnetPlan.Of(a, a.FullWidths);
        (long bytes, long fullBytes) = (fileBytes(plan), fileBytes(full));
        LatencyTable? table = how.Latency;
        double? milliseconds = table?.Predict(plan.Widths) / Millisecond, fullMilliseconds = table?.Predict(full.Widths) / Millisecond;
        object json = new
        {
            Mlp = plan.Removed[Axis.Neurons],
            Heads = plan.Removed[Axis.Heads],
            plan.Parameters,
            plan.Flops,
            FileBytes = bytes,
            Latency = table is null ? null : new { PredictedMs = milliseconds, table.Conditions.Batch, table.Conditions.Precision, table.Conditions.Threads },
            how.Allocation,
            how.Align,
            Blocks = plan.Widths,
        };
        return new Report(json, console =>
        {
            Table costs = Report.Table("", "kept", "whole model", "share");
            foreach (AxisFacts row in AxisTable.InPaperOrder)
            {
                (int kept, int all) = (plan.Widths.Total(row.Axis), full.Widths.Total(row.Axis));
                costs.AddRow(row.Label, $"{kept}", $"{all}", Share(kept, all));
            }

            costs.AddRow("parameters", Figures.Count(plan.Parameters), Figures.Count(full.Parameters), Share(plan.Parameters, full.Parameters));
            costs.AddRow("FLOPs", Figures.Count(plan.Flops), Figures.Count(full.Flops), Share(plan.Flops, full.Flops));
            costs.AddRow("file", $"{Figures.Count(bytes)}B", $"{Figures.Count(fullBytes)}B", Share(bytes, fullBytes));
            if (table is not null)
            {
                costs.AddRow("predicted latency", Figures.Invariant($"{milliseconds:0.00} ms"), Figures.Invariant($"{fullMilliseconds:0.00} ms"), Share(milliseconds!.Value, fullMilliseconds!.Value));
            }

            console.Write(costs);
            if (table is not null)
            {
                console.WriteLine($"latency: best pass of {table.Conditions.Batch} image(s), {table.Conditions.Precision}, {table.Conditions.Threads} thread(s) on this machine");
            }

            console.Write(Blocks(a, plan.Widths));
        });
    }

    /// <summary>What every block keeps of every axis.</summary>
    public static Table Blocks(ViTArchitecture architecture, SubnetWidths widths)
    {
        Table table = Report.Table(["block", .. AxisTable.Rows.Select(row => row.Label)]);
        for (int block = 0; block < widths.Count; block++)
        {
            table.AddRow([$"{block}", .. AxisTable.Rows.Select(row => $"{widths[block][row.Axis]} of {row.Count(architecture)}")]);
        }

        return table;
    }

    private static string Share(double part, double whole) => Figures.Percent(part / whole);
}
