using SnapViT.Core.Architecture;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Calibration;

/// <summary>Second moments of a model whose values are in another basis: <c>T mean</c> and <c>T H T^T</c>, head by head.</summary>
internal sealed class BasisMoments : IMomentSource
{
    private readonly IMomentSource _moments;
    private readonly Tensor[] _values;

    /// <summary>Moments in another basis.</summary>
    /// <param name="moments">Moments in the model's own basis; owned from here on.</param>
    /// <param name="values">Per block the basis of the values, float64 [A, d, d]; stay the caller's, their memory is shared.</param>
    public BasisMoments(IMomentSource moments, IEnumerable<Tensor> values) =>
        (_moments, _values) = (moments, [.. values.Select(basis => basis.alias().DetachFromDisposeScope())]);

    /// <inheritdoc/>
    public ViTArchitecture Architecture => _moments.Architecture;

    /// <inheritdoc/>
    public SecondMoments ForFit(int block, BlockLinear layer)
    {
        SecondMoments own = _moments.ForFit(block, layer);
        if (layer != BlockLinear.Proj)
        {
            return own;
        }

        using (own)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor basis = _values[block].to(own.Device), mean = own.Mean(), covariance = own.Covariance();
            long heads = basis.shape[0], dims = basis.shape[1], n = heads * dims;
            Tensor moved = basis.bmm(mean.view(heads, dims, 1)).reshape(n);
            Tensor half = basis.bmm(covariance.view(heads, dims, n)).reshape(n, n);
            Tensor whole = basis.bmm(half.t().reshape(heads, dims, n)).reshape(n, n).contiguous();
            return new SecondMoments(moved.DetachFromDisposeScope(), whole.DetachFromDisposeScope(), own.Weight);
        }
    }

    /// <inheritdoc/>
    public IMomentSource Share() => new BasisMoments(_moments.Share(), _values);

    /// <inheritdoc/>
    public void Dispose()
    {
        _moments.Dispose();
        foreach (Tensor basis in _values)
        {
            basis.Dispose();
        }
    }
}
