namespace SnapViT.Core.Planning;

/// <summary>What every block keeps whatever the budget: its best <c>floor(fraction * width)</c> structures.</summary>
/// <param name="NeuronFraction">Share of a block's neurons, 0..1; default 0.05. With 0 a block may lose its whole MLP but the bias.</param>
/// <param name="HeadFraction">Share of a block's heads, 0..1; default 0.2, which protects none where a block has fewer than 5 heads.</param>
public sealed record KeepFloors(double NeuronFraction = 0.05, double HeadFraction = 0.2)
{
    /// <summary>Neurons of a block that are never removed.</summary>
    public int Neurons(int perBlock) => (int)(perBlock * NeuronFraction);

    /// <summary>Heads of a block that are never removed.</summary>
    public int Heads(int perBlock) => (int)(perBlock * HeadFraction);

    /// <summary>Checks the ranges.</summary>
    /// <returns>These floors.</returns>
    /// <exception cref="ArgumentException">A fraction is outside 0..1.</exception>
    public KeepFloors Validated() => NeuronFraction is >= 0 and <= 1 && HeadFraction is >= 0 and <= 1
        ? this
        : throw new ArgumentException($"floors: expected fractions in 0..1, found {NeuronFraction} of neurons and {HeadFraction} of heads");
}
