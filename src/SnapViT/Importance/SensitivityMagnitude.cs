using SnapViT.Core.Architecture;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The reference's <c>snip-magnitude</c>: <c>|G w| + 1e-3 w^2</c> per weight (connection sensitivity, Lee et al., 2019, and magnitude),
/// averaged over the row; for the values of heads squared before.
/// </summary>
/// <param name="weights">The unpruned weights; stay the caller's.</param>
/// <param name="batchSize">
/// G is a sum over batches of batch means, so the share of the magnitude depends on the size of a batch: the reference's, whatever the one
/// here.
/// </param>
internal sealed class SensitivityMagnitude(ViTWeights weights, int batchSize = SensitivityMagnitude.ReferenceBatch) : IGradientScore
{
    private const int ReferenceBatch = 16;
    private const double MagnitudeShare = 1e-3;

    private readonly SquaredMeanGradient _gradients = new();

    /// <inheritdoc/>
    public void Add(int block, BlockLinear layer, Tensor input, Tensor delta) => _gradients.Add(block, layer, input, delta);

    /// <inheritdoc/>
    public double[] Rows(int block, BlockLinear layer, long images)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor w = ScoredRows.Weights(weights, block, layer).to(ScalarType.Float64);
        Tensor gradient = _gradients.Sum(block, layer).to(w.device).Div(batchSize);
        Tensor sensitivity = (gradient * w).abs().Plus(w.square().Times(MagnitudeShare));
        Tensor scored = layer == BlockLinear.Qkv ? sensitivity.square() : sensitivity;
        return scored.mean([1]).cpu().data<double>().ToArray();
    }

    /// <inheritdoc/>
    public void Save(SumWriter to) => _gradients.Save(to);

    /// <inheritdoc/>
    public void Restore(SumReader from) => _gradients.Restore(from);

    /// <inheritdoc/>
    public void Dispose() => _gradients.Dispose();
}
