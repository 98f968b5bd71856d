using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Models;
using SnapViT.Models.Parts;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Calibration;

/// <summary>
/// What the dimensions inside every head are sorted by: second moments of its queries, and the covariance of its keys within an image,
/// since softmax does not see what all keys of an image share; both as they are turned by rotary positions. One pass of the unpruned
/// model; sums are exact.
/// </summary>
internal sealed class HeadMoments : IRunningSums, IDisposable
{
    private readonly ViTArchitecture _architecture;
    private readonly ExactSum[] _queries;
    private readonly ExactSum[] _keys;
    private readonly RotaryPart? _rotary;

    /// <summary>Moments of nothing yet.</summary>
    /// <param name="architecture">The unpruned model.</param>
    /// <param name="device">Where sums are kept; null for the CPU.</param>
    public HeadMoments(ViTArchitecture architecture, Device? device = null)
    {
        ViTArchitecture a = _architecture = architecture;
        _queries = [.. Enumerable.Range(0, a.Depth).Select(_ => Empty())];
        _keys = [.. Enumerable.Range(0, a.Depth).Select(_ => Empty())];
        _rotary = a.Position == PositionEmbedding.Rotary ? new RotaryPart(a, device ?? CPU) : null;

        ExactSum Empty() => new([a.Heads, a.HeadDim, a.HeadDim], device);
    }

    /// <summary>Adds tokens.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="qkv">Output of the fused layer of the unpruned model, [B, N, 3 A d], head by head.</param>
    /// <param name="weights">Weight of every token of an image, float32 [N].</param>
    public void Add(int block, Tensor qkv, Tensor weights)
    {
        using DisposeScope scope = NewDisposeScope();
        ViTArchitecture a = _architecture;
        Tensor headMajor = qkv.view(qkv.shape[0], qkv.shape[1], a.Heads, 3, a.HeadDim);
        Tensor queries = Turned(headMajor.select(3, 0)) * weights.sqrt().view(1, -1, 1, 1), keys = Turned(headMajor.select(3, 1));
        Tensor centred = keys.Minus(keys.mean([1], keepdim: true));
        AddProducts(_queries[block], queries);
        AddProducts(_keys[block], centred);

        // Rows [B, N, A, d] where their tokens are.
        Tensor Turned(Tensor rows) => _rotary is null
            ? rows.to(ScalarType.Float32)
            : _rotary.Forward(rows.to(ScalarType.Float32).transpose(1, 2), new TokenStream(qkv), block).transpose(1, 2);
    }

    /// <summary>
    /// The bases of all heads. Of queries and keys: with second moments <c>G_q = R_a^T R_a</c> and <c>G_k = R_b^T R_b</c> and
    /// <c>R_a R_b^T = U S V^T</c> the queries become <c>S^(1/2) U^T R_a^-T q</c>, so that the first r dimensions give the best logits of
    /// rank r. Of values: with the covariance <c>R^T R</c> of the head's output and <c>P R^T = U S V^T</c> of its part P of the projection
    /// they become <c>V^T R^-T v</c>, so that the first r give the output of the head best. Rotary positions turn pairs of dimensions,
    /// which are only sorted: by the sum over the heads of the trace of <c>G_q G_k</c> within a pair, the mean square of what it adds to
    /// a logit.
    /// </summary>
    /// <param name="weights">The unpruned weights.</param>
    /// <param name="moments">Second moments of the inputs of the projections.</param>
    public StoredHeadBasis Bases(ViTWeights weights, IMomentSource moments)
    {
        using IDisposable frozen = no_grad();
        using DisposeScope scope = NewDisposeScope();
        ViTArchitecture a = _architecture;
        IEnumerable<int> blocks = Enumerable.Range(0, a.Depth);
        float[][] queries = a.Position == PositionEmbedding.Rotary ? [] : [.. blocks.Select(block => Floats(OfQueries(block)))];
        return new StoredHeadBasis(queries, [.. blocks.Select(block => Floats(OfValues(weights, block, moments)))])
        {
            Pairs = a.Position == PositionEmbedding.Rotary ? [.. blocks.Select(Pairs)] : [],
        };
    }

    void IRunningSums.Save(SumWriter to) => EverySum((name, sum) => sum.Save(to, name));

