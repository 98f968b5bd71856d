using SnapViT.Core.Architecture;

namespace SnapViT.Calibration;

/// <summary>
/// About what work on the layers whose inputs pruning removes costs, in forward passes of one image: what progress is weighed by.
/// </summary>
internal static class LayerWork
{
    /// <summary>
    /// Time of one of the n^3 steps of a decomposition in float64, which runs on few cores, against a FLOP of a forward pass (measured on
    /// DeiT-Ti with two cores).
    /// </summary>
    private const double DecompositionAgainstFlop = 70;

    /// <summary>Passes that adding the second moments of one image takes beside its own.</summary>
    public static double Moments(ViTArchitecture architecture) =>
        Layers(architecture).Sum(inputs => 2.0 * architecture.Tokens * inputs * inputs) / Flops(architecture);

    /// <summary>Passes that decomposing the second moments of every layer once takes.</summary>
    public static double Decompositions(ViTArchitecture architecture) =>
        DecompositionAgainstFlop * Layers(architecture).Sum(inputs => inputs * inputs * inputs) / Flops(architecture);

    private static double Flops(ViTArchitecture architecture) => CostModel.Flops(architecture, architecture.FullWidths);

    private static IEnumerable<double> Layers(ViTArchitecture architecture) =>
        ParameterTable.For(architecture, architecture.FullWidths).Blocks
            .SelectMany(block => block.PrunedInputs)
            .Select(layer => (double)layer.Inputs);
}
