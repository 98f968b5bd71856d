using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Calibration;

/// <summary>Second moments to and from the form in which a scores file keeps them: mean and lower triangle of the covariance, as they are fitted by.</summary>
public static class MomentStorage
{
    /// <summary>The moments as they are stored.</summary>
    public static StoredMoments ToStored(this CalibrationMoments moments)
    {
        ArgumentNullException.ThrowIfNull(moments);
        IEnumerable<int> blocks = Enumerable.Range(0, moments.Architecture.Depth);
        return new StoredMoments(
            moments.Images,
            [.. blocks.Select(block => Store(moments, block, BlockLinear.Proj))],
            [.. blocks.Select(block => Store(moments, block, BlockLinear.Fc2))]);
    }

    /// <summary>Stored moments as tensors; the caller disposes them.</summary>
    /// <param name="stored">Moments of a scores file.</param>
    /// <param name="architecture">The unpruned model they are of.</param>
    /// <exception cref="ArgumentException">They are of another architecture.</exception>
    public static CalibrationMoments ToMoments(this StoredMoments stored, ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(architecture);
        Require(stored.Proj, architecture.Depth, architecture.Heads * architecture.HeadDim, "proj");
        Require(stored.Fc2, architecture.Depth, architecture.MlpDim, "fc2");
        return new CalibrationMoments(
            architecture, stored.Images, [.. stored.Proj.Select(Load)], [.. stored.Fc2.Select(Load)]);
    }

    private static void Require(IReadOnlyList<StoredLayerMoments> layers, int depth, int width, string name)
    {
        if (layers.Count != depth || layers.Any(layer => layer.Mean.Length != width))
        {
            throw new ArgumentException($"moments: expected {depth} layers {name} of {width} inputs, found {layers.Count} of {layers[0].Mean.Length}");
        }
    }

    private static StoredLayerMoments Store(CalibrationMoments all, int block, BlockLinear layer)
    {
        using DisposeScope scope = NewDisposeScope();
        using SecondMoments moments = all.ForFit(block, layer);
        float[] square = moments.Covariance().to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        double[] mean = moments.Mean().cpu().data<double>().ToArray();
        int n = mean.Length;
        float[] lower = new float[n * (n + 1L) / 2];
        for (int row = 0; row < n; row++)
        {
            Array.Copy(square, (long)row * n, lower, row * (row + 1L) / 2, row + 1);
        }

        return new StoredLayerMoments(mean, lower, moments.Weight);
    }

    private static SecondMoments Load(StoredLayerMoments stored)
    {
        int n = stored.Mean.Length;
        double[] square = new double[(long)n * n];
        for (int row = 0; row < n; row++)
        {
            for (int column = 0; column <= row; column++)
            {
                double value = stored.Covariance[(row * (row + 1L) / 2) + column];
                square[((long)row * n) + column] = value;
                square[((long)column * n) + row] = value;
            }
        }

        using DisposeScope scope = NewDisposeScope();
        return new SecondMoments(tensor(stored.Mean), tensor(square).view(n, n).clone(), stored.Weight);
    }
}
