namespace SnapViT.Workflows;

/// <summary>How far a long work is.</summary>
/// <param name="Stage">What is being done, such as "photos".</param>
/// <param name="Done">Units of the stage done so far.</param>
/// <param name="Total">Units of the stage in all.</param>
/// <param name="Note">The latest figure of interest; empty for none.</param>
public sealed record WorkProgress(string Stage, long Done, long Total, string Note = "")
{
    /// <summary>The note of work that is counted in bytes.</summary>
    internal const string Bytes = "bytes";

    /// <summary>
    /// Share of the whole work that is done, all its stages counted by what they cost, 0..1. It never falls until the work is done.
    /// </summary>
    public double Share { get; init; } = Total > 0 ? Math.Clamp(Done / (double)Total, 0, 1) : 1;

    /// <summary>Time that the whole work still takes, judged by what was done so far; null as long as that says too little.</summary>
    public TimeSpan? TimeLeft { get; init; }
}
