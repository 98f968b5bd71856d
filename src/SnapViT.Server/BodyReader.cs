using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace SnapViT.Server;

/// <summary>
/// Reads bodies into memory: one within the bytes of a request, all together within those of the server, each within its time. Nothing is
/// written to a disk.
/// </summary>
internal sealed class BodyReader(ServerOptions options, CancellationToken stopping)
{
    private long _held;

    /// <summary>Bytes of all bodies that are held now.</summary>
    public long Held => Interlocked.Read(ref _held);

    /// <summary>Reads a body.</summary>
    /// <returns>The body; disposed when its images are decoded.</returns>
    /// <exception cref="RequestFault">It is too large or too slow, there is no memory for it, or the server is stopping.</exception>
    /// <exception cref="OperationCanceledException">The client is gone.</exception>
    public async Task<HeldBody> ReadAsync(HttpRequest request)
    {
        if (request.ContentLength > options.MaxBytes)
        {
            throw TooLarge($"{request.ContentLength}");
        }

        CancellationToken gone = request.HttpContext.RequestAborted;
        using CancellationTokenSource slow = CancellationTokenSource.CreateLinkedTokenSource(gone);
        slow.CancelAfter(options.BodyTimeout);
        using CancellationTokenRegistration stop = stopping.Register(() => slow.CancelAfter(options.StopGrace));
        HeldBody body = new(this);
        try
        {
            while (true)
            {
                ReadResult read = await request.BodyReader.ReadAsync(slow.Token).ConfigureAwait(false);
                foreach (ReadOnlyMemory<byte> part in read.Buffer)
                {
                    if (body.Length + part.Length > options.MaxBytes)
                    {
                        throw TooLarge("more");
                    }

                    body.Append(part.Span, options.MaxHeldBytes);
                }

                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return body;
                }
            }
        }
        catch (OperationCanceledException) when (!gone.IsCancellationRequested)
        {
            body.Dispose();
            throw stopping.IsCancellationRequested
                ? RequestFault.Stopping()
                : new RequestFault(
                    StatusCodes.Status408RequestTimeout,
                    $"body: expected within {options.BodyTimeout.TotalSeconds:0} s, found {body.Length} bytes by then");
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    private RequestFault TooLarge(string found) =>
        RequestFault.TooLarge($"body: expected at most {options.MaxBytes} bytes, found {found}");

    /// <summary>A body in memory.</summary>
    internal sealed class HeldBody(BodyReader owner) : IDisposable
    {
        private const int First = 1 << 16;

        private byte[] _bytes = [];
        private bool _disposed;

        public int Length { get; private set; }

        public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(0, Length);

        /// <summary>The body as a stream over the same memory.</summary>
        public MemoryStream Open() => new(_bytes, 0, Length, writable: false);

        public void Append(ReadOnlySpan<byte> part, long mostHeld)
        {
            if (Length + part.Length > _bytes.Length)
            {
                Grow(Length + part.Length, mostHeld);
            }

            part.CopyTo(_bytes.AsSpan(Length));
            Length += part.Length;
        }

        public void Dispose()
        {
            if (!_disposed)
            {
                _disposed = true;
                Interlocked.Add(ref owner._held, -_bytes.Length);
            }
        }

        private void Grow(int least, long mostHeld)
        {
            int size = (int)Math.Min(Array.MaxLength, Math.Max(First, Math.Max(least, 2L * _bytes.Length)));
            if (Interlocked.Add(ref owner._held, size - _bytes.Length) > mostHeld)
            {
                Interlocked.Add(ref owner._held, _bytes.Length - size);
                throw RequestFault.Overloaded(
                    $"body: the server holds at most {mostHeld} bytes of requests at a time", TimeSpan.FromSeconds(1));
            }

            Array.Resize(ref _bytes, size);
        }
    }
}
