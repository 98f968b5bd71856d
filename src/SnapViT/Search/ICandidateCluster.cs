namespace SnapViT.Search;

/// <summary>Evaluates candidates on other machines too.</summary>
internal interface ICandidateCluster
{
    /// <summary>Numbers of all candidates, in their order, whoever computed them.</summary>
    /// <param name="work">What is to be evaluated.</param>
    /// <param name="cancellation">Stops between two candidates.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    IReadOnlyList<double[]> Evaluate(CandidateWork work, CancellationToken cancellation);
}

/// <summary>Candidates that do not depend on each other, all of one stage of a build.</summary>
/// <param name="Stage">The stage: one of the constants here.</param>
/// <param name="Context">What the stage depends on beside the state of the build, such as the factors that a search found.</param>
/// <param name="Candidates">What is evaluated: factors, or widths with the block that alone is smaller.</param>
/// <param name="Together">Candidates that a machine evaluates at a time.</param>
/// <param name="Here">Evaluates some of them on this machine, in their order; not called from several threads at once.</param>
internal sealed record CandidateWork(
    string Stage, double[] Context, IReadOnlyList<double[]> Candidates, int Together,
    Func<IReadOnlyList<double[]>, IReadOnlyList<double[]>> Here)
{
    /// <summary>Factors of the search; their fitness.</summary>
    public const string Search = "search";

    /// <summary>Factors of the search; their fitness on images that were held out.</summary>
    public const string HeldOut = "held-out";

    /// <summary>Sub-networks of a frontier; both distances from the whole model.</summary>
    public const string Frontier = "frontier";
}
