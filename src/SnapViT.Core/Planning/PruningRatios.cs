using System.Globalization;

namespace SnapViT.Core.Planning;

/// <summary>The shares of all MLP neurons and of all heads that are removed.</summary>
/// <param name="Mlp">Share of the neurons, 0..1.</param>
/// <param name="Heads">Share of the heads, 0..1.</param>
public readonly record struct PruningRatios(double Mlp, double Heads)
{
    /// <summary>The six pairs of the paper, which it labels 10, 20, 30, 40, 50 and 60 % sparsity.</summary>
    public static IReadOnlyList<PruningRatios> Paper { get; } =
        [new(0.15, 0), new(0.25, 0.1), new(0.35, 0.2), new(0.45, 0.3), new(0.55, 0.4), new(0.65, 0.5)];

    /// <summary>The pair as it is written on a command line, such as <c>0.45:0.3</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Mlp:0.####}:{Heads:0.####}");
}
