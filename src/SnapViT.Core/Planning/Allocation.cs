namespace SnapViT.Core.Planning;

/// <summary>How a budget in one figure is divided between neurons and heads. Two ratios say it themselves, so that none of these matters to them.</summary>
public enum Allocation
{
    /// <summary>Two pools, merged along the paper's line of ratio pairs: heads follow 15 points behind neurons whatever their scores.</summary>
    Pools,

    /// <summary>
    /// One order of both by score per unit of the budget's cost. For scores that are losses (criterion <c>curvature</c>), which compare between
    /// neurons and heads.
    /// </summary>
    Joint,

    /// <summary>
    /// The same for scores whose pools are on scales of their own (<c>ssl</c>, <c>fisher</c>, the reference's): those of the heads are first
    /// multiplied by the one factor that makes the mean score per unit of cost of all heads that of all neurons.
    /// </summary>
    JointBalanced,
}
