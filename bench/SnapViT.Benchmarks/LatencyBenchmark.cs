using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Evaluation;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using SnapViT.Cli.Roofline;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>Latency budgets: what a table says of sub-networks that it was not measured on, against what they take.</summary>
internal sealed class LatencyBenchmark : IBenchmark
{
    private const double Tolerance = 0.10;

    /// <summary>Where budgets lie between the smallest sub-network's time, 0, and the whole model's, 1: on a GPU the smallest may take half of the whole.</summary>
    private static readonly double[] Positions = [0.85, 0.65, 0.45, 0.3, 0.15];

    public string Name => "latency";

    public IEnumerable<ResultRow> Run(Device device) =>
        from model in new[] { ("ViT-Ti", RandomModel.Tiny, 1), ("ViT-S", RandomModel.Small, 1) }
        from precision in RandomModel.Precisions
        where precision.Type == ScalarType.Float32 || ComputeSettings.ParsePrecision("auto", device) == precision.Type // emulated, it would take minutes a case
        from row in Case(model.Item1, model.Item2, model.Item3, precision.Type, precision.Name, device)
        select row;

    private static IEnumerable<ResultRow> Case(string name, ViTArchitecture architecture, int batch, ScalarType precision, string precisionName, Device device)
    {
        LatencyConditions conditions = new()
        {
            Architecture = architecture, Precision = precisionName, Device = device.type == DeviceType.CUDA ? "cuda" : "cpu", Threads = get_num_threads(), Batch = batch, Machine = "this", Runtime = torch.__version__,
        };
        LatencyMeasurement measurement = new(conditions, device, TimeProvider.System);
        using VisionTransformer model = RandomModel.Create(architecture, precision, device);
        using ElasticWeights elastic = new(model, RandomModel.Scores(architecture), new KeepFloors());

        // A first table to plan by; the second is measured in turn with the sub-networks, so that other programs slow both alike.
        PlanOptions how = new() { Latency = measurement.Table(Create) };
        double[] shares = [.. Shares(how.Latency, architecture, elastic.Planner.Floors)];
        SubnetPlan[] plans = [.. shares.Select(share => elastic.Planner.Plan(Budget.Latency(share), how))];
        (LatencyTable table, double[] measured) = measurement.TableWith(Create, [.. plans.Select(plan => (Func<VisionTransformer>)(() => Create(plan.Widths)))]);
        return plans.Select((plan, index) =>
        {
            double predicted = table.Predict(plan.Widths);
            double off = (measured[index] / predicted) - 1;
            return new ResultRow(
                $"{name} {precisionName}, batch {batch}, {shares[index]:0.00} of the whole",
                measured[index] / predicted,
                "measured to predicted time",
                Target.AtMost(Tolerance, Math.Abs(off)),
                $"predicted {predicted / 1e6:0.00} ms, measured {measured[index] / 1e6:0.00} ms, {plan.Removed}");
        });

        VisionTransformer Create(SubnetWidths widths) => elastic.Cut(widths);
    }

    /// <summary>The budgets as shares of the whole model's time.</summary>
    private static IEnumerable<double> Shares(LatencyTable table, ViTArchitecture architecture, KeepFloors floors)
    {
        SubnetWidths smallest = SubnetWidths.Uniform(architecture.Depth, AxisTable.Rows.Aggregate(
            architecture.FullBlock, (widths, row) => widths.With(row.Axis, floors.Kept(row.Axis, row.Count(architecture)))));
        double least = table.Predict(smallest) / (double)table.Predict(architecture.FullWidths);
        return Positions.Select(position => least + (position * (1 - least)));
    }
}
