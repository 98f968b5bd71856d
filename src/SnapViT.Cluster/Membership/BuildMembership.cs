using System.Globalization;
using System.Net;

namespace SnapViT.Cluster.Membership;

/// <summary>The build keeps the list in its memory: it needs no database, and is gone with the build.</summary>
/// <param name="build">The silo of the build.</param>
internal sealed class BuildMembership(IPEndPoint build) : ClusterMembership
{
    /// <summary>The address of a build where none is named.</summary>
    public const string Default = "127.0.0.1:11111";

    /// <inheritdoc/>
    public override IPEndPoint Build => build;

    /// <inheritdoc/>
    public override bool IsReady() => TcpPort.Answers(build);

    /// <inheritdoc/>
    public override void Use(ISiloBuilder silo) => silo.UseDevelopmentClustering(build);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{build}");
}
