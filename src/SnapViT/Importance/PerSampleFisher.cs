using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The paper's Eq. 2: mean over images of the squared norm of each image's own gradient. For a linear layer <c>g_ij = sum_t delta_tj
/// x_t</c>, so <c>||g_ij||^2 = delta_j^T (X X^T) delta_j</c> over the tokens of image i, and no per-sample weight gradient is stored.
/// </summary>
internal sealed class PerSampleFisher : IGradientScore
{
    /// <summary>
    /// Numbers of a float32 tensor that stay in the cache of a core: images that together have as many are one piece of work. Whole
    /// batches go through memory a dozen times.
    /// </summary>
    private const long Cached = 300_000;

    private readonly LayerSums _sums = new();

    /// <inheritdoc/>
    public void Add(int block, BlockLinear layer, Tensor input, Tensor delta)
    {
        using DisposeScope scope = NewDisposeScope();
        long ofImage = delta.shape[1] * Math.Max(delta.shape[2], input.shape[2]);
        long together = input.device_type == DeviceType.CPU ? Math.Max(1, Cached / ofImage) : input.shape[0];
        (Tensor Input, Tensor Delta)[] pieces = [.. input.split(together, 0).Zip(delta.split(together, 0))];
        Tensor[] norms = SideBySide.Run(pieces, piece => SquaredNorms(piece.Input, piece.Delta));
        Tensor all = cat(norms, 0);
        Array.ForEach(norms, one => one.Dispose());
        _sums.Add(block, layer, all.sum([0]).Div(input.shape[2]));
    }

    /// <inheritdoc/>
    public double[] Rows(int block, BlockLinear layer, long images)
    {
        using DisposeScope scope = NewDisposeScope();
        return _sums[block, layer].Div(images).cpu().data<double>().ToArray();
    }

    /// <inheritdoc/>
    public void Save(SumWriter to) => _sums.Save(to);

    /// <inheritdoc/>
    public void Restore(SumReader from) => _sums.Restore(from);

    /// <inheritdoc/>
    public void Dispose() => _sums.Dispose();

    /// <summary>The largest absolute value over tokens of delta [B, T, rows] as [B, 1, rows]; 1 where all are zero.</summary>
    private static Tensor LargestOrOne(Tensor delta)
    {
        using Scalar one = 1.ToScalar();
        Tensor largest = delta.abs().amax([1], keepdim: true);
        return largest.masked_fill(largest.logical_not(), one);
    }

    /// <summary>||g_ij||^2 of X [B, T, D] and delta [B, T, rows] as float64 [B, rows], of no dispose scope.</summary>
    private static Tensor SquaredNorms(Tensor input, Tensor delta)
    {
        using DisposeScope scope = NewDisposeScope();

        // Squares of gradients of 1e-20 would vanish in float32: scale every image's row to 1 first, and back in double.
        Tensor scale = LargestOrOne(delta).to(ScalarType.Float32);
        Tensor scaled = delta.to(ScalarType.Float32, copy: true).div_(scale);
        return (Scaled(input.to(ScalarType.Float32), scaled) * scale.squeeze(1).to(ScalarType.Float64).square()).DetachFromDisposeScope();
    }

    /// <summary>The same of a delta that is of 1 at most, by whichever of the two forms multiplies less.</summary>
    private static Tensor Scaled(Tensor x, Tensor delta)
    {
        long tokens = x.shape[1], width = x.shape[2], rows = delta.shape[2];
        if (tokens * (width + rows) <= width * rows)
        {
            Tensor mixed = bmm(bmm(x, x.transpose(1, 2)), delta);
            return mixed.mul_(delta).sum(1, type: ScalarType.Float64).relu();
        }

        // Many crops per image: one image's gradient at a time is smaller than its token-by-token matrix.
        Tensor[] samples =
        [
            .. Enumerable.Range(0, (int)x.shape[0])
                .Select(sample => OneSample(x.select(0, sample), delta.select(0, sample))),
        ];
        return stack(samples);
    }

    private static Tensor OneSample(Tensor x, Tensor delta)
    {
        using DisposeScope scope = NewDisposeScope();
        return delta.t().mm(x).square().sum(1, type: ScalarType.Float64).MoveToOuterDisposeScope();
    }
}
