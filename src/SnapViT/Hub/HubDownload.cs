using System.Net;
using System.Security.Cryptography;
using SnapViT.Workflows;

namespace SnapViT.Hub;

/// <summary>Brings one content into the cache: into <c>.incomplete</c> beside its place, continued there after a cut, checked, then renamed.</summary>
internal sealed class HubDownload(HubConnection connection, RetryPolicy retries, IProgress<WorkProgress>? progress)
{
    private const int BufferSize = 1 << 17;
    private const long ReportInterval = 1 << 20;

    /// <summary>Fetches a content unless it is there. The caller holds its lock.</summary>
    public async Task FetchAsync(HubRequest request, HubFile file, string blob, CancellationToken cancellation)
    {
        if (File.Exists(blob))
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

    /// <summary>Fills the file to its size. False: bytes from an earlier run spoil it.</summary>
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

            Report(request, file, stream.Length);
            while (stream.Length < file.Size)
            {
                _ = await retries.RunAsync(() => AppendAsync(request, file, stream, cancellation), cancellation).ConfigureAwait(false);
            }

            stream.Flush(flushToDisk: true);
            stream.Position = 0;
            string found = file.Sha256 is null ? "" : Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation).ConfigureAwait(false));
            if (file.Sha256 is null || found == file.Sha256)
            {
                return true;
            }

            stream.SetLength(0);
            return continued ? false : throw new HubException(HubErrorKind.Damaged, $"{request}: expected sha256 {file.Sha256}, found {found}");
        }
    }

    private async Task<long> AppendAsync(HubRequest request, HubFile file, FileStream stream, CancellationToken cancellation)
    {
        long start = stream.Length;
        try
        {
            using HttpResponseMessage answer = await connection.OpenAsync(request, start, cancellation).ConfigureAwait(false);
            Position(request, file, stream, answer);
            await CopyAsync(request, file, stream, answer, cancellation).ConfigureAwait(false);
            return stream.Length;
        }
        catch (HubException exception) when (exception.Fault == HubErrorKind.Unreachable && stream.Length > start)
        {
            throw new HubException(exception.Fault, exception.Message, exception) { AfterProgress = true, RetryAfter = exception.RetryAfter };
        }
    }

    /// <summary>Sets the stream to where the answer begins.</summary>
    private static void Position(HubRequest request, HubFile file, FileStream stream, HttpResponseMessage answer)
    {
        if (answer.StatusCode == HttpStatusCode.PartialContent)
        {
            long? from = answer.Content.Headers.ContentRange?.From, of = answer.Content.Headers.ContentRange?.Length;
            if (from != stream.Length || (of is not null && of != file.Size))
            {
                throw new HubException(HubErrorKind.Malformed, $"{request}: expected bytes from {stream.Length} of {file.Size}, found from {from} of {of}");
            }
        }
        else
        {
            // The server does not continue: all over again.
            stream.SetLength(0);
        }

        stream.Position = stream.Length;
    }

    private async Task CopyAsync(HubRequest request, HubFile file, FileStream stream, HttpResponseMessage answer, CancellationToken cancellation)
    {
        Stream content = await connection.UnstalledAsync(request, answer.Content.ReadAsStreamAsync, cancellation).ConfigureAwait(false);
        byte[] buffer = new byte[BufferSize];
        long reported = stream.Length;
        while (await connection.UnstalledAsync(request, stop => content.ReadAsync(buffer, stop).AsTask(), cancellation).ConfigureAwait(false) is int read and > 0)
        {
            if (stream.Length + read > file.Size)
            {
                stream.SetLength(0);
                throw new HubException(HubErrorKind.Damaged, $"{request}: expected {file.Size} bytes, found more");
            }

            await stream.WriteAsync(buffer.AsMemory(0, read), cancellation).ConfigureAwait(false);
            if (stream.Length - reported >= ReportInterval || stream.Length == file.Size)
            {
                Report(request, file, stream.Length);
                reported = stream.Length;
            }
        }

        if (stream.Length < file.Size)
        {
            throw new HubException(HubErrorKind.Unreachable, $"{request}: expected {file.Size} bytes, found the end after {stream.Length}");
        }
    }

    private void Report(HubRequest request, HubFile file, long done) => progress?.Report(new WorkProgress($"fetching {request.File}", done, file.Size, "bytes"));
}
