using System.Runtime.InteropServices;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Calibration;

/// <summary>
/// Second moments to and from the form in which a scores file keeps them: mean and lower triangle of the covariance, as they are fitted by.
/// </summary>
internal static class MomentStorage
{
    /// <summary>The moments as they are stored.</summary>
    internal static StoredMoments ToStored(this CalibrationMoments moments)
    {
        ArgumentNullException.ThrowIfNull(moments);
        IEnumerable<int> blocks = Enumerable.Range(0, moments.Architecture.Depth);
        return new StoredMoments(
            moments.Images,
            [.. blocks.Select(block => Store(moments, block, BlockLinear.Proj))],
            [.. blocks.Select(block => Store(moments, block, BlockLinear.Fc2))]);
    }

    /// <summary>Stored moments as what corrections are fitted by; a layer is read when it is asked for.</summary>
    /// <param name="stored">Moments of a scores file.</param>
    /// <param name="architecture">The unpruned model they are of.</param>
    /// <exception cref="SnapViTException">They are of another architecture.</exception>
    internal static IMomentSource ForFit(this StoredMoments stored, ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(architecture);
        (int Depth, int Proj, int Fc2) expected = (architecture.Depth, architecture.Heads * architecture.HeadDim, architecture.MlpDim);
        (int Depth, int Proj, int Fc2) found = (stored.Depth, stored.ProjWidth, stored.Fc2Width);
        return expected == found ? new StoredSource(stored, architecture) : throw new SnapViTException(
            ErrorKind.File,
            $"moments: expected {expected.Depth} layers proj of {expected.Proj} inputs and fc2 of {expected.Fc2}, "
            + $"found {found.Depth} of {found.Proj} and {found.Fc2}");
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

        return new StoredLayerMoments(mean, moments.Weight, values => lower.CopyTo(values));
    }

    /// <summary>The matrix is made once: its lower triangle is all that counts.</summary>
    private static SecondMoments Load(StoredLayerMoments stored)
    {
        int n = stored.Mean.Length;
        using Tensor triangle = empty([StoredLayerMoments.Triangle(n)]);
        Span<float> lower = MemoryMarshal.Cast<byte, float>(triangle.bytes);
        stored.Covariance(lower);
        Tensor covariance = zeros([n, n], ScalarType.Float64).DetachFromDisposeScope();
        Span<double> values = MemoryMarshal.Cast<byte, double>(covariance.bytes);
        for (int row = 0, at = 0; row < n; row++)
        {
            for (int column = 0; column <= row; column++, at++)
            {
                values[(row * n) + column] = lower[at];
            }
        }

        return new SecondMoments(tensor(stored.Mean).DetachFromDisposeScope(), covariance, stored.Weight);
    }

    /// <summary>Holds nothing but the way to the file.</summary>
    private sealed class StoredSource(StoredMoments stored, ViTArchitecture architecture) : IMomentSource
    {
        public ViTArchitecture Architecture => architecture;

        public SecondMoments ForFit(int block, BlockLinear layer) => layer switch
        {
            BlockLinear.Proj => Load(stored.Proj(block)),
            BlockLinear.Fc2 => Load(stored.Fc2(block)),
            _ => throw new ArgumentOutOfRangeException(nameof(layer), layer, "pruning removes inputs of proj and fc2 only"),
        };

        public IMomentSource Share() => this;

        public void Dispose()
        {
        }
    }
}
