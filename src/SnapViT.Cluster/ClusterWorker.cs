namespace SnapViT.Cluster;

/// <summary>A process that evaluates candidates for builds, one build after the other.</summary>
internal static class ClusterWorker
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500);

    /// <summary>Works until it is stopped, or until the first build is over.</summary>
    /// <param name="address">Where the cluster is.</param>
    /// <param name="open">Opens the build of a job.</param>
    /// <param name="isOnce">Whether to end with the first build.</param>
    /// <param name="told">Told what happens, for people.</param>
    /// <param name="cancellation">Stops it.</param>
    public static void Run(
        ClusterAddress address, Func<ClusterJob, OpenedSite> open, bool isOnce, Action<string> told, CancellationToken cancellation)
    {
        told($"waits for a build at {address}");
        while (!cancellation.IsCancellationRequested)
        {
            if (!ClusterAddress.Answers(address.Build))
            {
                cancellation.WaitHandle.WaitOne(Look);
                continue;
            }

            try
            {
                using CandidateWorker worker = new(open, told);
                using ClusterSilo silo = ClusterSilo.Start(address, ClusterAddress.FreePort(address.Listen), worker, cancellation);
                told($"joined the build at {address}");
                while (!cancellation.IsCancellationRequested && !silo.IsLost && ClusterAddress.Answers(address.Build))
                {
                    cancellation.WaitHandle.WaitOne(Look);
                }
            }
            catch (Exception exception) when (exception is not OutOfMemoryException && !cancellation.IsCancellationRequested)
            {
                told($"could not join: {exception.Message.ReplaceLineEndings(" ")}");
                cancellation.WaitHandle.WaitOne(Look);
                continue;
            }

            bool isOver = !ClusterAddress.Answers(address.Build);
            told(isOver ? "the build is over" : "was taken for dead, joins again");
            if (isOnce && isOver)
            {
                return;
            }
        }
    }
}
