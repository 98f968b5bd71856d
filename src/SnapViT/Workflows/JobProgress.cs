namespace SnapViT.Workflows;

/// <summary>
/// Progress of a whole job whose parts, and about what each costs, are known before it begins: what a part reports is passed on with the
/// share of the job that is done, and with the time that is left.
/// </summary>
/// <param name="told">Who is told; null for nobody.</param>
/// <param name="time">The clock.</param>
/// <remarks>
/// A part reports once before its work begins, with what was done of it before this job. Costs are in any unit; the time that a unit takes
/// is measured over the whole job, and within a part more and more by the part itself, so that a part whose cost was guessed wrong moves
/// the time left step by step.
/// </remarks>
internal sealed class JobProgress(IProgress<WorkProgress>? told, TimeProvider time)
{
    /// <summary>Less time than this, or less of the job, says nothing of the rest.</summary>
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(2);

    private const double LeastShare = 0.005;

    /// <summary>What is known of a part by the rest of the job counts as much as this share of the part itself.</summary>
    private const double Prior = 0.05;

    private readonly List<JobPart> _parts = [];
    private long? _begun;

    /// <summary>The progress of a job that is one part.</summary>
    /// <inheritdoc cref="JobProgress(IProgress{WorkProgress}, TimeProvider)"/>
    public static IProgress<WorkProgress>? Of(IProgress<WorkProgress>? told, TimeProvider time) =>
        told is null ? null : new JobProgress(told, time).Part(1);

    /// <summary>Adds a part; all are added before the first one reports.</summary>
    /// <param name="cost">About what it costs compared with the other parts, 0 or more.</param>
    /// <returns>Who is told by the part: the whole work of its reports is the part.</returns>
    public IProgress<WorkProgress> Part(double cost)
    {
        JobPart part = new(this, cost);
        _parts.Add(part);
        return part;
    }

    private void Report(JobPart part, WorkProgress value)
    {
        long now = time.GetTimestamp();
        _begun ??= now;
        part.Add(value.Share, now);
        double all = _parts.Sum(one => one.Cost);
        double share = all > 0 ? _parts.Sum(one => one.Cost * one.Share) / all : value.Share;
        told?.Report(value with { Share = Math.Clamp(share, 0, 1), TimeLeft = share >= 1 ? TimeSpan.Zero : TimeLeft(now, all) });
    }

    private TimeSpan? TimeLeft(long now, double all)
    {
        double seconds = time.GetElapsedTime(_begun!.Value, now).TotalSeconds, done = _parts.Sum(part => part.Measured);
        if (seconds < LeastTime.TotalSeconds || done <= 0 || done < LeastShare * all)
        {
            return null;
        }

        double perUnit = seconds / done;
        return TimeSpan.FromSeconds(_parts.Sum(part =>
        {
            double prior = Prior * part.Cost, known = prior + part.Measured;
            double own = known > 0 ? ((perUnit * prior) + part.Seconds(time)) / known : perUnit;
            return part.Cost * (1 - part.Share) * own;
        }));
    }

    /// <summary>A part: how far it is, and how long that took.</summary>
    private sealed class JobPart(JobProgress job, double cost) : IProgress<WorkProgress>
    {
        private (double Share, long Time)? _first;
        private long _last;

        public double Cost => cost;

        public double Share { get; private set; }

        /// <summary>What was done since the first report, in units of cost.</summary>
        public double Measured => _first is (double before, _) ? cost * (Share - before) : 0;

        public double Seconds(TimeProvider time) => _first is (_, long begun) ? time.GetElapsedTime(begun, _last).TotalSeconds : 0;

        public void Report(WorkProgress value) => job.Report(this, value);

        public void Add(double share, long now)
        {
            Share = Math.Max(Share, share);
            _first ??= (Share, now);
            _last = now;
        }
    }
}
