using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>From one budget to the next: a sub-network as views, and as its own copy.</summary>
internal sealed class SwitchBenchmark : IBenchmark
{
    private const int Switches = 1000;
    private const int Copies = 20;
    private const double TargetMilliseconds = 1;

    public string Name => "switch";

    public IEnumerable<ResultRow> Run(Device device)
    {
        ViTArchitecture architecture = RandomModel.Base;
        using VisionTransformer model = RandomModel.Create(architecture, ScalarType.Float32, device);
        using ElasticViT elastic = new(model, RandomModel.Scores(architecture), new KeepFloors());
        (double copy, double worstCopy) = Measure.Spread(Copies, run => elastic.Cut(elastic.Planner.Plan(AnyBudget(run))).Dispose());
        (double views, double worstViews) = Measure.Spread(Switches, run => elastic.At(AnyBudget(run)).Dispose());
        string switches = $"ViT-B fp32, At(Budget), {Switches} switches";
        yield return new ResultRow(switches, views / copy, "median time to median of Cut", Asked(views), Times(views, worstViews));
        yield return new ResultRow(switches, worstViews / copy, "worst time to median of Cut", Asked(worstViews), Times(views, worstViews));
        yield return new ResultRow($"ViT-B fp32, Cut, {Copies} copies", copy / views, "median time to median of At(Budget)", "", Times(copy, worstCopy));
    }

    private static Budget AnyBudget(int run) => Budget.Flops(0.5 + (0.5 * (run * 37 % 100) / 100));

    private static string Asked(double seconds) => Target.AtMost(TargetMilliseconds, 1e3 * seconds, " ms");

    private static string Times(double median, double worst) => $"median {1e3 * median:0.000} ms, worst {1e3 * worst:0.000} ms";
}
