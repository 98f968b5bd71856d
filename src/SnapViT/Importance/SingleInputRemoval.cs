using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// Removes the inputs of a layer one by one, the cheapest first. The rank-one terms of the last steps are kept beside the inverse and the
/// weights and folded into them together, which turns most of the n^3 work into matrix products.
/// </summary>
internal sealed class SingleInputRemoval : IDisposable
{
    private const int FoldAfter = 64;

    private readonly Tensor _inverse;
    private readonly Tensor _weights;
    private readonly Tensor _rows;
    private readonly Tensor _shares;
    private readonly Tensor _columns;
    private readonly double[] _diagonal;
    private readonly double[] _norms;
    private readonly bool[] _removed;
    private int _pending;

    /// <summary>Starts with all inputs.</summary>
    /// <param name="inverse">Inverse of the damped input covariance, float64 [n, n]; copied.</param>
    /// <param name="weights">Root of Gamma times the weight, float64 [D, n]; copied.</param>
    public SingleInputRemoval(Tensor inverse, Tensor weights)
    {
        using DisposeScope scope = NewDisposeScope();
        long n = inverse.shape[0];
        _inverse = inverse.clone().DetachFromDisposeScope();
        _weights = weights.clone().DetachFromDisposeScope();
        _rows = zeros([FoldAfter, n], ScalarType.Float64, inverse.device).DetachFromDisposeScope();
        _shares = zeros_like(_rows).DetachFromDisposeScope();
        _columns = zeros([FoldAfter, weights.shape[0]], ScalarType.Float64, inverse.device).DetachFromDisposeScope();
        _diagonal = Values(_inverse.diagonal());
        _norms = Values(_weights.square().sum([0]));
        _removed = new bool[n];
    }

    /// <summary>The cost of every input when it is removed, never less than of those before it, [n].</summary>
    public double[] Run()
    {
        double[] costs = new double[_removed.Length];
        double dearest = 0;
        for (int step = 0; step < costs.Length; step++)
        {
            (int cheapest, double cost) = Cheapest();
            dearest = Math.Max(dearest, cost);
            costs[cheapest] = dearest;
            _removed[cheapest] = true;
            Remove(cheapest);
        }

        return costs;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in new[] { _inverse, _weights, _rows, _shares, _columns })
        {
            tensor.Dispose();
        }
    }

    private (int Index, double Cost) Cheapest()
    {
        (int index, double cost) = (-1, double.PositiveInfinity);
        for (int i = 0; i < _removed.Length; i++)
        {
            double candidate = _norms[i] / _diagonal[i];
            if (!_removed[i] && (candidate < cost || index < 0))
            {
                (index, cost) = (i, candidate);
            }
        }

        return (index, Math.Max(0, cost));
    }

    private void Remove(int index)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = _rows.narrow(0, 0, _pending), shares = _shares.narrow(0, 0, _pending), columns = _columns.narrow(0, 0, _pending);
        Tensor ofIndex = shares.select(1, index);
        Tensor row = _inverse.select(0, index).Minus(rows.t().mv(ofIndex));
        Tensor column = _weights.select(1, index).Minus(columns.t().mv(ofIndex));
        Tensor overlaps = _weights.t().mv(column).Minus(shares.t().mv(columns.mv(column)));
        double pivot = _diagonal[index];
        Tensor share = row.Div(pivot);
        Update(Values(share), Values(overlaps), pivot, _norms[index]);
        _rows.select(0, _pending).copy_(row);
        _shares.select(0, _pending).copy_(share);
        _columns.select(0, _pending).copy_(column);
        if (++_pending == FoldAfter)
        {
            _inverse.SubInPlace(_shares.t().mm(_rows));
            _weights.SubInPlace(_columns.t().mm(_shares));
            _pending = 0;
        }
    }

    /// <summary>What the removal does to the diagonal of the inverse and the norms of the other columns.</summary>
    private void Update(double[] shares, double[] overlaps, double pivot, double norm)
    {
        for (int i = 0; i < shares.Length; i++)
        {
            _norms[i] = Math.Max(0, _norms[i] + (shares[i] * ((shares[i] * norm) - (2 * overlaps[i]))));
            _diagonal[i] -= shares[i] * shares[i] * pivot;
        }
    }

    private static double[] Values(Tensor vector)
    {
        using DisposeScope scope = NewDisposeScope();
        return vector.cpu().contiguous().data<double>().ToArray();
    }
}
