using SnapViT.Core.Errors;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Correction;

/// <summary>Weighted moments of inputs x [k] and wanted outputs y [D] of one layer; sums are kept in double.</summary>
internal sealed class CrossMoments : IDisposable
{
    private readonly Tensor _inputs;
    private readonly Tensor _outputs;
    private double _weight;

    /// <summary>Moments of nothing yet.</summary>
    /// <param name="inputs">Inputs, k; a constant is added to them.</param>
    /// <param name="outputs">Outputs, D.</param>
    /// <param name="device">Where the sums are kept.</param>
    public CrossMoments(long inputs, long outputs, Device device)
    {
        _inputs = zeros([inputs + 1, inputs + 1], ScalarType.Float64, device).DetachFromDisposeScope();
        _outputs = zeros([outputs, inputs + 1], ScalarType.Float64, device).DetachFromDisposeScope();
    }

    /// <summary>Adds tokens.</summary>
    /// <param name="inputs">[B, N, k].</param>
    /// <param name="outputs">[B, N, D].</param>
    /// <param name="weights">Weight of every token of an image, float32 [N].</param>
    public void Add(Tensor inputs, Tensor outputs, Tensor weights)
    {
        using DisposeScope scope = NewDisposeScope();
        long tokens = outputs.shape[0] * outputs.shape[1];
        Tensor constant = ones([outputs.shape[0], outputs.shape[1], 1], ScalarType.Float32, outputs.device);
        Tensor x = cat([inputs.to(ScalarType.Float32), constant], 2);
        Tensor weighted = (x * weights.unsqueeze(1)).reshape(tokens, -1);
        _inputs.AddInPlace(weighted.t().mm(x.reshape(tokens, -1)).to(_inputs.device));
        _outputs.AddInPlace(outputs.to(ScalarType.Float32).reshape(tokens, -1).t().mm(weighted).to(_outputs.device));
        _weight += outputs.shape[0] * (double)weights.sum().item<float>();
    }

    /// <summary>
    /// The affine layer that gives the outputs best, held near a given weight by a ridge: weight [D, k] and bias [D], float64.
    /// </summary>
    /// <param name="near">Weight it is held near, float64 [D, k].</param>
    /// <param name="ridge">How strongly.</param>
    /// <exception cref="SnapViTException">The moments are singular and not damped, or not finite.</exception>
    public (Tensor Weight, Tensor Bias) Fit(Tensor near, Damping ridge)
    {
        using DisposeScope scope = NewDisposeScope();
        long k = near.shape[1];
        Tensor all = _inputs.Div(_weight), wanted = _outputs.Div(_weight);
        Tensor mean = all.narrow(0, k, 1).narrow(1, 0, k).reshape(k), wantedMean = wanted.select(1, k);
        Tensor weight = near;
        if (k > 0)
        {
            Tensor covariance = all.narrow(0, 0, k).narrow(1, 0, k).Minus(mean.outer(mean));
            Tensor error = wanted.narrow(1, 0, k).Minus(wantedMean.outer(mean)).Minus(near.mm(covariance));
            Tensor factor = LayerCorrection.Cholesky(ridge.Apply(covariance));
            Tensor half = linalg.solve_triangular(factor.t(), error, upper: true, left: false);
            weight = near.Plus(linalg.solve_triangular(factor, half, upper: false, left: false));
        }

        Tensor bias = k == 0 ? wantedMean : wantedMean.Minus(weight.mv(mean));
        return (weight.clone().MoveToOuterDisposeScope(), bias.clone().MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _inputs.Dispose();
        _outputs.Dispose();
    }
}
