using System.Globalization;
using SnapViT.Core.Errors;

namespace SnapViT.Cluster;

/// <summary>A build that candidates are evaluated for: what another machine opens to do the same.</summary>
/// <param name="Id">Another one for every run.</param>
/// <param name="Folder">Where relative paths begin.</param>
/// <param name="State">The state of the build, a path.</param>
/// <param name="Threads">Threads of the matrix products: as many everywhere, since the last bits depend on them.</param>
/// <param name="Machine">The kind of processor and the threads; a worker of another kind would give other bits.</param>
/// <param name="Arguments">The command line of the build.</param>
internal sealed record ClusterJob(
    string Id, string Folder, string State, int Threads, string Machine, IReadOnlyList<string> Arguments)
{
    private const int Facts = 5;

    /// <summary>The job as strings, as it is sent.</summary>
    public string[] ToText() => [Id, Folder, State, Threads.ToString(CultureInfo.InvariantCulture), Machine, .. Arguments];

    /// <summary>What <see cref="ToText"/> gave.</summary>
    /// <exception cref="SnapViTException">It is something else.</exception>
    public static ClusterJob Parse(string[] text) =>
        text.Length >= Facts && int.TryParse(text[3], NumberStyles.None, CultureInfo.InvariantCulture, out int threads)
            ? new ClusterJob(text[0], text[1], text[2], threads, text[4], text[Facts..])
            : throw new SnapViTException(ErrorKind.Option, "cluster: expected a job of a build, found another message");
}
