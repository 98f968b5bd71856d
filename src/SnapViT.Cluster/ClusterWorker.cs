using SnapViT.Cluster.Membership;

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
        string? last = null;
        while (!cancellation.IsCancellationRequested)
        {
            if (!address.Membership.IsReady())
            {
                cancellation.WaitHandle.WaitOne(Look);
                continue;
            }

            bool isOver;
            try
            {
                using CandidateWorker worker = new(open, told);
                using ClusterSilo silo = ClusterSilo.Start(
                    address, TcpPort.Free(address.Listen), worker, isBuild: false, cancellation);
                isOver = Follow(silo);
                last = null;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException && !cancellation.IsCancellationRequested)
            {
                string why = $"could not join: {exception.Message.ReplaceLineEndings(" ")}";
                if (why != last)
                {
                    told(last = why);
                }

                cancellation.WaitHandle.WaitOne(Look);
                continue;
            }

            if (!cancellation.IsCancellationRequested)
            {
                told(isOver ? "the build is over" : "was taken for dead, joins again");
            }

            if (isOnce && isOver)
            {
                return;
            }
        }

        // Whether the build that the worker saw is over; false where the silo is of no more use.
        bool Follow(ClusterSilo silo)
        {
            bool hasBuild = false;
            while (!cancellation.IsCancellationRequested && !silo.IsLost)
            {
                bool isThere = address.Membership.IsReady() && silo.OtherBuild() is not null;
                if (isThere && !hasBuild)
                {
                    told($"joined the build at {address}");
                }
                else if (!isThere && (hasBuild || !address.Membership.IsReady()))
                {
                    return true;
                }

                hasBuild = isThere;
                cancellation.WaitHandle.WaitOne(Look);
            }

            return false;
        }
    }
}
