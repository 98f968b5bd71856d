using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The reference's criterion: weight gradients <c>G = sum_i delta_i^T X_i</c> summed over all images, then squared. Sums are kept in double
/// and squared there, so that scores of 1e-45 do not vanish.
/// </summary>
internal sealed class SquaredMeanGradient : IGradientScore
{
    private readonly LayerSums _sums = new();

    /// <summary>The summed weight gradient of one layer, float64 [rows, D]; it stays this object's.</summary>
    public Tensor Sum(int block, BlockLinear layer) => _sums[block, layer];

    /// <inheritdoc/>
    public void Add(int block, BlockLinear layer, Tensor input, Tensor delta)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradient = delta.reshape(-1, delta.shape[^1]).t().mm(input.reshape(-1, input.shape[^1]));
        _sums.Add(block, layer, gradient);
    }

    /// <inheritdoc/>
    public double[] Rows(int block, BlockLinear layer, long images)
    {
        using DisposeScope scope = NewDisposeScope();
        return Sum(block, layer).Div(images).square().mean([1]).cpu().data<double>().ToArray();
    }

    /// <inheritdoc/>
    public void Save(SumWriter to) => _sums.Save(to);

    /// <inheritdoc/>
    public void Restore(SumReader from) => _sums.Restore(from);

    /// <inheritdoc/>
    public void Dispose() => _sums.Dispose();
}
