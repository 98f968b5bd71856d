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
        (ResizedAxis columns, ResizedAxis rows) = WholeImage(image, width, height);
        return ResizeFloat(image, columns, rows, interpolation);
    }

    /// <summary>Makes the wanted part of a resized image.</summary>
    internal static float[] ResizeFloat(RgbImage image, ResizedAxis columns, ResizedAxis rows, Interpolation interpolation)
    {
        FilterTaps<float> across = FilterTaps.For<float>(columns, interpolation);
        FilterTaps<float> down = FilterTaps.For<float>(rows, interpolation);
        return Vertical(Horizontal(image, across, down.First, down.Span), across.Count * 3, down);
    }

    /// <summary>The resampled columns of some rows, [rows, columns, 3].</summary>
    private static float[] Horizontal(RgbImage image, FilterTaps<float> columns, int firstRow, int rows)
    {
        float[] result = new float[rows * columns.Count * 3];
        int target = 0;
        for (int y = firstRow; y < firstRow + rows; y++)
        {
            for (int x = 0; x < columns.Count; x++, target += 3)
            {
                float[] weights = columns.Weights[x];
                ReadOnlySpan<byte> source = image.Pixels.AsSpan(((y * image.Width) + columns.Starts[x]) * 3, weights.Length * 3);
                for (int tap = 0; tap < weights.Length; tap++)
                {
                    result[target] += source[tap * 3] * weights[tap];
                    result[target + 1] += source[(tap * 3) + 1] * weights[tap];
                    result[target + 2] += source[(tap * 3) + 2] * weights[tap];
                }
            }
        }

        return result;
    }

    /// <summary>The resampled rows; the pixels begin with the first row that the taps use.</summary>
    private static float[] Vertical(float[] pixels, int stride, FilterTaps<float> rows)
    {
        float[] result = new float[rows.Count * stride];
        for (int y = 0; y < rows.Count; y++)
        {
            Span<float> target = result.AsSpan(y * stride, stride);
            for (int tap = 0; tap < rows.Weights[y].Length; tap++)
            {
                float weight = rows.Weights[y][tap];
                ReadOnlySpan<float> source = pixels.AsSpan((rows.Starts[y] - rows.First + tap) * stride, stride);
                for (int i = 0; i < stride; i++)
                {
                    target[i] += source[i] * weight;
                }
            }
        }

        return result;
    }
}
