using System.Net;
using System.Security.Cryptography;
using SnapViT.Workflows;

namespace SnapViT.Hub;

/// <summary>
/// Brings one content into the cache: into <c>.incomplete</c> beside its place, continued there after a cut, checked, then renamed.
/// </summary>
internal sealed class HubDownload(HubConnection connection, RetryPolicy retries, IProgress<WorkProgress>? progress)
{
    private const int BufferSize = 1 << 17;
    private const long ReportInterval = 1 << 20;
    private const long LargestDescription = 32 << 20;

    private readonly IProgress<WorkProgress>? _progress = JobProgress.Of(progress, TimeProvider.System);

    /// <summary>Fetches a content unless it is there and sound. The caller holds its lock.</summary>
    public async Task FetchAsync(HubRequest request, HubFile file, string blob, CancellationToken cancellation)
    {
        if (File.Exists(blob) && await HubFile.IsSoundAsync(blob, cancellation).ConfigureAwait(false))
        {
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
        string incomplete = $"{blob}.incomplete";
        if (!await FilledAsync(request, file, incomplete, cancellation).ConfigureAwait(false))
        {
            // What was continued may have been someone else's leftover; a second fault is the server's.
            File.Delete(incomplete);
            _ = await FilledAsync(request, file, incomplete, cancellation).ConfigureAwait(false);
        }

        File.Move(incomplete, blob, overwrite: true);
    }

    /// <summary>Fills the file with the whole content. False: bytes from an earlier run spoil it.</summary>
    private async Task<bool> FilledAsync(HubRequest request, HubFile file, string path, CancellationToken cancellation)
    {
        FileStream stream = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, BufferSize);
        await using (stream.ConfigureAwait(false))
        {
            bool continued = stream.Length > 0;
            if (stream.Length > file.Size)
            {
                return false;
            }

            Report(request, file.Size ?? 0, stream.Length);
            bool complete = stream.Length == file.Size;
            while (!complete)
            {
                complete = await retries.RunAsync(() => AppendAsync(request, file, stream, cancellation), cancellation)
                    .ConfigureAwait(false);
            }

            stream.Flush(flushToDisk: true);
            stream.Position = 0;
            string? wrong = await HubFile.WrongHashAsync(stream, file.BlobName, cancellation).ConfigureAwait(false);
            if (wrong is null)
            {
                return true;
            }

            stream.SetLength(0);
            string hash = wrong.Length == 2 * SHA256.HashSizeInBytes ? "sha256" : "git hash";
            return continued
                ? false
                : throw new HubException(HubErrorKind.Damaged, $"{request}: expected {hash} {file.BlobName}, found {wrong}");
        }
    }

    /// <summary>One more piece of the content; whether it is complete now.</summary>
    private async Task<bool> AppendAsync(HubRequest request, HubFile file, FileStream stream, CancellationToken cancellation)
    {
        // Without a size nothing tells whether what is there is a beginning or all.
        long start = file.Size is null ? 0 : stream.Length;
        stream.SetLength(start);
        bool continues = file.Size is not null;
        try
        {
            using HttpResponseMessage answer = await connection.OpenAsync(request, start, cancellation).ConfigureAwait(false);
            if (HubResponse.IsEncoded(answer))
            {
                continues = false;
                if (start > 0)
                {
                    // The rest of an encoded body cannot be decoded by itself: all over again.
                    stream.SetLength(0);
                    return false;
                }
            }

            Position(request, file, stream, answer);
            await CopyAsync(request, file, stream, answer, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (HubException exception) when (exception.Fault == HubErrorKind.Unreachable && continues && stream.Length > start)
        {
            throw new HubException(exception.Fault, exception.Message, exception)
            {
                AfterProgress = true,
                RetryAfter = exception.RetryAfter,
            };
        }
        catch (HubException) when (!continues)
        {
            stream.SetLength(0);
            throw;
        }
    }

    /// <summary>Sets the stream to where the answer begins.</summary>
    private static void Position(HubRequest request, HubFile file, FileStream stream, HttpResponseMessage answer)
    {
        if (answer.StatusCode == HttpStatusCode.PartialContent)
        {
            long? from = answer.Content.Headers.ContentRange?.From, of = answer.Content.Headers.ContentRange?.Length;
            if (from != stream.Length || (of is not null && file.Size is not null && of != file.Size))
            {
                throw new HubException(
                    HubErrorKind.Malformed, $"{request}: expected bytes from {stream.Length} of {file.Size}, found from {from} of {of}");
            }
        }
        else
        {
            // The server does not continue: all over again.
            stream.SetLength(0);
        }

        stream.Position = stream.Length;
    }

    private async Task CopyAsync(
        HubRequest request,
        HubFile file,
        FileStream stream,
        HttpResponseMessage answer,
        CancellationToken cancellation)
    {
        // What a server says of an encoded body is the size of the encoding.
        long? size = HubResponse.IsEncoded(answer) ? null
            : file.Size ?? (answer.StatusCode == HttpStatusCode.OK ? answer.Content.Headers.ContentLength : null);
        long most = size ?? (request.File!.EndsWith(".json", StringComparison.Ordinal) ? LargestDescription : long.MaxValue);
        Stream body = await connection.UnstalledAsync(request, answer.Content.ReadAsStreamAsync, cancellation).ConfigureAwait(false);
        Stream content = HubResponse.Decoded(answer, body, request);
        byte[] buffer = new byte[BufferSize];
        long reported = stream.Length;
        Task<int> ReadAsync() => connection.UnstalledAsync(request, stop => content.ReadAsync(buffer, stop).AsTask(), cancellation);
        while (await ReadAsync().ConfigureAwait(false) is int read and > 0)
        {
            if (stream.Length + read > most)
            {
                stream.SetLength(0);
                throw new HubException(
                    HubErrorKind.Damaged,
                    $"{request}: expected {(size is null ? "at most " : "")}{most} bytes, found more");
            }

            await stream.WriteAsync(buffer.AsMemory(0, read), cancellation).ConfigureAwait(false);
            if (stream.Length - reported >= ReportInterval || stream.Length == size)
            {
                Report(request, size ?? 0, stream.Length);
                reported = stream.Length;
            }
        }

        if (stream.Length < size)
        {
            throw new HubException(HubErrorKind.Unreachable, $"{request}: expected {size} bytes, found the end after {stream.Length}");
        }
    }

    private void Report(HubRequest request, long size, long done) =>
        _progress?.Report(new WorkProgress($"fetching {request.File}", done, Math.Max(size, done), WorkProgress.Bytes));
}
