using System.Diagnostics;
using SnapViT.Cluster.Membership;
using SnapViT.Core.Errors;
using SnapViT.Search;

namespace SnapViT.Cluster;

/// <summary>
/// Divides candidates among the workers of a cluster and this machine. Which machine evaluates one, how often, and which answer comes first
/// changes nothing: all compute the same numbers. A worker that does not answer in time, or whose connection is refused, loses its
/// candidates to others; an answer that comes later is dropped. This machine takes part, so that the work ends without any worker too.
/// </summary>
internal sealed class ClusterEvaluation : ICandidateCluster, IDisposable
{
    /// <summary>A worker has so many times as long as the slowest answer so far took, where no limit was given.</summary>
    private const double Patience = 10;

    private static readonly TimeSpan LeastLimit = TimeSpan.FromSeconds(60), Look = TimeSpan.FromMilliseconds(200);

    private readonly ClusterSilo _silo;
    private readonly CandidateWorker _none;
    private readonly ClusterJob _job;
    private readonly TimeSpan? _limit;
    private readonly Action<string> _told;
    private readonly Dictionary<SiloAddress, WorkerState> _workers = [];
    private TimeSpan _slowest;

    /// <summary>Starts the silo of the build.</summary>
    /// <param name="address">Where the cluster is: this machine is its first silo.</param>
    /// <param name="job">The build, as workers open it.</param>
    /// <param name="limit">How long a worker may take for what it is given at a time; null to judge by what was measured.</param>
    /// <param name="told">Told what happens, for people.</param>
    /// <param name="cancellation">Stops the start.</param>
    /// <exception cref="SnapViTException">The cluster cannot be reached, or another build uses it.</exception>
    public ClusterEvaluation(
        ClusterAddress address, ClusterJob job, TimeSpan? limit, Action<string> told, CancellationToken cancellation)
    {
        (_job, _limit, _told) = (job, limit, told);
        _none = new CandidateWorker(open: null, told);
        _silo = Start(address, cancellation);
    }

    /// <summary>Candidates that workers evaluated, and those that this machine did.</summary>
    public (int Workers, int Here) Counts { get; private set; }

    private TimeSpan Limit => _limit ?? (_slowest * Patience > LeastLimit ? _slowest * Patience : LeastLimit);

    /// <inheritdoc/>
    public IReadOnlyList<double[]> Evaluate(CandidateWork work, CancellationToken cancellation)
    {
        Board board = new(work);
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task dispatching = Task.Run(() => Dispatch(board, ended.Token), CancellationToken.None);
        try
        {
            while (!board.IsDone)
            {
                cancellation.ThrowIfCancellationRequested();
                if (board.Take() is int[] mine)
                {
                    IReadOnlyList<double[]> numbers = work.Here([.. mine.Select(place => work.Candidates[place])]);
                    int kept = board.Put(mine, numbers);
                    lock (_workers)
                    {
                        Counts = (Counts.Workers, Counts.Here + kept);
                    }
                }
                else
                {
                    board.Wait(Look);
                }
            }
        }
        finally
        {
            ended.Cancel();
            dispatching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
        }

        return board.Numbers();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _silo.Dispose();
        _none.Dispose();
    }

    private ClusterSilo Start(ClusterAddress address, CancellationToken cancellation)
    {
        ClusterSilo silo;
        try
        {
            int port = address.Membership.Build?.Port ?? TcpPort.Free(address.Listen);
            silo = ClusterSilo.Start(address, port, _none, isBuild: true, cancellation);
        }
        catch (Exception exception) when (exception is not (SnapViTException or OperationCanceledException))
        {
            throw new SnapViTException(
                ErrorKind.Option, $"cluster: no cluster can be started at {address}: {exception.Message.ReplaceLineEndings(" ")}",
                exception);
        }

        if (silo.OtherBuild() is SiloAddress other)
        {
            silo.Dispose();
            throw new SnapViTException(
                ErrorKind.Option, $"cluster: expected one build at a time at {address}, found another one at {other.Endpoint}");
        }

        return silo;
    }

    /// <summary>Gives every worker that is free something to do, until all is done.</summary>
    private async Task Dispatch(Board board, CancellationToken ended)
    {
        while (!board.IsDone && !ended.IsCancellationRequested)
        {
            foreach (SiloAddress silo in _silo.Workers())
            {
                WorkerState? state;
                lock (_workers)
                {
                    if (!_workers.TryGetValue(silo, out state))
                    {
                        _workers.Add(silo, state = new WorkerState());
                        _told($"worker {silo.Endpoint} joined");
                    }
                }

                if (state.IsFree && board.Take() is int[] places)
                {
                    state.IsFree = false;
                    _ = Task.Run(() => Ask(silo, state, board, places), CancellationToken.None);
                }
            }

            board.Wait(Look / 4);
            await Task.Yield();
        }
    }

