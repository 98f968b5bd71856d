using System.Globalization;
using System.Net;
using System.Net.Sockets;
using SnapViT.Core.Errors;

namespace SnapViT.Cluster;

/// <summary>Where the silos of a cluster find each other, and where this one listens.</summary>
/// <param name="Build">The silo of the build, which keeps the list of all.</param>
/// <param name="Listen">The address that this silo is reached by.</param>
internal sealed record ClusterAddress(IPEndPoint Build, IPAddress Listen)
{
    /// <summary>The address of the build where none is named.</summary>
    public const string Default = "127.0.0.1:11111";

    /// <summary>The address of a build on this machine.</summary>
    /// <exception cref="SnapViTException">It is no address.</exception>
    public static ClusterAddress OfBuild(string build)
    {
        IPEndPoint point = ParseBuild(build);
        return new ClusterAddress(point, point.Address);
    }

    /// <summary>Reads addresses as they are named on a command line.</summary>
    /// <param name="build">The build's, such as "10.0.0.5:11111"; "localhost" for <see cref="Default"/>.</param>
    /// <param name="listen">This machine's address; null for one that only it can reach.</param>
    /// <exception cref="SnapViTException">It is no address.</exception>
    public static ClusterAddress Parse(string build, string? listen)
    {
        IPEndPoint point = ParseBuild(build);
        IPAddress own = listen is null ? IPAddress.Loopback
            : IPAddress.TryParse(listen, out IPAddress? address) ? address
            : throw new SnapViTException(ErrorKind.Option, $"cluster: expected the address of this machine, found '{listen}'");
        return IPAddress.IsLoopback(point.Address) || !IPAddress.IsLoopback(own)
            ? new ClusterAddress(point, own)
            : throw new SnapViTException(
                ErrorKind.Option, $"cluster: expected the address of this machine with {build}, found that which only it can reach");
    }

    private static IPEndPoint ParseBuild(string build) =>
        IPEndPoint.TryParse(build == "localhost" ? Default : build, out IPEndPoint? found) && found.Port > 0
            ? found
            : throw new SnapViTException(ErrorKind.Option, $"cluster: expected an address such as {Default}, found '{build}'");

    /// <summary>Whether something listens there.</summary>
    public static bool Answers(IPEndPoint point)
    {
        using Socket socket = new(point.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            using CancellationTokenSource soon = new(TimeSpan.FromSeconds(2));
            socket.ConnectAsync(point, soon.Token).AsTask().GetAwaiter().GetResult();
            return true;
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>A port that is free now.</summary>
    public static int FreePort(IPAddress address)
    {
        using Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Build}");
}
