using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// Second moments <c>Gamma = E[g g^T]</c> of the loss's gradient g at the outputs of <c>proj</c> and <c>fc2</c> of every block: with the
/// second moments of the inputs the Kronecker-factored curvature of those layers (Martens and Grosse, 2015).
/// </summary>
internal sealed class OutputGradientMoments : IRunningSums, IDisposable
{
    private readonly LayerSums _sums = new();

    /// <summary>Adds the gradients of one batch; layers side by side.</summary>
    /// <param name="pieces">What was kept of each piece of the batch, in the order of its images; stays the caller's.</param>
    public void Add(IReadOnlyList<OutputHook> pieces)
    {
        using DisposeScope scope = NewDisposeScope();
        ((int Block, BlockLinear Layer) Key, Tensor[] Gradients)[] layers =
        [
            .. pieces.SelectMany(piece => piece.Gradients())
                .GroupBy(kept => (kept.Block, kept.Layer), kept => kept.Gradient)
                .Select(layer => (layer.Key, layer.ToArray())),
        ];
        Tensor[] products = SideBySide.Run(layers, layer => Products(layer.Gradients));
        foreach (((int block, BlockLinear which), Tensor product) in layers.Zip(products, (layer, product) => (layer.Key, product)))
        {
            _sums.Add(block, which, product);
            product.Dispose();
        }
    }

    /// <summary>Sum of <c>g g^T</c> over all tokens, float64 [D, D], of no scope.</summary>
    private static Tensor Products(Tensor[] gradients)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradient = gradients.Length == 1 ? gradients[0] : cat(gradients, 0);

        // Gradients of 1e-20 squared vanish in float32: they are scaled to about 1 first, and back in double; by a power of two, which
        // leaves products their 24 bits.
        double largest = gradient.abs().max().to(ScalarType.Float32).item<float>();
        double scale = largest > 0 && double.IsFinite(largest) ? Math.ScaleB(1, Math.ILogB(largest)) : 1;
        Tensor rows = gradient.to(ScalarType.Float32).reshape(-1, gradient.shape[^1]).Div(scale);
        return rows.t().mm(rows).to(ScalarType.Float64).Times(scale * scale).DetachFromDisposeScope();
    }

    /// <summary>Gamma summed over tokens, a mean over images: float64 [D, D]; the caller disposes it.</summary>
    public Tensor Mean(int block, BlockLinear layer, long images) => _sums[block, layer].Div(images);

    /// <inheritdoc/>
    public void Save(SumWriter to) => _sums.Save(to);

    /// <inheritdoc/>
    public void Restore(SumReader from) => _sums.Restore(from);

    /// <inheritdoc/>
    public void Dispose() => _sums.Dispose();
}
