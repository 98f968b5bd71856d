namespace SnapViT.Cli.Roofline;

/// <summary>What bounds a stage.</summary>
internal enum LimitKind
{
    /// <summary>Nothing that is measured here.</summary>
    None,

    /// <summary>Plain matrix products in float32.</summary>
    GemmFp32,

    /// <summary>Plain matrix products in bfloat16.</summary>
    GemmBf16,

    /// <summary>Reading and writing memory.</summary>
    Memory,
}

/// <summary>What was measured of one case of a stage.</summary>
/// <param name="Stage">The stage's name.</param>
/// <param name="Case">Which case.</param>
/// <param name="Seconds">The fastest run: other programs can only make it slower.</param>
/// <param name="MedianSeconds">The median of the runs.</param>
/// <param name="Runs">How many there were.</param>
/// <param name="PeakBytes">The largest memory of the process while it ran.</param>
internal sealed record StageRow(string Stage, string Case, double Seconds, double MedianSeconds, int Runs, long PeakBytes)
{
    /// <summary>Images of one run; null where a run is of no images.</summary>
    public int? Images { get; init; }

    /// <summary>What the work cannot do without: FLOPs, or bytes where memory is the limit; 0 where nothing is.</summary>
    public double Work { get; init; }

    /// <summary>What bounds it.</summary>
    public LimitKind Limit { get; init; }

    /// <summary>What the machine reaches of that alone, measured in turn with the stage: FLOPs or bytes a second.</summary>
    public double LimitRate { get; init; }

    /// <summary>What there is to say beside the columns; null for nothing.</summary>
    public string? Note { get; init; }

    /// <summary>Images a second.</summary>
    public double? ImagesPerSecond => Images / Seconds;

    /// <summary>Time at the limit's rate to the time it took, 0..1; null where nothing that is measured bounds it.</summary>
    public double? Share => Limit == LimitKind.None ? null : Work / LimitRate / Seconds;
}
