namespace SnapViT.Data;

/// <summary>
/// For consecutive output pixels of one axis: which input pixels they are made of and with what weights. Shrinking widens the filter, so that
/// every input pixel counts (antialiasing). Weights are PIL's, operation by operation.
/// </summary>
/// <param name="Starts">First input pixel of every output pixel; never falls.</param>
/// <param name="Weights">Weights of every output pixel's inputs; they sum to 1.</param>
internal sealed record FilterTaps(int[] Starts, double[][] Weights)
{
    /// <summary>Fraction bits of <see cref="FixedPoint"/>: a byte times a weight, summed, still fits 32 bits.</summary>
    public const int FractionBits = 22;

    /// <summary>The weights in fixed point.</summary>
    public int[][] FixedPoint { get; } = [.. Weights.Select(row => row.Select(ToFixedPoint).ToArray())];

    /// <summary>Number of output pixels.</summary>
    public int Count => Starts.Length;

    /// <summary>The first input pixel that is used.</summary>
    public int First => Starts[0];

    /// <summary>Input pixels from the first used one to the last.</summary>
    public int Span => Starts[^1] + Weights[^1].Length - First;

    /// <summary>Taps of some of the output pixels of a resized axis.</summary>
    /// <param name="inputs">Pixels before.</param>
    /// <param name="outputs">Pixels after; may be far more than <paramref name="count"/>.</param>
    /// <param name="from">First output pixel that is wanted.</param>
    /// <param name="count">Output pixels that are wanted.</param>
    /// <param name="interpolation">Filter.</param>
    public static FilterTaps For(int inputs, long outputs, long from, int count, Interpolation interpolation)
    {
        (double radius, Func<double, double> filter) = interpolation == Interpolation.Bicubic ? (2.0, (Func<double, double>)Cubic) : (1.0, Triangle);
        double scale = inputs / (double)outputs;
        double widening = Math.Max(scale, 1);
        double support = radius * widening;
        int[] starts = new int[count];
        double[][] weights = new double[count][];
        for (int i = 0; i < count; i++)
        {
            double centre = (from + i + 0.5) * scale;
            int start = Math.Max((int)(centre - support + 0.5), 0);
            int end = Math.Min((int)(centre + support + 0.5), inputs);
            double[] taps = new double[end - start];
            double sum = 0;
            for (int tap = 0; tap < taps.Length; tap++)
            {
                taps[tap] = filter((tap + start - centre + 0.5) * (1 / widening));
                sum += taps[tap];
            }

            starts[i] = start;
            weights[i] = Array.ConvertAll(taps, weight => weight / sum);
        }

        return new FilterTaps(starts, weights);
    }

    private static int ToFixedPoint(double weight) => (int)((weight * (1 << FractionBits)) + (weight < 0 ? -0.5 : 0.5));

    private static double Triangle(double x) => Math.Max(0, 1 - Math.Abs(x));

    private static double Cubic(double x)
    {
        const double A = -0.5;
        x = Math.Abs(x);
        return x switch
        {
            < 1 => ((((A + 2) * x) - (A + 3)) * x * x) + 1,
            < 2 => ((((((x - 5) * x) + 8) * x) - 4) * A),
            _ => 0,
        };
    }
}
