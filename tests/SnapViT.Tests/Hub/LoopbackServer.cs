using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace SnapViT.Tests.Hub;

/// <summary>What a client sent.</summary>
internal sealed record Asked(string Method, string Path, IReadOnlyDictionary<string, string> Headers)
{
    public string? Token => Headers.GetValueOrDefault("authorization");

    public long From => Headers.TryGetValue("range", out string? range) ? long.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture) : 0;
}

/// <summary>What it gets back; the connection is cut after <paramref name="CutAfter"/> bytes of the body, or held open in silence where that is negative.</summary>
internal sealed record Answer(int Status, byte[] Body, int? CutAfter = null)
{
    public Dictionary<string, string> Headers { get; } = [];

    /// <summary>Whether the length is kept back; the body then ends with the connection.</summary>
    public bool HasNoLength { get; init; }

    public Answer With(string name, string value)
    {
        Headers[name] = value;
        return this;
    }
}

/// <summary>A real HTTP/1.1 server on a free port of 127.0.0.1; one request a connection, and every fault a network has.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Asked, Answer> _respond;
    private readonly X509Certificate2? _certificate;

    public LoopbackServer(Func<Asked, Answer> respond, X509Certificate2? certificate = null)
    {
        _respond = respond;
        _certificate = certificate;
        _listener.Start();
        Address = new Uri($"{(certificate is null ? "http" : "https")}://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _ = AcceptAsync();
    }

    public Uri Address { get; }

    public ConcurrentQueue<Asked> Requests { get; } = [];

    public void Dispose()
    {
        if (!_stop.IsCancellationRequested)
        {
            _stop.Cancel();
            _stop.Dispose();
        }

        _listener.Dispose();
        _certificate?.Dispose();
    }

    private async Task AcceptAsync()
    {
        CancellationToken stop = _stop.Token;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(stop), stop);
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(TcpClient client, CancellationToken stop)
    {
        using TcpClient owned = client;
        try
        {
            await using Stream stream = _certificate is null ? client.GetStream() : await EncryptedAsync(client.GetStream(), stop);
            if (await ReadAsync(stream, stop) is Asked asked)
            {
                Requests.Enqueue(asked);
                await WriteAsync(stream, asked, _respond(asked), stop);
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
        {
            // The client went away, which is its right.
        }
    }

    private async Task<Stream> EncryptedAsync(Stream plain, CancellationToken stop)
    {
        SslStream encrypted = new(plain);
        await encrypted.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, stop);
        return encrypted;
    }

    private static async Task<Asked?> ReadAsync(Stream stream, CancellationToken stop)
    {
        StringBuilder head = new();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, stop) == 0)
            {
                return null;
            }

            head.Append((char)one[0]);
        }

        string[] lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        string[] first = lines[0].Split(' ');
        return new Asked(first[0], first[1], lines.Skip(1).Select(line => line.Split(": ", 2)).ToDictionary(pair => pair[0].ToLowerInvariant(), pair => pair[1]));
    }

    private static async Task WriteAsync(Stream stream, Asked asked, Answer answer, CancellationToken stop)
    {
        if (answer.CutAfter < 0)
        {
            await Task.Delay(Timeout.Infinite, stop);
        }

        string length = answer.HasNoLength || answer.Headers.ContainsKey("Content-Length") ? "" : $"Content-Length: {answer.Body.Length}\r\n";
        string headers = string.Concat(answer.Headers.Select(header => $"{header.Key}: {header.Value}\r\n"));
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {answer.Status} X\r\nConnection: close\r\n{length}{headers}\r\n"), stop);
        await stream.WriteAsync(answer.Body.AsMemory(0, asked.Method == "HEAD" ? 0 : answer.CutAfter ?? answer.Body.Length), stop);
    }
}
