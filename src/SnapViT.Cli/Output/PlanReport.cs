using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>A budget, as <c>--budgets</c> takes it, and what it leaves.</summary>
internal sealed record PlannedRow(string Budget, SubnetPlan Plan);

/// <summary>What a plan keeps and costs.</summary>
internal static class PlanReport
{
    private const double Millisecond = 1e6;

    /// <summary>What the latency table says of a plan, in milliseconds; null without a table.</summary>
    public static double? LatencyMs(SubnetPlan plan, PlanOptions how) => how.Latency?.Predict(plan.Widths) / Millisecond;

    /// <summary>Several plans, a row for each.</summary>
    public static Report Of(RunRecord run, IReadOnlyList<PlannedRow> rows, Func<SubnetPlan, long> fileBytes, PlanOptions how) => new(
        new { Run = run, Rows = rows.Select(row => Json(null, row, fileBytes(row.Plan), how)) },
        console =>
        {
            IReadOnlyList<AxisFacts> axes = RemovedShares.Columns(rows.Select(row => row.Plan.Removed));
            Table table = Report.Table(
                ["budget", .. axes.Select(axis => $"{axis.Label} removed"), "parameters", "FLOPs", "file", "predicted latency"]);
            foreach ((string budget, SubnetPlan plan) in rows)
            {
                string latency = LatencyMs(plan, how) is double milliseconds ? Figures.Invariant($"{milliseconds:0.00} ms") : "-";
                table.AddRow(
                [
                    budget, .. axes.Select(axis => Figures.Percent(plan.Removed[axis.Axis])),
                    Figures.Count(plan.Parameters), Figures.Count(plan.Flops), Figures.Bytes(fileBytes(plan)), latency,
                ]);
            }

            console.Write(table);
            console.WriteLine(how.Latency is { Conditions: { } told }
                ? Conditions(told)
                : "predicted latency -: not measured on this machine yet; a budget such as latency=0.5 measures it once");
        });

    /// <summary>One plan, with every block.</summary>
    public static Report Of(RunRecord run, PlannedRow row, Func<SubnetPlan, long> fileBytes, PlanOptions how)
    {
        SubnetPlan plan = row.Plan;
        ViTArchitecture a = plan.Architecture;
        SubnetPlan full = SubnetPlan.Of(a, a.FullWidths);
        (long bytes, long fullBytes) = (fileBytes(plan), fileBytes(full));
        LatencyTable? table = how.Latency;
        double? milliseconds = table?.Predict(plan.Widths) / Millisecond, fullMilliseconds = table?.Predict(full.Widths) / Millisecond;
        return new Report(Json(run, row, bytes, how), console =>
        {
            Table costs = Report.Table("", "kept", "whole model", "share");
            foreach (AxisFacts row in RemovedShares.Columns([plan.Removed]))
            {
                (int kept, int all) = (plan.Widths.Total(row.Axis), full.Widths.Total(row.Axis));
                costs.AddRow(row.Label, $"{kept}", $"{all}", Share(kept, all));
            }

            costs.AddRow(
                "parameters",
                Figures.Count(plan.Parameters),
                Figures.Count(full.Parameters),
                Share(plan.Parameters, full.Parameters));
            costs.AddRow("FLOPs", Figures.Count(plan.Flops), Figures.Count(full.Flops), Share(plan.Flops, full.Flops));
            costs.AddRow("file", Figures.Bytes(bytes), Figures.Bytes(fullBytes), Share(bytes, fullBytes));
            if (table is not null)
            {
                costs.AddRow(
                    "predicted latency",
                    Figures.Invariant($"{milliseconds:0.00} ms"),
                    Figures.Invariant($"{fullMilliseconds:0.00} ms"),
                    Share(milliseconds!.Value, fullMilliseconds!.Value));
            }

            console.Write(costs);
            if (plan.Distance is double distance)
            {
                console.WriteLine(
                    Figures.Invariant($"distance from the whole model, between measured slices of the frontier: {distance:0.0000}"));
            }

            if (table is not null)
            {
                console.WriteLine(Conditions(table.Conditions));
            }

            console.Write(Blocks(a, plan.Widths));
        });
    }

    private static string Conditions(LatencyConditions told) =>
        $"latency: best pass of {told.Batch} image(s), {told.Precision}, {told.Threads} thread(s) on this machine";

    private static object Json(RunRecord? run, PlannedRow row, long bytes, PlanOptions how) => new
    {
        Run = run,
        row.Budget,
        Removed = RemovedShares.Json(row.Plan.Removed),
        row.Plan.Parameters,
        row.Plan.Flops,
        FileBytes = bytes,
        LatencyMs = LatencyMs(row.Plan, how),
        Latency = how.Latency is { Conditions: { } told } ? new { told.Batch, told.Precision, told.Threads } : null,
        how.Allocation,
        how.Align,
        row.Plan.Distance,
        Blocks = row.Plan.Widths,
    };

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
