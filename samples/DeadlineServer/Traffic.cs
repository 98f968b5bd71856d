namespace SnapViT.Samples.DeadlineServer;

/// <summary>When requests come, and how long each may take.</summary>
/// <param name="Arrivals">Seconds from the start, ascending.</param>
/// <param name="Patience">Seconds from a request's arrival to its deadline.</param>
internal sealed record Traffic(IReadOnlyList<double> Arrivals, double Patience)
{
    private const double CalmLoad = 0.4, RushShare = 0.7, PatienceInRequests = 5;

    /// <summary>
    /// Calm, rush, calm, a third of the time each. In the calm the whole model is busy two fifths of the time; in the rush it would have to
    /// be busy more than all the time, while the smallest sub-network is busy for seven tenths.
    /// </summary>
    public static Traffic ForThreePhases(LatencyTable latencies, double seconds, ulong seed)
    {
        Random random = new(seed.GetHashCode());
        double calm = latencies.Largest / CalmLoad, rush = Math.Min(calm, latencies.Smallest / RushShare);
        List<double> arrivals = [];
        for (double time = 0; time < seconds; time += Gap(random, time > seconds / 3 && time < 2 * seconds / 3 ? rush : calm))
        {
            arrivals.Add(time);
        }

        return new Traffic(arrivals, PatienceInRequests * latencies.Largest);
    }

    /// <summary>Between half and one and a half of the mean gap.</summary>
    private static double Gap(Random random, double mean) => mean * (0.5 + random.NextDouble());
}
