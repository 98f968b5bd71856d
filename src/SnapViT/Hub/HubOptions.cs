using SnapViT.Core.Errors;

namespace SnapViT.Hub;

/// <summary>Where models come from, where they are kept, and how patient a fetch is.</summary>
public sealed record HubOptions
{
    /// <summary>
    /// The folder that holds the <c>models--org--name</c> folders, shared with every other client of the hub; made when it is missing.
    /// </summary>
    public required string CacheFolder { get; init; }

    /// <summary>The hub: http or https, may have a path, neither query nor user name; default the Hugging Face hub.</summary>
    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>
    /// The access token of private and gated models; null for none. It is sent to <see cref="Endpoint"/> only and never shown.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>Whether the network is left alone and only the cache is used; default false.</summary>
    public bool Offline { get; init; }

    /// <summary>
    /// Waits before the second, third, … try after a failure that may pass; empty for a single try. Default 1, 2, 4, 8, 8 seconds,
    /// without jitter.
    /// </summary>
    public IReadOnlyList<TimeSpan> RetryDelays { get; init; } =
        [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(8)];

    /// <summary>The longest wait that the hub may ask for by Retry-After before the fetch gives up; default 5 minutes.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Time without a single byte after which a connection counts as cut, above 0; default 30 seconds.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The clock of the waits between tries; default the system's.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Checks the options.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">An option is out of its range; the message lists all violations.</exception>
    public HubOptions Validated()
    {
        List<string> faults = [];
        if (string.IsNullOrWhiteSpace(CacheFolder))
        {
            faults.Add("hub cache: expected a folder, found nothing");
        }

        if (!Endpoint.IsAbsoluteUri
            || Endpoint.Scheme is not ("http" or "https")
            || Endpoint.Query.Length + Endpoint.Fragment.Length + Endpoint.UserInfo.Length > 0)
        {
            // The address is not repeated: what stands before an @ in it is a password.
            faults.Add("hub endpoint: expected an address such as https://host, found something else");
        }

        if (Token is not null && (Token.Length == 0 || Token.Any(c => c is <= ' ' or > '~')))
        {
            faults.Add("hub token: expected visible ASCII characters without spaces, found others");
        }

        if (RetryDelays.Any(delay => delay < TimeSpan.Zero) || LongestWait < TimeSpan.Zero || StallTimeout <= TimeSpan.Zero)
        {
            faults.Add("hub waits: expected retry delays and the longest wait of 0 or more and a stall timeout above 0, found less");
        }

        return faults.Count == 0 ? this : throw new SnapViTException(ErrorKind.Option, string.Join("; ", faults));
    }

    /// <summary>What may be shown of the options: all but the token.</summary>
    public override string ToString() =>
        $"{Endpoint} to {CacheFolder}{(Offline ? ", offline" : "")}{(Token is null ? "" : ", with a token")}";
}
