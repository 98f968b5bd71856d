namespace SnapViT.Data;

public static partial class Resampler
{
    /// <summary>Resizes to floats in 0..255 without rounding.</summary>
    /// <param name="image">The image.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="interpolation">Filter.</param>
    /// <returns>Values [height, width, 3].</returns>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public static float[] ResizeFloat(RgbImage image, int width, int height, Interpolation interpolation)
    {
        (FilterTaps columns, FilterTaps rows) = WholeImage(image, width, height, interpolation);
        return ResizeFloat(image, columns, rows);
    }

    /// <summary>Makes the part of a resized image that the taps of both axes tell; no other pixel is computed.</summary>
    internal static float[] ResizeFloat(RgbImage image, FilterTaps columns, FilterTaps rows)
    {
        int stride = columns.Count * 3;
        double[] sums = new double[stride];
        float[] narrowed = new float[rows.Span * stride];
        for (int y = 0; y < rows.Span; y++)
        {
            ReadOnlySpan<byte> row = image.Pixels.AsSpan((rows.First + y) * image.Width * 3, image.Width * 3);
            Array.Clear(sums);
            for (int i = 0; i < stride; i++)
            {
                double[] weights = columns.Weights[i / 3];
                int source = (columns.Starts[i / 3] * 3) + (i % 3);
                for (int tap = 0; tap < weights.Length; tap++)
                {
                    sums[i] += row[source + (tap * 3)] * weights[tap];
                }
            }

            Store(sums, narrowed.AsSpan(y * stride));
        }

        float[] result = new float[rows.Count * stride];
        for (int y = 0; y < rows.Count; y++)
        {
            Array.Clear(sums);
            for (int tap = 0; tap < rows.Weights[y].Length; tap++)
            {
                ReadOnlySpan<float> row = narrowed.AsSpan((rows.Starts[y] - rows.First + tap) * stride, stride);
                double weight = rows.Weights[y][tap];
                for (int i = 0; i < stride; i++)
                {
                    sums[i] += row[i] * weight;
                }
            }

            Store(sums, result.AsSpan(y * stride));
        }

        return result;
    }

    private static void Store(double[] sums, Span<float> target)
    {
        for (int i = 0; i < sums.Length; i++)
        {
            target[i] = (float)sums[i];
        }
    }
}
