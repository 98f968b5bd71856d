using System.Net;
using System.Net.Sockets;

namespace SnapViT.Cluster.Membership;

/// <summary>Ports that silos listen at.</summary>
internal static class TcpPort
{
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
    public static int Free(IPAddress address)
    {
        using Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
