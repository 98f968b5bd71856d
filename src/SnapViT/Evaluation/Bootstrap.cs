using SnapViT.Core.Randomness;

namespace SnapViT.Evaluation;

/// <summary>
/// Percentile intervals by the bootstrap (Efron and Tibshirani, 1993): images are drawn with replacement, as many as there are, and every
/// statistic is computed of each draw. What is computed of the same draw is paired, so that the interval of a difference is narrower than
/// those of its two sides where both err on the same images.
/// </summary>
/// <param name="images">Images that were measured, at least 1.</param>
/// <param name="seed">Seed of the draws.</param>
internal sealed class Bootstrap(int images, ulong seed)
{
    /// <summary>Draws.</summary>
    public const int Draws = 2000;

    /// <summary>Probability that an interval is to hold the true value with.</summary>
    public const double Confidence = 0.95;

    private readonly int _images = images >= 1
        ? images
        : throw new ArgumentOutOfRangeException(nameof(images), images, "bootstrap: expected at least one image");

    /// <summary>Intervals of statistics.</summary>
    /// <param name="count">How many statistics there are.</param>
    /// <param name="compute">
    /// Computes the statistics, [count], of how often every image was drawn, [images]; both are used again for the next draw. NaN for a
    /// statistic that the draw does not have.
    /// </param>
    /// <returns>The lower and the upper end of every statistic; NaN where no draw has it.</returns>
    public (double Low, double High)[] Intervals(int count, Action<int[], double[]> compute)
    {
        ArgumentNullException.ThrowIfNull(compute);
        SeededRandom random = SeededRandom.ForPurpose(seed, "bootstrap");
        int[] drawn = new int[_images];
        double[] values = new double[count];
        double[][] all = [.. Enumerable.Range(0, count).Select(_ => new double[Draws])];
        for (int draw = 0; draw < Draws; draw++)
        {
            Array.Clear(drawn);
            for (int image = 0; image < _images; image++)
            {
                drawn[random.NextInt(_images)]++;
            }

            compute(drawn, values);
            for (int i = 0; i < count; i++)
            {
                all[i][draw] = values[i];
            }
        }

        return Array.ConvertAll(all, Ends);
    }

    private static (double Low, double High) Ends(double[] values)
    {
        double[] sorted = [.. values.Where(value => !double.IsNaN(value)).Order()];
        return sorted.Length == 0
            ? (double.NaN, double.NaN)
            : (Quantile(sorted, (1 - Confidence) / 2), Quantile(sorted, (1 + Confidence) / 2));
    }

    /// <summary>A quantile between the two values next to it.</summary>
    /// <param name="sorted">Values in ascending order, at least one.</param>
    /// <param name="share">Which quantile, 0..1.</param>
    public static double Quantile(double[] sorted, double share)
    {
        double place = share * (sorted.Length - 1);
        int below = (int)place, above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
    }
}
