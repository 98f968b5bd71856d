using SnapViT.Core.Architecture;

namespace SnapViT.Core.Planning;

/// <summary>What a latency was measured under: under other conditions it says nothing.</summary>
public sealed record LatencyConditions
{
    /// <summary>The unpruned architecture; times do not depend on what is in the weights.</summary>
    public required ViTArchitecture Architecture { get; init; }

    /// <summary>Precision of the matrix products, <c>fp32</c> or <c>bf16</c>.</summary>
    public required string Precision { get; init; }

    /// <summary>Where the network runs, such as <c>cpu</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Threads of the matrix products.</summary>
    public required int Threads { get; init; }

    /// <summary>Images per forward pass.</summary>
    public required int Batch { get; init; }

    /// <summary>Processor and system, as text.</summary>
    public required string Machine { get; init; }

    /// <summary>Version of what computes, as text.</summary>
    public required string Runtime { get; init; }

    /// <summary>The first condition in which the other differs from this one, as <c>batch 8, not 1</c>; null where none does.</summary>
    /// <param name="other">The conditions that are expected.</param>
    public string? DifferenceTo(LatencyConditions other)
    {
        ArgumentNullException.ThrowIfNull(other);
        (string Name, object Here, object There)[] facts =
        [
            ("batch", Batch, other.Batch), ("precision", Precision, other.Precision), ("device", Device, other.Device), ("threads", Threads, other.Threads),
            ("machine", Machine, other.Machine), ("runtime", Runtime, other.Runtime),
        ];
        (string name, object here, object there) = facts.FirstOrDefault(fact => !fact.Here.Equals(fact.There));
        return name is not null ? $"{name} {here}, not {there}" : Architecture == other.Architecture ? null : "another architecture";
    }
}
