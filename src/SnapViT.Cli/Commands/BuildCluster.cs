using System.CommandLine;
using SnapViT.Cluster;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary>The cluster of one build, of which this process is a silo, and the options for it.</summary>
internal sealed class BuildCluster : IDisposable
{
    private static readonly Option<string?> Cluster = new("--cluster")
    {
        Description = "Evaluates candidates of the search and of the frontier on workers too ('snapvit worker'): localhost, the "
            + "address and port of this machine that workers join at, or where both find each other: redis:HOST:PORT, "
            + "postgres:CONNECTION, sqlite:FILE.",
    };
    private static readonly Option<string?> Listen = new("--listen")
    {
        Description = "For --cluster with a database: the address of this machine that workers reach it by. Default: 127.0.0.1, for "
            + "workers on the same machine.",
    };
    private static readonly Option<double?> WorkerTimeout = new("--worker-timeout")
    {
        Description = "For --cluster: seconds after which what a worker was given goes to others. Default: ten times the slowest so far, "
            + "at least 60.",
    };

    private readonly ClusterEvaluation _evaluation;
    private readonly Action<string> _told;

    private BuildCluster(ClusterEvaluation evaluation, Action<string> told) => (_evaluation, _told) = (evaluation, told);

    /// <summary>The options of a build for it.</summary>
    public static IReadOnlyList<Option> Options { get; } = [Cluster, Listen, WorkerTimeout];

    /// <summary>What evaluates candidates.</summary>
    public Search.ICandidateCluster Evaluation => _evaluation;

    /// <summary>Refuses options that contradict each other.</summary>
    /// <param name="parsed">The command line of the build.</param>
    /// <param name="options">What it says.</param>
    /// <param name="shard">The part of the photos that is read; null for all.</param>
    /// <exception cref="SnapViTException">They do.</exception>
    public static void Require(ParseResult parsed, BuildOptions options, ImageShard? shard)
    {
        bool isCluster = GlobalOptions.IsGiven(parsed, Cluster);
        if (isCluster && (shard is not null || (options.Evaluations == 0 && options.FrontierImages == 0)))
        {
            throw new SnapViTException(ErrorKind.Option, $"{Cluster.Name}: expected a search or a frontier with it, found none");
        }

        if (isCluster && options.Search.Racing)
        {
            throw new SnapViTException(
                ErrorKind.Option,
                $"--racing: expected candidates one after the other, found {Cluster.Name}, which evaluates generations at once");
        }

        foreach (Option option in new Option[] { WorkerTimeout, Listen })
        {
            if (!isCluster && GlobalOptions.IsGiven(parsed, option))
            {
                throw new SnapViTException(ErrorKind.Option, $"{option.Name}: expected {Cluster.Name} with it, found none");
            }
        }

        if (parsed.GetValue(WorkerTimeout) is double seconds && !(seconds is > 0 and < 1e6))
        {
            throw new SnapViTException(ErrorKind.Option, $"{WorkerTimeout.Name}: expected a number above 0, found {seconds}");
        }
    }

    /// <summary>Starts the silo where there is to be one.</summary>
    /// <param name="parsed">The command line of the build, which workers read too.</param>
    /// <param name="state">The state of the build.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="SnapViTException">The cluster cannot be started.</exception>
    public static BuildCluster? Start(ParseResult parsed, string state, CancellationToken cancellation)
    {
        if (parsed.GetValue(Cluster) is not string at)
        {
            return null;
        }

        TextWriter error = parsed.InvocationConfiguration.Error;
        ClusterJob job = new(
            Guid.NewGuid().ToString("N"), Directory.GetCurrentDirectory(), Path.GetFullPath(state), get_num_threads(),
            BuildState.ThisMachine(), [.. parsed.Tokens.Select(token => token.Value)]);
        return new BuildCluster(
            new ClusterEvaluation(
                ClusterAddress.OfBuild(at, parsed.GetValue(Listen)), job,
                parsed.GetValue(WorkerTimeout) is double seconds ? TimeSpan.FromSeconds(seconds) : null, Tell, cancellation),
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
