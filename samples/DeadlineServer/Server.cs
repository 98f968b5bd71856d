using System.Diagnostics;
using static TorchSharp.torch;

namespace SnapViT.Samples.DeadlineServer;

/// <summary>What a server did.</summary>
/// <param name="Served">Requests served at every budget.</param>
/// <param name="Missed">Of these, the ones that were too late.</param>
/// <param name="MeanKept">Mean share of the whole model's FLOPs that a request got.</param>
internal sealed record ServiceResult(int[] Served, int[] Missed, double MeanKept);

/// <summary>Serves requests one after another, each with the largest sub-network that the deadlines allow.</summary>
internal sealed class Server(SubnetPool pool, LatencyTable latencies, Tensor image)
{
    private const double Reserve = 1.2;

    /// <summary>Serves all requests, each no sooner than it comes.</summary>
    public ServiceResult Serve(Traffic traffic)
    {
        // A request may take a little longer than its budget did when it was measured.
        double[] planned = [.. latencies.Seconds.Select(seconds => Reserve * seconds)];
        int[] served = new int[planned.Length], missed = new int[planned.Length];
        Queue<double> deadlines = [];
        int arrived = 0;
        double kept = 0;
        Stopwatch clock = Stopwatch.StartNew();
        while (arrived < traffic.Arrivals.Count || deadlines.Count > 0)
        {
            double now = clock.Elapsed.TotalSeconds;
            while (arrived < traffic.Arrivals.Count && traffic.Arrivals[arrived] <= now)
            {
                deadlines.Enqueue(traffic.Arrivals[arrived++] + traffic.Patience);
            }

            if (deadlines.Count == 0)
            {
                Thread.Sleep(TimeSpan.FromSeconds(traffic.Arrivals[arrived] - now));
                continue;
            }

            int budget = DeadlinePolicy.Choose(planned, now, deadlines);
            using (SubnetLease subnet = pool.Lease(latencies.Plans[budget]))
            {
                subnet.Embed(image).Dispose();
                kept += subnet.Plan.Flops / (double)latencies.Plans[0].Flops;
            }

            served[budget]++;
            missed[budget] += clock.Elapsed.TotalSeconds > deadlines.Dequeue() ? 1 : 0;
        }

        return new ServiceResult(served, missed, kept / traffic.Arrivals.Count);
    }
}
