using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Cluster;
using SnapViT.Core.Errors;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit worker</c>: evaluates candidates for builds on other machines.</summary>
internal static class WorkerCommand
{
    private static readonly Option<string> Cluster = new("--cluster")
    {
        Description = "As that of the build: localhost, its address and port, redis:HOST:PORT, postgres:CONNECTION or sqlite:FILE.",
        DefaultValueFactory = _ => "localhost",
    };
    private static readonly Option<string?> Listen = new("--listen")
    {
        Description = "The address of this machine that the build reaches it by. Default: 127.0.0.1, for a build on the same machine.",
    };
    private static readonly Option<bool> Once = new("--once") { Description = "Ends when the first build is over." };

    /// <summary>The verb.</summary>
    /// <param name="parse">Reads the command line of a build.</param>
    public static Command Create(Func<IReadOnlyList<string>, ParseResult> parse)
    {
        Verb command = new("worker", "Evaluates candidates for 'snapvit build --cluster', here or on other machines.", """
            It waits for a build, opens the same model and photos by the same paths, and evaluates what it is given until the build is
            over. A worker may come late, stop or be killed: the scores are the same. Use it in networks only that you trust.

              snapvit worker
              snapvit build MODEL --images photos --evaluations 200 --cluster localhost --out scores.safetensors
            """);
        foreach (Option option in new Option[] { Cluster, Listen, Once })
        {
            command.Options.Add(option);
        }

        command.Does((parsed, cancellation) => Run(parsed, parse, cancellation));
        return command;
    }

    private static Report? Run(
        ParseResult parsed, Func<IReadOnlyList<string>, ParseResult> parse, CancellationToken cancellation)
    {
        TextWriter error = parsed.InvocationConfiguration.Error;
        GlobalOptions.ReadyTorch(parsed);
        ClusterWorker.Run(
            ClusterAddress.OfWorker(parsed.GetRequiredValue(Cluster), parsed.GetValue(Listen)),
            job => Open(job, parse, cancellation),
            parsed.GetValue(Once),
            text =>
            {
                lock (error)
                {
                    error.WriteLine($"snapvit: {text}");
                }
            },
            cancellation);
        cancellation.ThrowIfCancellationRequested();
        return null;
    }

    private static OpenedSite Open(
        ClusterJob job, Func<IReadOnlyList<string>, ParseResult> parse, CancellationToken cancellation)
    {
        Directory.SetCurrentDirectory(job.Folder);
        ParseResult build = parse(job.Arguments);
        return build.Errors.Count == 0 && build.CommandResult.Command.Name == "build"
            ? BuildCommand.OpenSite(build, job, cancellation)
            : throw new SnapViTException(ErrorKind.Option, "worker: expected the command line of a build of this version, found another");
    }
}
