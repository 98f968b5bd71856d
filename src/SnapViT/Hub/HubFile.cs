using System.Text.RegularExpressions;

namespace SnapViT.Hub;

/// <summary>What the hub announces of one file.</summary>
/// <param name="ETag">The content's name in the cache: its sha256 where it is large, its git hash otherwise; fit to be a file name.</param>
/// <param name="Size">Bytes.</param>
internal sealed partial record HubFile(string ETag, long Size)
{
    /// <summary>The sha256 of the content, lower-case hexadecimal; null where the hub tells none.</summary>
    public string? Sha256 => Sha256Pattern().IsMatch(ETag) ? ETag : null;

    /// <summary>Reads the headers of an answer; null where one is missing or would not do as a file name.</summary>
    public static HubFile? Of(HttpResponseMessage answer)
    {
        string etag = (HubResponse.Header(answer, "X-Linked-ETag") ?? HubResponse.Header(answer, "ETag") ?? "").Replace("W/", "", StringComparison.Ordinal).Trim('"');
        long? size = long.TryParse(HubResponse.Header(answer, "X-Linked-Size"), out long linked) ? linked : answer.IsSuccessStatusCode ? answer.Content.Headers.ContentLength : null;
        return ETagPattern().IsMatch(etag) && size >= 0 ? new HubFile(etag, size.Value) : null;
    }

    [GeneratedRegex(@"\A[0-9a-f]{64}\z")]
    private static partial Regex Sha256Pattern();

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,128}\z")]
    private static partial Regex ETagPattern();
}
