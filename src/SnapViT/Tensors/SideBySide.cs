using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>
/// Pieces of work at the same time, each on a thread of its own that torch does not split further. Where there is enough work this is
/// faster than threads inside every matrix product, which wait for each other hundreds of times in one forward pass; on a machine with
/// other work to do a thread that waits for a late one is what costs most.
/// </summary>
/// <remarks>
/// Torch keeps its number of threads per thread, and a new thread takes the number that any thread set last. The workers, whose number is
/// 1, are therefore made once and stay: a thread that begins while pieces run has the process's number.
/// </remarks>
internal static class SideBySide
{
    /// <summary>Images of a piece at most: what more of them have in a block leaves the cache of a core before it is used again.</summary>
    private const long Most = 4;

    private static readonly Lock Gate = new();

    private static readonly Stack<Worker> Idle = [];

    /// <summary>Workers of all runs that are under way.</summary>
    private static int _busy;

    /// <summary>Whether the current thread runs a piece.</summary>
    [ThreadStatic]
    private static bool _isPiece;

    /// <summary>Threads that the current one can divide work among: torch's, or 1 within a piece.</summary>
    public static int Free
    {
        get
        {
            if (_isPiece)
            {
                return 1;
            }

            lock (Gate)
            {
                return get_num_threads();
            }
        }
    }

    /// <summary>
    /// A batch in pieces, two or more for each thread, since a thread that is held up then takes fewer; one where there are fewer
    /// images than threads, or on a GPU. The caller disposes them. One thread too is faster with small pieces.
    /// </summary>
    /// <param name="images">Any tensor whose first dimension counts images; stays the caller's.</param>
    public static Tensor[] Pieces(Tensor images)
    {
        long count = images.shape[0];
        int threads = Free;
        return images.device_type != TorchSharp.DeviceType.CPU || count < threads ? [images.alias()]
            : images.split(threads == 1 ? Most : Math.Min(Most, Math.Max(1, (count + (2 * threads) - 1) / (2 * threads))), 0);
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
        Worker[] workers = Take(pieces.Count);
        Array.ForEach(workers, worker => worker.Begin(Work));
        Array.ForEach(workers, worker => worker.Wait());
        GiveBack(workers);
        failure?.Throw();
        cancellation.ThrowIfCancellationRequested();
        return results;

        void Work()
        {
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

    /// <summary>As many workers as other runs leave, at least one.</summary>
    private static Worker[] Take(int pieces)
    {
        lock (Gate)
        {
            int number = get_num_threads();
            Worker[] workers = new Worker[Math.Clamp(number - _busy, 1, pieces)];
            for (int i = 0; i < workers.Length; i++)
            {
                workers[i] = Idle.TryPop(out Worker? idle) ? idle : new Worker();
            }

            // What a new worker set is not what other threads shall have.
            set_num_threads(number);
            _busy += workers.Length;
            return workers;
        }
    }

    private static void GiveBack(Worker[] workers)
    {
        lock (Gate)
        {
            _busy -= workers.Length;
            Array.ForEach(workers, Idle.Push);
        }
    }

    /// <summary>A thread that waits for work, with one thread of torch's.</summary>
    private sealed class Worker
    {
        private readonly object _change = new();
        private Action? _work = UseOneThread;

        public Worker()
        {
            new Thread(Run) { IsBackground = true, Name = "SnapViT worker" }.Start();
            Wait();
        }

        /// <summary>Starts work that throws nothing.</summary>
        public void Begin(Action work) => Set(work);

        /// <summary>Until the work has ended.</summary>
        public void Wait()
        {
            lock (_change)
            {
                while (_work is not null)
                {
                    Monitor.Wait(_change);
                }
            }
        }

        private static void UseOneThread()
        {
            _isPiece = true;

            // Torch gives a thread the process's number when it is first asked for it, whatever was set before.
            get_num_threads();
            set_num_threads(1);
        }

        private void Run()
        {
            while (true)
            {
                Next()();
                Set(null);
            }
        }

        private Action Next()
        {
            lock (_change)
            {
                while (_work is null)
                {
                    Monitor.Wait(_change);
                }

                return _work;
            }
        }

        private void Set(Action? work)
        {
            lock (_change)
            {
                _work = work;
                Monitor.PulseAll(_change);
            }
        }
    }
}
