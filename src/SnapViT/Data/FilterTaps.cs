namespace SnapViT.Data;

/// <summary>For every output pixel of one axis, which input pixels it is made of and with what weights (PIL's coefficients).</summary>
internal sealed record FilterTaps(int[] Starts, double[][] Weights, int[][] Fixed)
{
    private const int PrecisionBits = 22;

    public static FilterTaps For(int inputs, int outputs, Interpolation interpolation)
    {
        (double support, Func<double, double> filter) = interpolation == Interpolation.Bicubic ? (2.0, (Func<double, double>)Cubic) : (1.0, Triangle);
        double scale = inputs / (double)outputs, filterScale = Math.Max(scale, 1);
        int[] starts = new int[outputs];
        double[][] weights = new double[outputs][];
        for (int output = 0; output < outputs; output++)
        {
            double centre = (output + 0.5) * scale;
            int start = Math.Max((int)(centre - (support * filterScale) + 0.5), 0);
            int end = Math.Min((int)(centre + (support * filterScale) + 0.5), inputs);
            double[] taps = [.. Enumerable.Range(start, end - start).Select(input => filter((input - centre + 0.5) / filterScale))];
            double sum = taps.Sum();
            starts[output] = start;
            weights[output] = [.. taps.Select(weight => weight / sum)];
        }

        return new FilterTaps(starts, weights, [.. weights.Select(row => row.Select(ToFixed).ToArray())]);
    }

    private static int ToFixed(double weight) => (int)((weight * (1 << PrecisionBits)) + (weight < 0 ? -0.5 : 0.5));

    private static double Triangle(double x) => Math.Max(0, 1 - Math.Abs(x));

    private static double Cubic(double x)
    {
        const double A = -0.5;
        x = Math.Abs(x);
        return x switch
        {
            < 1 => ((((A + 2) * x) - (A + 3)) * x * x) + 1,
            < 2 => ((((x - 5) * x) + 8) * x - 4) * A,
            _ => 0,
        };
    }
}
