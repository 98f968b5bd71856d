using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>What a plan depends on beside its budget.</summary>
public sealed record PlanOptions
{
    /// <summary>The frontier where the scores hold one, else the paper's pools; no alignment, float32 files, no latency.</summary>
    public static PlanOptions Default { get; } = new();

    /// <summary>How the axes share a budget in one figure.</summary>
    public Allocation Allocation { get; init; }

    /// <summary>Axes of a frontier that stay whole; none by default. Other allocations and ratios know heads and neurons only.</summary>
    public IReadOnlyCollection<Axis> WholeAxes { get; init; } = [];

    /// <summary>
    /// Kept neurons of a block are a multiple of this, or all there are; 1 or more. Heads narrower than this go in groups whose joint width
    /// is a multiple of it; wider ones go one by one.
    /// </summary>
    public int Align { get; init; } = 1;

    /// <summary>
    /// Bytes of the file that a model of those widths makes; may not grow as widths shrink. Null for a float32 safetensors file without
    /// metadata.
    /// </summary>
    public Func<SubnetWidths, long>? FileBytes { get; init; }

    /// <summary>What a forward pass takes on some machine; null where latency is neither limited nor asked for.</summary>
    public LatencyTable? Latency { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">The alignment is below 1.</exception>
    public PlanOptions Validated() => Align >= 1
        ? this
        : throw new SnapViTException(ErrorKind.Option, $"align: expected 1 or more, found {Align}");

    /// <summary>How axes are put into one order by given scores: as they are where they compare, else brought to one scale first.</summary>
    public static Allocation JointFor(ElasticScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        return scores.AxesCompare ? Allocation.Joint : Allocation.JointBalanced;
    }
}

/// <summary>
/// How a budget in one figure is divided between the axes. Ratios say it themselves, so that none of these matters to them.
/// </summary>
public enum Allocation
{
    /// <summary><see cref="Frontier"/> where the scores hold one, else <see cref="Pools"/>.</summary>
    Automatic,

    /// <summary>
    /// The frontier of the scores over all axes: that of FLOPs for FLOPs and latency, that of parameters for parameters and files.
    /// </summary>
    Frontier,

    /// <summary>
    /// A pool for each axis, merged along the paper's line of ratio pairs: heads follow 15 points behind neurons whatever their scores.
    /// </summary>
    Pools,

    /// <summary>
    /// One order of all by score per unit of the budget's cost. For scores that are losses (criterion <c>curvature</c>), which compare
    /// between axes.
    /// </summary>
    Joint,

    /// <summary>
    /// The same for scores whose axes are on scales of their own (<c>ssl</c>, <c>fisher</c>, the reference's): those of the heads are first
    /// multiplied by the one factor that makes the mean score per unit of cost of all heads that of all neurons.
    /// </summary>
    JointBalanced,
}
