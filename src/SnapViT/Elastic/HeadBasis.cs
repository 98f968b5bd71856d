using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Elastic;

/// <summary>
/// The bases in which the dimensions inside heads are sorted, applied to a model: an invertible T of the queries and its inverse transpose
/// of the keys leave every logit as it is, and T of the values and its inverse of the projection the output. In float64, from the published
/// weights. Queries and keys that rotary positions turn are sorted pair by pair.
/// </summary>
internal sealed class HeadBasis : IDisposable
{
    private readonly Tensor[] _queries;
    private readonly Tensor[] _values;
    private readonly int[][]? _pairs;

    /// <summary>Takes stored bases.</summary>
    /// <param name="stored">The bases.</param>
    /// <param name="architecture">The model they are of.</param>
    /// <exception cref="SnapViTException">They are of another architecture.</exception>
    public HeadBasis(StoredHeadBasis stored, ViTArchitecture architecture)
    {
        ViTArchitecture a = architecture;
        long elements = (long)a.Heads * a.HeadDim * a.HeadDim;
        bool isRotary = a.Position == PositionEmbedding.Rotary;
        if (stored.Values.Count != a.Depth || stored.Queries.Concat(stored.Values).Any(basis => basis.Length != elements)
            || (stored.Pairs.Count > 0 && (!isRotary || stored.Pairs.Any(pairs => pairs.Length != a.HeadDim / 2)))
            || (stored.Queries.Count > 0 && isRotary))
        {
            throw new SnapViTException(
                ErrorKind.File,
                $"head basis: expected {a.Depth} blocks of {a.Heads} heads with {a.HeadDim} dimensions, found others");
        }

        _queries = [.. stored.Queries.Select(Matrix)];
        _values = [.. stored.Values.Select(Matrix)];
        _pairs = stored.Pairs.Count > 0 ? [.. stored.Pairs.Select(pairs => Array.ConvertAll(pairs, pair => (int)pair))] : null;

        Tensor Matrix(float[] values)
        {
            using DisposeScope scope = NewDisposeScope();
            return tensor(values, [a.Heads, a.HeadDim, a.HeadDim]).to(ScalarType.Float64).DetachFromDisposeScope();
        }
    }

    /// <summary>New weights of the same function: queries, keys, values and projections in the bases, aliases of all others.</summary>
    /// <param name="weights">Unpruned weights.</param>
    public ViTWeights Apply(ViTWeights weights)
    {
        using IDisposable frozen = no_grad();
        return weights.Map(weights.Widths, (parameter, tensor) =>
            parameter.Block is not int block ? tensor.alias()
            : parameter.Layout.IsHeadMajor ? OfQkv(block, tensor)
            : parameter.Layout.ColumnsOfHead is not null ? OfProjection(block, tensor)
            : tensor.alias(), _pairs);
    }

    /// <summary>Second moments of such weights.</summary>
    /// <param name="moments">Moments of the weights as they were; owned from here on.</param>
    public IMomentSource Apply(IMomentSource moments) => new BasisMoments(moments, _values);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor basis in _queries.Concat(_values))
        {
            basis.Dispose();
        }
    }

    /// <summary>Rows [A, 3, d, D] or biases [A, 3, d].</summary>
    private Tensor OfQkv(int block, Tensor tensor)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] shape = tensor.shape;
        Tensor rows = tensor.cpu().to(ScalarType.Float64).reshape(shape[0], 3, shape[2], -1);
        Tensor values = _values[block].bmm(rows.select(1, 2));
        Tensor queries = rows.select(1, 0), keys = rows.select(1, 1);
        if (_queries.Length > 0)
        {
            Tensor basis = _queries[block];
            (queries, keys) = (basis.bmm(queries), linalg.solve(basis.transpose(1, 2), keys));
        }

        Tensor moved = stack([queries, keys, values], 1).reshape(shape);
        Tensor sorted = _pairs is null ? moved : RotaryOrder.Sorted(moved, _pairs[block]);
        return sorted.to(tensor.dtype).to(tensor.device).MoveToOuterDisposeScope();
    }

    /// <summary>Columns [D, A, d].</summary>
    private Tensor OfProjection(int block, Tensor tensor)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor columns = tensor.cpu().to(ScalarType.Float64).permute(1, 2, 0);
        Tensor moved = linalg.solve(_values[block].transpose(1, 2), columns);
        return moved.permute(2, 0, 1).contiguous().to(tensor.dtype).to(tensor.device).MoveToOuterDisposeScope();
    }
}