    void IRunningSums.Restore(SumReader from) => EverySum((name, sum) => sum.Restore(from, name));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ExactSum sum in _queries.Concat(_keys))
        {
            sum.Dispose();
        }

        _rotary?.Dispose();
    }

    private void EverySum(Action<string, ExactSum> work)
    {
        for (int block = 0; block < _queries.Length; block++)
        {
            work(string.Create(CultureInfo.InvariantCulture, $"{block}.queries"), _queries[block]);
            work(string.Create(CultureInfo.InvariantCulture, $"{block}.keys"), _keys[block]);
        }
    }

    /// <summary>Adds the products of rows [B, N, A, d].</summary>
    private static void AddProducts(ExactSum sum, Tensor rows)
    {
        Tensor byHead = rows.permute(2, 0, 1, 3).reshape(rows.shape[2], -1, rows.shape[3]);
        sum.Add(byHead.transpose(1, 2).bmm(byHead));
    }

    /// <summary>Pairs of dimensions (i, i + d/2), those that add most to the logits first; of equals the first.</summary>
    private long[] Pairs(int block)
    {
        using DisposeScope scope = NewDisposeScope();
        int count = _architecture.HeadDim / 2;
        double[] added = OfPairs(_queries[block].Value).bmm(OfPairs(_keys[block].Value))
            .diagonal(0, 1, 2).sum([-1]).view(-1, count).sum([0])
            .cpu().data<double>().ToArray();
        return [.. Enumerable.Range(0, count).OrderByDescending(pair => added[pair]).Select(pair => (long)pair)];

        // [A, d, d] to the 2 x 2 moments of every pair, [A d/2, 2, 2].
        Tensor OfPairs(Tensor moments) => moments.view(-1, 2, count, 2, count).diagonal(0, 2, 4).permute(0, 3, 1, 2).reshape(-1, 2, 2);
    }

    private Tensor OfQueries(int block)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor upperOfQueries = Upper(_queries[block].Value.cpu()), upperOfKeys = Upper(_keys[block].Value.cpu());
        (Tensor u, Tensor s, _) = linalg.svd(upperOfQueries.bmm(upperOfKeys.transpose(1, 2)));
        Tensor rotated = linalg.solve_triangular(upperOfQueries, Signed(u), upper: true, left: true).transpose(1, 2);
        return (s.sqrt().unsqueeze(2) * rotated).MoveToOuterDisposeScope();
    }

    private Tensor OfValues(ViTWeights weights, int block, IMomentSource moments)
    {
        using DisposeScope scope = NewDisposeScope();
        ViTArchitecture a = _architecture;
        using SecondMoments ofBlock = moments.ForFit(block, BlockLinear.Proj);
        Tensor covariance = ofBlock.Covariance().cpu().view(a.Heads, a.HeadDim, a.Heads, a.HeadDim)
            .diagonal(0, 0, 2).permute(2, 0, 1).contiguous();
        Tensor upper = Upper(covariance);
        Tensor projection = weights.Blocks[block].Attention.Proj.Weight.cpu().to(ScalarType.Float64).permute(1, 0, 2);
        if (weights.Find(weights.Table.Blocks[block].LayerScale1) is Tensor scale)
        {
            projection = projection * scale.cpu().to(ScalarType.Float64).view(1, -1, 1);
        }

        // The right singular vectors of P R^T are the eigenvectors of a square of d.
        Tensor reduced = projection.bmm(upper.transpose(1, 2));
        (Tensor v, _, _) = linalg.svd(reduced.transpose(1, 2).bmm(reduced));
        return linalg.solve_triangular(upper, Signed(v), upper: true, left: true).transpose(1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>R, upper triangular, of damped moments <c>G = R^T R</c>, [A, d, d].</summary>
    private static Tensor Upper(Tensor moments)
    {
        Tensor mean = moments.diagonal(0, 1, 2).mean([1]);
        Tensor ridge = mean.Times(1e-6).Plus(ones_like(mean).Times(1e-30));
        Tensor damped = moments.Plus(eye(moments.shape[1], dtype: ScalarType.Float64).unsqueeze(0) * ridge.view(-1, 1, 1));
        return linalg.cholesky(damped).transpose(1, 2);
    }

    /// <summary>Columns whose largest element is positive, so that the same moments give the same basis everywhere.</summary>
    private static Tensor Signed(Tensor columns)
    {
        Tensor largest = columns.abs().argmax(1, keepdim: true);
        return columns * columns.gather(1, largest).sign();
    }

    private static float[] Floats(Tensor basis)
    {
        using Tensor floats = basis.to(ScalarType.Float32).cpu().contiguous();
        return floats.data<float>().ToArray();
    }
}
