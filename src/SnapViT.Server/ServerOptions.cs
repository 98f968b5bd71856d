using System.Globalization;
using System.Net;
using SnapViT.Core.Errors;

namespace SnapViT.Server;

/// <summary>Where the server listens, what it takes, and how it works.</summary>
internal sealed record ServerOptions
{
    /// <summary>The port where none is named.</summary>
    public const int DefaultPort = 8090;

    /// <summary>Address and port; port 0 for any that is free.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, DefaultPort);

    /// <summary>The budget of requests that say neither budget nor deadline; null for the largest size.</summary>
    public string? Budget { get; init; }

    /// <summary>Images of one forward pass at most.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>How long the first image of a batch waits for others that are on their way.</summary>
    public TimeSpan BatchWait { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Images that may wait for a forward pass.</summary>
    public int QueueImages { get; init; } = 64;

    /// <summary>Requests that are read, decoded or waiting at the same time.</summary>
    public int MaxRequests { get; init; } = 64;

    /// <summary>Images of one request.</summary>
    public int MaxImages { get; init; } = 32;

    /// <summary>Bytes of one request's body.</summary>
    public long MaxBytes { get; init; } = 32 << 20;

    /// <summary>Pixels of one image.</summary>
    public int MaxPixels { get; init; } = 50_000_000;

    /// <summary>How long a request's body may take to arrive.</summary>
    public TimeSpan BodyTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a body that is arriving is waited for once the server stops.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The key that requests must show; null for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Settings of the OpenTelemetry exporter (<c>OTEL_…</c>); it runs where an endpoint is named.</summary>
    public IReadOnlyDictionary<string, string> Telemetry { get; init; } = new Dictionary<string, string>();

    /// <summary>Bytes of all bodies that are held at the same time.</summary>
    public long MaxHeldBytes => 8 * MaxBytes;

    /// <summary>Reads an address: <c>8090</c>, <c>127.0.0.1:8090</c>, <c>[::1]:8090</c>, <c>localhost:8090</c> or <c>*:8090</c>.</summary>
    /// <exception cref="SnapViTException">It is none of these.</exception>
    public static IPEndPoint ParseListen(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? "localhost" : text[..colon], port = text[(colon + 1)..];
        IPAddress? address = host switch
        {
            "localhost" => IPAddress.Loopback,
            "*" => IPAddress.IPv6Any,
            ['[', .. string inner, ']'] => IPAddress.TryParse(inner, out IPAddress? six) ? six : null,
            _ when !host.Contains(':', StringComparison.Ordinal) => IPAddress.TryParse(host, out IPAddress? four) ? four : null,
            _ => null,
        };
        return address is not null && ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out ushort number)
            ? new IPEndPoint(address, number)
            : throw new SnapViTException(
                ErrorKind.Option, $"listen: expected a port or ADDRESS:PORT such as 127.0.0.1:{DefaultPort}, found '{text}'");
    }

    /// <exception cref="SnapViTException">A number is outside its range.</exception>
    public ServerOptions Validated()
    {
        Require(BatchSize is >= 1 and <= 256, "batch", "1 to 256 images", BatchSize);
        double wait = BatchWait.TotalMilliseconds;
        Require(wait is >= 0 and <= 1000, "batch wait", "0 to 1000 ms", wait);
        Require(MaxImages is >= 1 and <= 4096, "images of a request", "1 to 4096", MaxImages);
        Require(QueueImages >= MaxImages, "queue", $"at least the {MaxImages} images of one request", QueueImages);
        Require(QueueImages <= 1 << 16, "queue", $"at most {1 << 16} images", QueueImages);
        Require(MaxRequests is >= 1 and <= 1 << 16, "requests at a time", $"1 to {1 << 16}", MaxRequests);
        Require(MaxBytes is >= 1 << 10 and <= 1 << 30, "bytes of a request", "1 KiB to 1 GiB", MaxBytes);
        const int Most = Data.ImageDecoder.MaxPixels;
        Require(MaxPixels is >= 1 and <= Most, "pixels of an image", $"1 to {Most}", MaxPixels);
        Require(BodyTimeout > TimeSpan.Zero, "body timeout", "more than 0 s", BodyTimeout.TotalSeconds);
        Require(ApiKey is not { Length: < 8 }, "API key", "at least 8 characters", ApiKey?.Length ?? 0);
        return this;
    }

    private static void Require(bool holds, string what, string expected, double found)
    {
        if (!holds)
        {
            throw new SnapViTException(
                ErrorKind.Option, string.Create(CultureInfo.InvariantCulture, $"{what}: expected {expected}, found {found}"));
        }
    }
}