    /// <summary>Asks one worker; what it does not answer in time goes back.</summary>
    private async Task Ask(SiloAddress silo, WorkerState state, Board board, int[] places)
    {
        Stopwatch watch = Stopwatch.StartNew();
        Task<double[][]?> asked;
        try
        {
            asked = _silo.Client.Evaluate(silo, _job, board.Work, [.. places.Select(place => board.Work.Candidates[place])]);
        }
        catch (Exception exception)
        {
            asked = Task.FromException<double[][]?>(exception);
        }

        bool isGivenBack = false;
        while (!asked.IsCompleted)
        {
            await Task.WhenAny(asked, Task.Delay(Look)).ConfigureAwait(false);
            if (isGivenBack || asked.IsCompleted)
            {
                if (!asked.IsCompleted && !_silo.Workers().Contains(silo))
                {
                    // Nobody waits for a silo that is declared dead.
                    return;
                }

                continue;
            }

            bool isGone = !await Task.Run(() => TcpPort.Answers(silo.Endpoint)).ConfigureAwait(false);
            if (isGone || watch.Elapsed > Limit)
            {
                isGivenBack = true;
                board.GiveBack(places);
                _told($"worker {silo.Endpoint} {(isGone ? "is gone" : "does not answer")}: its candidates go to others");
                if (isGone)
                {
                    // Its address may come again, with another generation in it; this one never answers.
                    _ = asked.ContinueWith(late => late.Exception, TaskScheduler.Default);
                    return;
                }
            }
        }

        try
        {
            if (await asked.ConfigureAwait(false) is double[][] numbers && numbers.Length == places.Length)
            {
                int kept = board.Put(places, numbers);
                lock (_workers)
                {
                    Counts = (Counts.Workers + kept, Counts.Here);
                    _slowest = watch.Elapsed > _slowest && !isGivenBack ? watch.Elapsed : _slowest;
                }

                state.IsFree = true;
                return;
            }

            throw new InvalidOperationException($"expected {places.Length} numbers, found others");
        }
        catch (Exception exception)
        {
            // It cannot do this build, and is not asked again.
            _told($"worker {silo.Endpoint} is not used: {exception.Message.ReplaceLineEndings(" ")}");
            if (!isGivenBack)
            {
                board.GiveBack(places);
            }
        }
    }

    /// <summary>What is known of a worker.</summary>
    private sealed class WorkerState
    {
        /// <summary>Whether it may be asked; never again where it failed.</summary>
        public volatile bool IsFree = true;
    }

    /// <summary>The candidates of one call: which wait, and the numbers that came.</summary>
    private sealed class Board(CandidateWork work)
    {
        private readonly Queue<int> _waiting = new(Enumerable.Range(0, work.Candidates.Count));
        private readonly double[]?[] _numbers = new double[]?[work.Candidates.Count];
        private readonly object _gate = new();
        private int _left = work.Candidates.Count;

        public CandidateWork Work => work;

        public bool IsDone
        {
            get
            {
                lock (_gate)
                {
                    return _left == 0;
                }
            }
        }

        /// <summary>Places of candidates that are not done; null where none waits.</summary>
        public int[]? Take()
        {
            lock (_gate)
            {
                List<int> taken = [];
                while (taken.Count < work.Together && _waiting.TryDequeue(out int place))
                {
                    if (_numbers[place] is null)
                    {
                        taken.Add(place);
                    }
                }

                return taken.Count == 0 ? null : [.. taken];
            }
        }

        public void GiveBack(int[] places)
        {
            lock (_gate)
            {
                Array.ForEach(places, _waiting.Enqueue);
                Monitor.PulseAll(_gate);
            }
        }

        /// <summary>Keeps the first answer of every candidate; how many were new.</summary>
        public int Put(int[] places, IReadOnlyList<double[]> numbers)
        {
            lock (_gate)
            {
                int kept = 0;
                for (int i = 0; i < places.Length; i++)
                {
                    if (_numbers[places[i]] is null)
                    {
                        _numbers[places[i]] = numbers[i];
                        kept++;
                    }
                }

                _left -= kept;
                Monitor.PulseAll(_gate);
                return kept;
            }
        }

        public void Wait(TimeSpan time)
        {
            lock (_gate)
            {
                if (_left > 0)
                {
                    Monitor.Wait(_gate, time);
                }
            }
        }

        public IReadOnlyList<double[]> Numbers() => [.. _numbers.Select(one => one!)];
    }
}
