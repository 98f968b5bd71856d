using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>AdamW (Loshchilov and Hutter, 2019) over one flat vector of parameters.</summary>
/// <remarks>
/// TorchSharp has an AdamW too, but it hands torch temporary Scalars, which the collector may free under torch's hands
/// (docs/architecture.md); a training of thousands of steps meets that.
/// </remarks>
internal sealed class AdamW : IDisposable
{
    private const double MeanDecay = 0.9, SquareDecay = 0.98, Epsilon = 1e-8;

    private readonly Tensor _parameters;
    private readonly Tensor _decayed;
    private readonly Tensor _mean;
    private readonly Tensor _square;
    private int _step;

    /// <summary>An optimiser of parameters, which stay the caller's.</summary>
    /// <param name="parameters">Leaf vector [n] that asks for a gradient.</param>
    /// <param name="decayed">1 where weight decay applies, else 0, [n]; owned from here on.</param>
    public AdamW(Tensor parameters, Tensor decayed) =>
        (_parameters, _decayed, _mean, _square) =
            (parameters, decayed, zeros_like(decayed).DetachFromDisposeScope(), zeros_like(decayed).DetachFromDisposeScope());

    /// <summary>One step along the gradient, which is cleared.</summary>
    /// <param name="rate">Learning rate.</param>
    /// <param name="weightDecay">Share of a weight taken away per unit of the rate.</param>
    public void Step(double rate, double weightDecay)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        _step++;
        Tensor gradient = _parameters.grad ?? throw new InvalidOperationException("no gradient: run backward first");
        Blend(_mean, gradient, MeanDecay);
        Blend(_square, gradient.mul(gradient), SquareDecay);
        using Scalar bias = (1 / Math.Sqrt(1 - Math.Pow(SquareDecay, _step))).ToScalar();
        using Scalar epsilon = Epsilon.ToScalar();
        using Scalar step = (-rate / (1 - Math.Pow(MeanDecay, _step))).ToScalar();
        using Scalar decay = (-rate * weightDecay).ToScalar();
        using Scalar one = 1.ToScalar();
        _parameters.add_(_parameters * _decayed, decay);
        _parameters.add_(_mean / _square.sqrt().mul(bias).add(epsilon, one), step);
        gradient.zero_();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _decayed.Dispose();
        _mean.Dispose();
        _square.Dispose();
    }

    private static void Blend(Tensor average, Tensor value, double decay)
    {
        using Scalar old = decay.ToScalar();
        using Scalar fresh = (1 - decay).ToScalar();
        average.mul_(old).add_(value, fresh);
    }
}
