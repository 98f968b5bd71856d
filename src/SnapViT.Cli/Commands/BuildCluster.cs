using System.CommandLine;
using SnapViT.Cluster;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary>The cluster of one build: this process is its first silo.</summary>
internal sealed class BuildCluster : IDisposable
{
    private readonly ClusterEvaluation _evaluation;
    private readonly Action<string> _told;

    private BuildCluster(ClusterEvaluation evaluation, Action<string> told) => (_evaluation, _told) = (evaluation, told);

    /// <summary>What evaluates candidates.</summary>
    public Search.ICandidateCluster Evaluation => _evaluation;

    /// <summary>Starts the silo.</summary>
    /// <param name="parsed">The command line of the build, which workers read too.</param>
    /// <param name="at">Where workers join.</param>
    /// <param name="timeout">Seconds that a worker has; null to judge by what was measured.</param>
    /// <param name="state">The state of the build.</param>
    /// <param name="cancellation">Stops it.</param>
    public static BuildCluster Start(ParseResult parsed, ClusterAddress at, double? timeout, string state, CancellationToken cancellation)
    {
        TextWriter error = parsed.InvocationConfiguration.Error;
        ClusterJob job = new(
            Guid.NewGuid().ToString("N"), Directory.GetCurrentDirectory(), Path.GetFullPath(state), get_num_threads(),
            BuildState.ThisMachine(), [.. parsed.Tokens.Select(token => token.Value)]);
        return new BuildCluster(
            new ClusterEvaluation(
                at, job, timeout is double seconds ? TimeSpan.FromSeconds(seconds) : null, Tell, cancellation),
            Tell);

        void Tell(string text)
        {
            lock (error)
            {
                error.WriteLine($"snapvit: {text}");
            }
        }
    }

    /// <summary>Says who evaluated how many candidates.</summary>
    public void Tell()
    {
        (int workers, int here) = _evaluation.Counts;
        _told($"{workers} candidates were evaluated by workers, {here} here");
    }

    /// <inheritdoc/>
    public void Dispose() => _evaluation.Dispose();
}
