namespace SnapViT.Tensors;

/// <summary>
/// One of two ways to do the same work, by measurement: each is timed a few times at the start, then the faster one is taken, and the other
/// is timed again now and then, so that a machine that becomes busy, or quiet, is noticed.
/// </summary>
/// <param name="time">The clock.</param>
/// <remarks>Thread-safe. What is computed must not depend on the way.</remarks>
internal sealed class ThreadChoice(TimeProvider time)
{
    /// <summary>Each way is timed so often at the start; the first time of each warms up.</summary>
    private const int Trials = 3;

    /// <summary>Of so many calls one goes the other way.</summary>
    private const int Again = 64;

    private readonly Lock _lock = new();

    /// <summary>Ticks that a call takes, of each way.</summary>
    private readonly long[] _ticks = [long.MaxValue, long.MaxValue];
    private int _calls;

    /// <summary>Does the work one way.</summary>
    /// <param name="first">One way.</param>
    /// <param name="second">The other.</param>
    public T Run<T>(Func<T> first, Func<T> second)
    {
        int way, call;
        bool isTrial, isAgain;
        lock (_lock)
        {
            call = _calls++;
            (isTrial, isAgain) = (call < 2 * Trials, call % Again == 0);
            int faster = _ticks[0] <= _ticks[1] ? 0 : 1;
            way = isTrial ? call % 2 : isAgain ? 1 - faster : faster;
        }

        long start = time.GetTimestamp();
        T result = way == 0 ? first() : second();
        long ticks = time.GetTimestamp() - start;
        if (call >= 2)
        {
            lock (_lock)
            {
                // The best of the trials; afterwards more and more what it takes now, so that a way that stopped paying is left.
                _ticks[way] = isTrial ? Math.Min(_ticks[way], ticks)
                    : isAgain ? ticks
                    : (long)((0.8 * _ticks[way]) + (0.2 * ticks));
            }
        }

        return result;
    }
}
