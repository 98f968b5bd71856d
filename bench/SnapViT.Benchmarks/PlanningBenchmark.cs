using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Cli.Roofline;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>A budget to a plan, and the ranking that is made once before.</summary>
internal sealed class PlanningBenchmark : IBenchmark
{
    private const int Plans = 1000;
    private const int Rankings = 20;

    public string Name => "planning";

    public IEnumerable<ResultRow> Run(Device device)
    {
        ViTArchitecture architecture = RandomModel.Large;
        ImportanceScores scores = RandomModel.Scores(architecture);
        SubnetPlanner planner = new(architecture, scores, new KeepFloors());
        (double ranking, double worstRanking) = Measure.Spread(Rankings, run => _ = new SubnetPlanner(architecture, scores, new KeepFloors()));
        foreach ((string name, Func<int, Budget> budget) in Kinds)
        {
            (double plan, double worst) = Measure.Spread(Plans, run => planner.Plan(budget(run)));
            yield return new ResultRow(
                $"ViT-L, Plan({name}), {Plans} plans",
                plan / ranking,
                "median time to ranking once",
                "",
                $"median {1e6 * plan:0.0} us, worst {1e6 * worst:0} us (ranking {1e3 * ranking:0.0} ms, worst {1e3 * worstRanking:0.0} ms)");
        }
    }

    private static (string Name, Func<int, Budget> Budget)[] Kinds =>
    [
        ("FLOPs", run => Budget.Flops(Share(run))),
        ("ratios", run => Budget.Ratios(1 - Share(run), 1 - Share(run))),
    ];

    private static double Share(int run) => 0.5 + (0.5 * (run * 37 % 100) / 100);
}
