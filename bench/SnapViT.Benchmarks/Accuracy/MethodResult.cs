namespace SnapViT.Benchmarks.Accuracy;

/// <summary>What one sub-network is worth.</summary>
/// <param name="Method">Who made it.</param>
/// <param name="Mlp">Share of neurons removed as asked for.</param>
/// <param name="Heads">Share of heads removed as asked for.</param>
/// <param name="All">Top-1 on all photos, 0..1.</param>
/// <param name="HeldOut">Top-1 on the photos that were not used for calibration; null where it is not known.</param>
/// <param name="Cifar10">k-NN on CIFAR-10; null where it was not measured.</param>
/// <param name="EuroSat">k-NN on EuroSAT; null where it was not measured.</param>
internal sealed record MethodResult(string Method, double Mlp, double Heads, double? All, double? HeldOut, double? Cifar10, double? EuroSat);
