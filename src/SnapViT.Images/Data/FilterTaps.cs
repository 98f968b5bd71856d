using System.Numerics;

namespace SnapViT.Data;

/// <summary>Consecutive pixels of a resized axis; those outside the window are never computed.</summary>
/// <param name="Inputs">Pixels of the axis before, at least 1.</param>
/// <param name="Outputs">Pixels of the axis after, at least 1; may be far more than are wanted.</param>
/// <param name="From">The first pixel that is wanted.</param>
/// <param name="Count">Pixels that are wanted.</param>
internal readonly record struct ResizedAxis(int Inputs, long Outputs, long From, int Count)
{
    /// <summary>All pixels of a resized axis.</summary>
    public static ResizedAxis Whole(int inputs, int outputs) => new(inputs, outputs, 0, outputs);
}

/// <summary>For consecutive pixels of a resized axis: which input pixels they are made of, and with what weights.</summary>
/// <param name="Starts">First input pixel of every output pixel; never falls.</param>
/// <param name="Weights">Weights of every output pixel's inputs; they sum to one.</param>
internal sealed record FilterTaps<T>(int[] Starts, T[][] Weights)
{
    /// <summary>Number of output pixels.</summary>
    public int Count => Starts.Length;

    /// <summary>The first input pixel that is used.</summary>
    public int First => Starts[0];

    /// <summary>Input pixels from the first used one to the last.</summary>
    public int Span => Starts[^1] + Weights[^1].Length - First;
}

/// <summary>Makes taps. Shrinking widens the filter, so that every input pixel counts (antialiasing).</summary>
internal static class FilterTaps
{
    /// <summary>Fraction bits of <see cref="FixedPoint"/>: a byte times a weight, summed, still fits 32 bits.</summary>
    public const int FractionBits = 22;

    /// <summary>PIL's weights for bytes: computed in double, then rounded to fixed point.</summary>
    public static FilterTaps<int> FixedPoint(ResizedAxis axis, Interpolation interpolation)
    {
        FilterTaps<double> taps = For<double>(axis, interpolation);
        return new FilterTaps<int>(taps.Starts, Array.ConvertAll(taps.Weights, row => Array.ConvertAll(row, Rounded)));

        static int Rounded(double weight) => (int)((weight * (1 << FractionBits)) + (weight < 0 ? -0.5 : 0.5));
    }

    /// <summary>Weights computed in a precision, operation by operation as PIL (double) and torch (float) do.</summary>
    public static FilterTaps<T> For<T>(ResizedAxis axis, Interpolation interpolation)
        where T : IFloatingPointIeee754<T>
    {
        T half = T.CreateChecked(0.5);
        T scale = T.CreateChecked(axis.Inputs) / T.CreateChecked(axis.Outputs);
        T widening = T.Max(scale, T.One);
        T support = T.CreateChecked(interpolation == Interpolation.Bicubic ? 2 : 1) * widening;
        int[] starts = new int[axis.Count];
        T[][] weights = new T[axis.Count][];
        for (int i = 0; i < axis.Count; i++)
        {
            T centre = (T.CreateChecked(axis.From + i) + half) * scale;
            int start = int.Max(int.CreateTruncating(centre - support + half), 0);
            int end = int.Min(int.CreateTruncating(centre + support + half), axis.Inputs);
            T[] taps = new T[end - start];
            T sum = T.Zero;
            for (int hook = 0; hook < taps.Length; hook++)
            {
                taps[hook] = Filter((T.CreateChecked(start + hook) - centre + half) * (T.One / widening), interpolation);
                sum += taps[hook];
            }

            starts[i] = start;
            weights[i] = Array.ConvertAll(taps, weight => weight / sum);
        }

        return new FilterTaps<T>(starts, weights);
    }

    private static T Filter<T>(T x, Interpolation interpolation)
        where T : IFloatingPointIeee754<T>
    {
        x = T.Abs(x);
        T one = T.One, two = one + one, a = -one / two;
        if (interpolation == Interpolation.Bilinear)
        {
            return T.Max(T.Zero, one - x);
        }

        return x < one ? ((((a + two) * x) - (a + two + one)) * x * x) + one
            : x < two ? ((((((x - T.CreateChecked(5)) * x) + T.CreateChecked(8)) * x) - T.CreateChecked(4)) * a)
            : T.Zero;
    }
}
