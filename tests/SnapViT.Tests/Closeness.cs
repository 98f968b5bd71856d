using static TorchSharp.torch;

namespace SnapViT.Tests;

/// <summary>How close numbers must be, in the terms of the issue: absolute, relative to the tensor's largest value, or per element.</summary>
internal static class Closeness
{
    public static void ShouldBeWithin(this Tensor actual, double absolute, Tensor expected)
    {
        Assert.Equal(expected.shape, actual.shape);
        using Tensor difference = (actual.to(ScalarType.Float64) - expected.to(ScalarType.Float64)).abs();
        double largest = difference.numel() == 0 ? 0 : difference.max().item<double>();
        Assert.True(largest <= absolute, $"largest difference {largest:G4}, allowed {absolute:G4}");
    }

    public static void ShouldBeWithinOfLargest(this Tensor actual, double relative, Tensor expected)
    {
        double largest = expected.numel() == 0 ? 0 : expected.to(ScalarType.Float64).abs().max().item<double>();
        actual.ShouldBeWithin(relative * largest, expected);
    }

    public static void ShouldBeWithinEach(this ReadOnlySpan<double> actual, double relative, ReadOnlySpan<float> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(actual[i] - expected[i]) <= relative * Math.Abs(expected[i]), $"element {i}: expected {expected[i]:G6}, found {actual[i]:G6}");
        }
    }
}
