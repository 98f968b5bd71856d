using System.IO.Compression;
using System.Net;

namespace SnapViT.Hub;

/// <summary>What an answer of the hub means, by its status and the hub's own headers.</summary>
internal static class HubResponse
{
    /// <summary>The first value of a header; null for none.</summary>
    public static string? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;

    /// <summary>Whether the body is encoded, though plain bytes were asked for.</summary>
    public static bool IsEncoded(HttpResponseMessage answer) => Encodings(answer).Any();

    /// <summary>The body's own bytes: an encoding that a server applied unasked is undone.</summary>
    /// <exception cref="HubException">The encoding is not known.</exception>
    public static Stream Decoded(HttpResponseMessage answer, Stream body, HubRequest what)
    {
        return Encodings(answer).Reverse().Aggregate(body, Decode);

        Stream Decode(Stream stream, string encoding) => encoding switch
        {
            "gzip" or "x-gzip" => new GZipStream(stream, CompressionMode.Decompress),
            "deflate" => new ZLibStream(stream, CompressionMode.Decompress),
            "br" => new BrotliStream(stream, CompressionMode.Decompress),
            _ => throw new HubException(HubErrorKind.Malformed, $"{what}: expected plain bytes, found them encoded as '{encoding}'"),
        };
    }

    /// <summary>Where a redirect leads; null for an answer that is none.</summary>
    public static Uri? Target(HttpResponseMessage answer, Uri asked) =>
        (int)answer.StatusCode is 301 or 302 or 303 or 307 or 308
        && answer.Headers.Location is Uri location
        && Uri.TryCreate(asked, location, out Uri? target)
            ? target
            : null;

    /// <summary>The failure that an answer without success stands for.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="what">What was asked for: the model and, where there is one, the file.</param>
    /// <param name="host">Who answered.</param>
    /// <param name="hub">Whether that is the hub, not a server it redirected to.</param>
    /// <param name="token">Whether a token was sent.</param>
    /// <param name="time">The clock, for a Retry-After that is a date.</param>
    public static HubException Failure(HttpResponseMessage answer, HubRequest what, string host, bool hub, bool token, TimeProvider time)
    {
        int status = (int)answer.StatusCode;
        return (Header(answer, "X-Error-Code"), answer.StatusCode) switch
        {
            // The address a hub redirects to is signed for minutes; asking the hub again gives a fresh one.
            (_, HttpStatusCode.Forbidden) when !hub => Failed(
                HubErrorKind.Unreachable,
                $"{host} refused a download that the hub had granted ({status})"),
            (_, HttpStatusCode.TooManyRequests) => Wait(HubErrorKind.RateLimited, $"{host} asks for fewer requests ({status})"),
            (_, HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError) => Wait(
                HubErrorKind.Unreachable,
                $"{host} is not able to answer ({status})"),
            ("RevisionNotFound", _) => Failed(HubErrorKind.RevisionNotFound, $"the model has no revision '{what.Name.Revision}'"),
            ("EntryNotFound", _) => Failed(HubErrorKind.FileNotFound, "the revision has no such file"),
            ("GatedRepo", _) => Failed(
                HubErrorKind.AccessDenied,
                $"the model is gated: accept its conditions on {host} and give a token (HF_TOKEN) of that account ({status})"),
            (_, HttpStatusCode.Unauthorized) when token => Failed(
                HubErrorKind.AccessDenied,
                $"{host} has no such model for this token, or does not accept the token ({status})"),
            (_, HttpStatusCode.Unauthorized or HttpStatusCode.NotFound) when hub => Failed(
                HubErrorKind.ModelNotFound,
                $"{host} has no such model, or it is private and needs a token (HF_TOKEN) that may read it ({status})"),
            (_, HttpStatusCode.Forbidden) => Failed(HubErrorKind.AccessDenied, $"{host} denies access ({status})"),
            _ => Failed(HubErrorKind.Malformed, $"expected a hub's answer of {host}, found status {status}"),
        };

        HubException Failed(HubErrorKind fault, string message) => new(fault, $"{what}: {message}");

        HubException Wait(HubErrorKind fault, string message)
        {
            TimeSpan asked = answer.Headers.RetryAfter is { } header
                ? header.Delta ?? header.Date - time.GetUtcNow() ?? TimeSpan.Zero
                : TimeSpan.Zero;
            return new HubException(fault, $"{what}: {message}{(asked > TimeSpan.Zero ? $" and to wait {asked.TotalSeconds:0} s" : "")}")
            {
                RetryAfter = asked,
            };
        }
    }

    private static IEnumerable<string> Encodings(HttpResponseMessage answer) =>
        answer.Content.Headers.ContentEncoding.Select(encoding => encoding.ToLowerInvariant()).Where(encoding => encoding != "identity");
}
