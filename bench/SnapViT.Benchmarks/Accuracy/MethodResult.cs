namespace SnapViT.Benchmarks.Accuracy;

/// <summary>What one sub-network is worth, or the mean over seeds of what several are.</summary>
/// <param name="Method">Who made it.</param>
/// <param name="Mlp">Share of neurons removed as asked for.</param>
/// <param name="Heads">Share of heads removed as asked for.</param>
/// <param name="All">Top-1 on all photos, 0..1.</param>
/// <param name="HeldOut">Top-1 on the photos that were not used for calibration; null where it is not known.</param>
/// <param name="Cifar10">k-NN on CIFAR-10; null where it was not measured.</param>
/// <param name="EuroSat">k-NN on EuroSAT; null where it was not measured.</param>
internal sealed record MethodResult(string Method, double Mlp, double Heads, double? All, double? HeldOut, double? Cifar10, double? EuroSat)
{
    /// <summary>Range of <see cref="HeldOut"/> over seeds; null where there is one seed.</summary>
    public Spread? HeldOutRange { get; init; }

    /// <summary>Range of <see cref="Cifar10"/>.</summary>
    public Spread? Cifar10Range { get; init; }

    /// <summary>Range of <see cref="EuroSat"/>.</summary>
    public Spread? EuroSatRange { get; init; }

    /// <summary>Means of the same rows of several seeds, with ranges.</summary>
    public static IReadOnlyList<MethodResult> OverSeeds(IReadOnlyList<MethodResult>[] seeds) => seeds.Length == 1
        ? seeds[0]
        : [.. seeds[0].Select((first, row) => first with
        {
            All = seeds.Average(seed => seed[row].All),
            HeldOut = seeds.Average(seed => seed[row].HeldOut),
            Cifar10 = seeds.Average(seed => seed[row].Cifar10),
            EuroSat = seeds.Average(seed => seed[row].EuroSat),
            HeldOutRange = Spread.Of(seeds.Select(seed => seed[row].HeldOut)),
            Cifar10Range = Spread.Of(seeds.Select(seed => seed[row].Cifar10)),
            EuroSatRange = Spread.Of(seeds.Select(seed => seed[row].EuroSat)),
        })];
}

/// <summary>Lowest and highest of the seeds.</summary>
internal readonly record struct Spread(double Lowest, double Highest)
{
    /// <summary>The range of what was measured, or null where it was not.</summary>
    public static Spread? Of(IEnumerable<double?> values)
    {
        double[] measured = [.. values.OfType<double>()];
        return measured.Length == 0 ? null : new Spread(measured.Min(), measured.Max());
    }
}
