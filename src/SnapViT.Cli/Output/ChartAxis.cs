using System.Globalization;

namespace SnapViT.Cli.Output;

/// <summary>
/// One axis of a chart: its range, and ticks at multiples of 1, 2 or 5 times a power of ten, with as many digits as tell them apart.
/// </summary>
internal sealed class ChartAxis
{
    private const int MostSteps = 6;

    private static readonly int[] Factors = [1, 2, 5, 10];

    private readonly double _step;

    private ChartAxis(double low, double high, double step) => (Low, High, _step) = (low, high, step);

    /// <summary>Value at the start of the axis.</summary>
    public double Low { get; }

    /// <summary>Value at its end, above the start.</summary>
    public double High { get; }

    /// <summary>Ticks and their labels, from low to high.</summary>
    public IEnumerable<(double Value, string Label)> Ticks
    {
        get
        {
            int digits = (int)Math.Max(0, -Math.Floor(Math.Log10(_step) + 1e-9));
            for (double index = Math.Ceiling((Low / _step) - 1e-6); index * _step <= High + (1e-6 * _step); index++)
            {
                double value = (index * _step) + 0.0; // -0 would be labelled so
                yield return (value, value.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture));
            }
        }
    }

    /// <summary>An axis that ends where the values do.</summary>
    public static ChartAxis Within(double least, double most)
    {
        double high = most > least ? most : least + Math.Max(1e-9, Math.Abs(least) / 10);
        return new ChartAxis(least, high, Step(high - least));
    }

    /// <summary>An axis that is widened to the next ticks.</summary>
    public static ChartAxis Around(double least, double most)
    {
        ChartAxis within = Within(least, most);
        double step = within._step;
        return new ChartAxis(Math.Floor((least / step) + 1e-6) * step, Math.Ceiling((within.High / step) - 1e-6) * step, step);
    }

    /// <summary>The smallest of 1, 2, 5 times a power of ten that divides the span in few enough steps.</summary>
    private static double Step(double span)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(span / MostSteps)));
        return Factors.Select(factor => factor * power).First(step => span / step <= MostSteps + 1e-6);
    }
}
