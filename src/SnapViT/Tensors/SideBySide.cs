using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>
/// Pieces of work at the same time, each on a thread of its own that torch does not split further. Where there is enough work this is
/// faster than threads inside every matrix product, which wait for each other hundreds of times in one forward pass; on a machine with
/// other work to do a thread that waits for a late one is what costs most.
/// </summary>
/// <remarks>
/// The number of torch's threads belongs to the whole process: while pieces run it is 1, and other threads that compute at that time are
/// slower, not wrong.
/// </remarks>
internal static class SideBySide
{
    private static readonly Lock Gate = new();

    /// <summary>Threads of all runs that are under way, and torch's number as it was before the first of them.</summary>
    private static int _workers;
    private static int _threads;

    /// <summary>Whether the current thread runs a piece.</summary>
    [ThreadStatic]
    private static bool _isPiece;

    /// <summary>Threads that the current one can divide work among: torch's, or 1 within a piece.</summary>
    public static int Free
    {
        get
        {
            lock (Gate)
            {
                return _isPiece ? 1 : _workers > 0 ? _threads : get_num_threads();
            }
        }
    }

    /// <summary>
    /// A batch in pieces, about two for each thread, since a thread that other programs hold up then takes fewer; one where there are fewer
    /// images than threads, or on a GPU. The caller disposes them.
    /// </summary>
    /// <param name="images">Any tensor whose first dimension counts images; stays the caller's.</param>
    public static Tensor[] Pieces(Tensor images)
    {
        long count = images.shape[0];
        int threads = images.device_type == TorchSharp.DeviceType.CPU ? Free : 1;
        return threads == 1 || count < threads
            ? [images.alias()]
            : images.split(Math.Max(1, (count + (2 * threads) - 1) / (2 * threads)), 0);
    }

    /// <summary>
    /// Works on every piece, on one alone too, on threads of their own; the results are in the order of the pieces, whatever ended first.
    /// </summary>
    /// <param name="pieces">Pieces that are independent of each other.</param>
    /// <param name="work">What becomes of one. Tensors that it returns must be of no dispose scope.</param>
    /// <param name="cancellation">Stops between two pieces.</param>
    /// <exception cref="OperationCanceledException">It was cancelled; the pieces that had begun were ended.</exception>
    public static TResult[] Run<TPiece, TResult>(
        IReadOnlyList<TPiece> pieces, Func<TPiece, TResult> work, CancellationToken cancellation = default)
    {
        TResult[] results = new TResult[pieces.Count];
        if (Free <= 1 || pieces.Count == 0)
        {
            for (int i = 0; i < pieces.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                results[i] = work(pieces[i]);
            }

            return results;
        }

        int next = -1;
        ExceptionDispatchInfo? failure = null;
        bool withGradients = is_grad_enabled();
        int workers = Enter(pieces.Count);
        try
        {
            Thread[] threads = [.. Enumerable.Range(0, workers).Select(_ => new Thread(Work) { IsBackground = true })];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
        }
        finally
        {
            Leave(workers);
        }

        failure?.Throw();
        cancellation.ThrowIfCancellationRequested();
        return results;

        void Work()
        {
            _isPiece = true;
            using IDisposable? frozen = withGradients ? null : no_grad();
            try
            {
                while (failure is null && !cancellation.IsCancellationRequested && Interlocked.Increment(ref next) is int piece
                    && piece < pieces.Count)
                {
                    results[piece] = work(pieces[piece]);
                }
            }
            catch (Exception thrown)
            {
                failure ??= ExceptionDispatchInfo.Capture(thrown);
            }
        }
    }

    /// <summary>As many threads as other runs leave, at least one.</summary>
    private static int Enter(int pieces)
    {
        lock (Gate)
        {
            if (_workers == 0)
            {
                _threads = get_num_threads();
                set_num_threads(1);
            }

            int workers = Math.Clamp(_threads - _workers, 1, Math.Max(1, pieces));
            _workers += workers;
            return workers;
        }
    }

    private static void Leave(int workers)
    {
        lock (Gate)
        {
            _workers -= workers;
            if (_workers == 0)
            {
                set_num_threads(_threads);
            }
        }
    }
}
