namespace SnapViT.Data;

/// <summary>
/// Antialiased resampling, byte for byte as PIL does it: a horizontal then a vertical pass, filter weights in 22-bit fixed point, every pass
/// rounded to 8 bits. The float form keeps full precision between and after the passes, as torch does for float images.
/// </summary>
public static class Resampler
{
    private const int PrecisionBits = 22;

    /// <summary>Resizes 8-bit pixels.</summary>
    /// <param name="image">The image.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="interpolation">Filter.</param>
    public static RgbImage Resize(RgbImage image, int width, int height, Interpolation interpolation)
    {
        ArgumentNullException.ThrowIfNull(image);
        byte[] pixels = image.Pixels;
        if (width != image.Width)
        {
            pixels = Horizontal(pixels, image.Width, image.Height, FilterTaps.For(image.Width, width, interpolation));
        }

        if (height != image.Height)
        {
            pixels = Vertical(pixels, width, FilterTaps.For(image.Height, height, interpolation));
        }

        return new RgbImage(width, height, pixels);
    }

    /// <summary>Resizes to floats in 0..255 without rounding.</summary>
    /// <param name="image">The image.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="interpolation">Filter.</param>
    /// <returns>Values [height, width, 3].</returns>
    public static float[] ResizeFloat(RgbImage image, int width, int height, Interpolation interpolation)
    {
        ArgumentNullException.ThrowIfNull(image);
        FilterTaps columns = FilterTaps.For(image.Width, width, interpolation);
        FilterTaps rows = FilterTaps.For(image.Height, height, interpolation);
        float[] wide = new float[image.Height * width * 3];
        for (int y = 0; y < image.Height; y++)
        {
            for (int i = 0; i < width * 3; i++)
            {
                int start = (y * image.Width * 3) + (columns.Starts[i / 3] * 3) + (i % 3);
                wide[(y * width * 3) + i] = Sum(columns, i / 3, tap => image.Pixels[start + (tap * 3)]);
            }
        }

        float[] result = new float[height * width * 3];
        for (int i = 0; i < result.Length; i++)
        {
            int y = i / (width * 3), start = (rows.Starts[y] * width * 3) + (i % (width * 3));
            result[i] = Sum(rows, y, tap => wide[start + (tap * width * 3)]);
        }

        return result;
    }

    private static float Sum(FilterTaps taps, int output, Func<int, float> value)
    {
        double sum = 0;
        for (int tap = 0; tap < taps.Weights[output].Length; tap++)
        {
            sum += taps.Weights[output][tap] * value(tap);
        }

        return (float)sum;
    }

    private static byte[] Horizontal(byte[] pixels, int width, int height, FilterTaps taps)
    {
        int outputs = taps.Starts.Length;
        byte[] result = new byte[outputs * height * 3];
        for (int x = 0; x < outputs; x++)
        {
            int[] weights = taps.Fixed[x];
            int first = taps.Starts[x] * 3;
            for (int y = 0; y < height; y++)
            {
                ReadOnlySpan<byte> source = pixels.AsSpan((y * width * 3) + first, weights.Length * 3);
                int red = 1 << (PrecisionBits - 1), green = red, blue = red;
                for (int tap = 0; tap < weights.Length; tap++)
                {
                    int weight = weights[tap];
                    red += source[tap * 3] * weight;
                    green += source[(tap * 3) + 1] * weight;
                    blue += source[(tap * 3) + 2] * weight;
                }

                int target = ((y * outputs) + x) * 3;
                result[target] = Clip(red);
                result[target + 1] = Clip(green);
                result[target + 2] = Clip(blue);
            }
        }

        return result;
    }

    private static byte[] Vertical(byte[] pixels, int width, FilterTaps taps)
    {
        int stride = width * 3;
        byte[] result = new byte[taps.Starts.Length * stride];
        int[] sums = new int[stride];
        for (int y = 0; y < taps.Starts.Length; y++)
        {
            Array.Fill(sums, 1 << (PrecisionBits - 1));
            for (int tap = 0; tap < taps.Fixed[y].Length; tap++)
            {
                int weight = taps.Fixed[y][tap];
                ReadOnlySpan<byte> source = pixels.AsSpan((taps.Starts[y] + tap) * stride, stride);
                for (int i = 0; i < source.Length; i++)
                {
                    sums[i] += source[i] * weight;
                }
            }

            for (int i = 0; i < stride; i++)
            {
                result[(y * stride) + i] = Clip(sums[i]);
            }
        }

        return result;
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> PrecisionBits, 0, 255);
}
