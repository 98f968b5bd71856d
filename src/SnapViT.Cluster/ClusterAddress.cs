using System.Net;
using SnapViT.Cluster.Membership;
using SnapViT.Core.Errors;

namespace SnapViT.Cluster;

/// <summary>Where the silos of a cluster find each other, and where this one listens.</summary>
/// <param name="Membership">Where the list of all is.</param>
/// <param name="Listen">The address that this silo is reached by.</param>
internal sealed record ClusterAddress(ClusterMembership Membership, IPAddress Listen)
{
    /// <summary>The address of a build.</summary>
    /// <param name="cluster">Where the list of all is: see <see cref="ClusterMembership.Parse"/>.</param>
    /// <param name="listen">
    /// This machine's address; null for that of the list if it names one, else for one that only this machine can reach.
    /// </param>
    /// <exception cref="SnapViTException">It is no address.</exception>
    public static ClusterAddress OfBuild(string cluster, string? listen = null)
    {
        ClusterMembership membership = ClusterMembership.Parse(cluster);
        return membership.Build is not { } build ? new ClusterAddress(membership, Address(listen))
            : listen is null ? new ClusterAddress(membership, build.Address)
            : throw new SnapViTException(ErrorKind.Option, $"cluster: expected the address of the build once, found {build} and {listen}");
    }

    /// <summary>The address of a worker.</summary>
    /// <param name="cluster">Where the list of all is: see <see cref="ClusterMembership.Parse"/>.</param>
    /// <param name="listen">This machine's address; null for one that only it can reach.</param>
    /// <exception cref="SnapViTException">It is no address, or one that the build could not reach.</exception>
    public static ClusterAddress OfWorker(string cluster, string? listen)
    {
        ClusterMembership membership = ClusterMembership.Parse(cluster);
        IPAddress own = Address(listen);
        return membership.Build is not { } build || IPAddress.IsLoopback(build.Address) || !IPAddress.IsLoopback(own)
            ? new ClusterAddress(membership, own)
            : throw new SnapViTException(
                ErrorKind.Option, $"cluster: expected the address of this machine with {build}, found that which only it can reach");
    }

    /// <inheritdoc/>
    public override string ToString() => Membership.ToString()!;

    private static IPAddress Address(string? listen) =>
        listen is null ? IPAddress.Loopback
        : IPAddress.TryParse(listen, out IPAddress? address) ? address
        : throw new SnapViTException(ErrorKind.Option, $"cluster: expected the address of this machine, found '{listen}'");
}
