using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace SnapViT.Hub;

/// <summary>What a hub announces of one file.</summary>
/// <param name="BlobName">
/// The content's name in the cache, fit to be a file name on any system: the ETag where it is a hash of the content, as the hub's own are;
/// else a name made of the commit, the file and the ETag, for an ETag of size and time is the same for two files written in one second.
/// </param>
/// <param name="Size">Bytes; null where the hub does not tell.</param>
internal sealed partial record HubFile(string BlobName, long? Size)
{
    private const int NameLength = 32;
    private const long LargestSmallFile = 1 << 20;

    /// <summary>Reads the headers of an answer; null where there is no ETag.</summary>
    public static HubFile? Of(HttpResponseMessage answer, HubRequest request)
    {
        string told = (HubResponse.Header(answer, "X-Linked-ETag") ?? HubResponse.Header(answer, "ETag") ?? "").Trim();
        string etag = (told.StartsWith("W/", StringComparison.Ordinal) ? told[2..] : told).Trim('"');
        long? size = long.TryParse(
                HubResponse.Header(answer, "X-Linked-Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long linked)
            ? linked
            : answer.IsSuccessStatusCode && !HubResponse.IsEncoded(answer) ? answer.Content.Headers.ContentLength
            : null;
        string hash = etag.ToLowerInvariant();
        return etag.Length == 0 ? null : new HubFile(HashPattern().IsMatch(hash) ? hash : Made(request, etag), size);
    }

    /// <summary>The hash of a content that has the name it should have; null where it is right, or where the name is no hash.</summary>
    /// <param name="content">The whole content, from its start.</param>
    /// <param name="name">Its name in the cache.</param>
    /// <param name="cancellation">Stops.</param>
    public static async Task<string?> WrongHashAsync(Stream content, string name, CancellationToken cancellation)
    {
        if (!HashPattern().IsMatch(name))
        {
            return null;
        }

        if (name.Length == 2 * SHA256.HashSizeInBytes)
        {
            string sha256 = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancellation).ConfigureAwait(false));
            return sha256 == name ? null : sha256;
        }

        // The hub names small files as git does, mirrors of other makers by the hash of the bytes alone.
#pragma warning disable CA5350 // The publishers chose the hash; it finds damage and is no protection against forgery, which TLS is.
        using IncrementalHash git = IncrementalHash.CreateHash(HashAlgorithmName.SHA1),
            plain = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        git.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")));
        byte[] buffer = new byte[1 << 16];
        while (await content.ReadAsync(buffer, cancellation).ConfigureAwait(false) is int read and > 0)
        {
            git.AppendData(buffer, 0, read);
            plain.AppendData(buffer, 0, read);
        }

        string found = Convert.ToHexStringLower(git.GetHashAndReset());
        return found == name || Convert.ToHexStringLower(plain.GetHashAndReset()) == name ? null : found;
    }

    /// <summary>
    /// Whether a content in the cache is what its name says; large ones are taken at their word, for they were checked when they came.
    /// </summary>
    public static async Task<bool> IsSoundAsync(string blob, CancellationToken cancellation)
    {
        FileInfo file = new(blob);
        if (file.Length > LargestSmallFile)
        {
            return true;
        }

        FileStream stream = file.OpenRead();
        await using (stream.ConfigureAwait(false))
        {
            return await WrongHashAsync(stream, file.Name, cancellation).ConfigureAwait(false) is null;
        }
    }

    private static string Made(HubRequest request, string etag)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{request.Commit}\n{request.File}\n{etag}"));
        return $"etag-{Convert.ToHexStringLower(hash)[..NameLength]}";
    }

    [GeneratedRegex(@"\A([0-9a-f]{40}|[0-9a-f]{64})\z")]
    private static partial Regex HashPattern();
}
