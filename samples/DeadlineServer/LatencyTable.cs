using System.Diagnostics;
using SnapViT.Core.Planning;
using static TorchSharp.torch;

namespace SnapViT.Samples.DeadlineServer;

/// <summary>Seconds that one request takes at every budget on this machine.</summary>
/// <param name="Plans">Budgets, the largest first.</param>
/// <param name="Seconds">Seconds of each.</param>
internal sealed record LatencyTable(IReadOnlyList<SubnetPlan> Plans, IReadOnlyList<double> Seconds)
{
    private const int Runs = 9;

    /// <summary>Seconds of the whole model.</summary>
    public double Largest => Seconds[0];

    /// <summary>Seconds of the smallest sub-network.</summary>
    public double Smallest => Seconds[^1];

    /// <summary>Times every budget: the budgets take turns, so that all see the same machine; the median counts.</summary>
    public static LatencyTable Measure(SubnetPool pool, IReadOnlyList<SubnetPlan> plans, Tensor image)
    {
        List<double>[] runs = [.. plans.Select(_ => new List<double>())];
        for (int run = 0; run <= Runs; run++)
        {
            for (int plan = 0; plan < plans.Count; plan++)
            {
                using SubnetLease subnet = pool.Lease(plans[plan]);
                long start = Stopwatch.GetTimestamp();
                subnet.Embed(image).Dispose();
                if (run > 0)
                {
                    runs[plan].Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
                }
            }
        }

        return new LatencyTable(plans, [.. runs.Select(times => times.Order().ElementAt(times.Count / 2))]);
    }

    /// <summary>The table of a server that has the whole model only.</summary>
    public LatencyTable WholeOnly() => new([Plans[0]], [Seconds[0]]);
}
