using SnapViT.Workflows;

namespace SnapViT.Cluster;

/// <summary>
/// What evaluates candidates in this process: it opens a build when it is first asked for it, and keeps it until another one comes.
/// </summary>
/// <param name="open">Opens the build of a job; null where this process evaluates nothing for others.</param>
/// <param name="told">Told what is done, for people.</param>
internal sealed class CandidateWorker(Func<ClusterJob, OpenedSite>? open, Action<string> told) : IDisposable
{
    private readonly Lock _gate = new();
    private ClusterJob? _job;
    private OpenedSite? _site;
    private bool _isDisposed;

    /// <summary>Numbers of candidates, in their order; null where this process evaluates nothing for others.</summary>
    public double[][]? Evaluate(ClusterJob job, string stage, double[] context, double[][] candidates)
    {
        if (open is null)
        {
            return null;
        }

        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_job?.Id != job.Id)
            {
                Close();
                told($"opens the build of {job.State}");
                (_site, _job) = (open(job), job);
            }

            return [.. _site!.Site.Evaluate(stage, context, candidates)];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            Close();
        }
    }

    private void Close()
    {
        (OpenedSite? site, _site, _job) = (_site, null, null);
        site?.Dispose();
    }
}

/// <summary>A build that was opened to evaluate candidates, and the model that it needs.</summary>
/// <param name="site">What evaluates; owned from here on.</param>
/// <param name="model">The model; owned from here on.</param>
internal sealed class OpenedSite(CandidateSite site, IDisposable model) : IDisposable
{
    /// <summary>What evaluates.</summary>
    public CandidateSite Site => site;

    /// <inheritdoc/>
    public void Dispose()
    {
        site.Dispose();
        model.Dispose();
    }
}
