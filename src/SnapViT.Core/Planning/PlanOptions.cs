using SnapViT.Core.Architecture;

namespace SnapViT.Core.Planning;

/// <summary>What a plan depends on beside its budget.</summary>
public sealed record PlanOptions
{
    /// <summary>The paper's pools, no alignment, float32 files, no latency.</summary>
    public static PlanOptions Default { get; } = new();

    /// <summary>How neurons and heads share a budget in one figure.</summary>
    public Allocation Allocation { get; init; }

    /// <summary>
    /// Kept neurons of a block are a multiple of this, or all there are; 1 or more. Heads narrower than this go in groups whose joint width is a
    /// multiple of it; wider ones go one by one.
    /// </summary>
    public int Align { get; init; } = 1;

    /// <summary>
    /// Bytes of the file that a model of those widths makes; may not grow as widths shrink. Null for a float32 safetensors file without metadata
    /// (<see cref="ModelFileBytes"/>).
    /// </summary>
    public Func<SubnetWidths, long>? FileBytes { get; init; }

    /// <summary>What a forward pass takes on some machine; null where latency is neither limited nor asked for.</summary>
    public LatencyTable? Latency { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">The alignment is below 1.</exception>
    public PlanOptions Validated() => Align >= 1 ? this : throw new ArgumentException($"align: expected 1 or more, found {Align}");
}
