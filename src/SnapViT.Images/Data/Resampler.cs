using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace SnapViT.Data;

/// <summary>
/// Antialiased resampling, byte for byte as PIL does it: a horizontal then a vertical pass, filter weights in 22-bit fixed point, every
/// pass rounded to 8 bits. The float form computes as torch does for float images, in float32 and without rounding.
/// </summary>
internal static class Resampler
{
    private const int Half = 1 << (FilterTaps.FractionBits - 1);

    /// <summary>Resizes 8-bit pixels.</summary>
    /// <param name="image">The image.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="interpolation">Filter.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    internal static RgbImage Resize(RgbImage image, int width, int height, Interpolation interpolation)
    {
        (ResizedAxis columns, ResizedAxis rows) = WholeImage(image, width, height);
        return Resize(image, columns, rows, interpolation);
    }

    /// <summary>Makes the wanted part of a resized image.</summary>
    internal static RgbImage Resize(RgbImage image, ResizedAxis columns, ResizedAxis rows, Interpolation interpolation)
    {
        FilterTaps<int> across = FilterTaps.FixedPoint(columns, interpolation);
        FilterTaps<int> down = FilterTaps.FixedPoint(rows, interpolation);
        return new RgbImage(across.Count, down.Count, Vertical(Horizontal(image, across, down.First, down.Span), across.Count * 3, down));
    }

    private static (ResizedAxis Columns, ResizedAxis Rows) WholeImage(RgbImage image, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        return (ResizedAxis.Whole(image.Width, width), ResizedAxis.Whole(image.Height, height));
    }

    /// <summary>The resampled columns of some rows, bytes [rows, columns, 3].</summary>
    private static byte[] Horizontal(RgbImage image, FilterTaps<int> columns, int firstRow, int rows)
    {
        byte[] result = new byte[rows * columns.Count * 3];
        byte[] row = new byte[(image.Width * 3) + 1]; // a pixel is read as four bytes; the last needs one more
        int target = 0;
        for (int y = firstRow; y < firstRow + rows; y++)
        {
            image.Row(y).CopyTo(row);
            for (int x = 0; x < columns.Count; x++, target += 3)
            {
                Vector128<int> sum = WeightedSum(row.AsSpan(columns.Starts[x] * 3), columns.Weights[x]);
                result[target] = Clip(sum[0]);
                result[target + 1] = Clip(sum[1]);
                result[target + 2] = Clip(sum[2]);
            }
        }

        return result;
    }

    /// <summary>Weighted sums of the three channels of consecutive pixels; the fourth lane is void.</summary>
    private static Vector128<int> WeightedSum(ReadOnlySpan<byte> pixels, int[] weights)
    {
        Vector128<int> sum = Vector128.Create(Half);
        for (int hook = 0; hook < weights.Length; hook++)
        {
            Vector128<byte> pixel = Vector128.CreateScalarUnsafe(MemoryMarshal.Read<uint>(pixels[(hook * 3)..])).AsByte();
            sum += Vector128.WidenLower(Vector128.WidenLower(pixel)).AsInt32() * weights[hook];
        }

        return sum;
    }

    /// <summary>The resampled rows; the pixels begin with the first row that the taps use.</summary>
    private static byte[] Vertical(byte[] pixels, int stride, FilterTaps<int> rows)
    {
        byte[] result = new byte[rows.Count * stride];
        int[] sums = new int[stride];
        for (int y = 0; y < rows.Count; y++)
        {
            Array.Fill(sums, Half);
            for (int hook = 0; hook < rows.Weights[y].Length; hook++)
            {
                AddWeighted(sums, pixels.AsSpan((rows.Starts[y] - rows.First + hook) * stride, stride), rows.Weights[y][hook]);
            }

            for (int i = 0; i < stride; i++)
            {
                result[(y * stride) + i] = Clip(sums[i]);
            }
        }

        return result;
    }

    private static void AddWeighted(Span<int> sums, ReadOnlySpan<byte> row, int weight)
    {
        int i = 0;
        for (; i <= row.Length - Vector128<byte>.Count; i += 16)
        {
            (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Create(row.Slice(i, 16)));
            Add(sums.Slice(i, 4), Vector128.WidenLower(low));
            Add(sums.Slice(i + 4, 4), Vector128.WidenUpper(low));
            Add(sums.Slice(i + 8, 4), Vector128.WidenLower(high));
            Add(sums.Slice(i + 12, 4), Vector128.WidenUpper(high));
        }

        for (; i < row.Length; i++)
        {
            sums[i] += row[i] * weight;
        }

        void Add(Span<int> target, Vector128<uint> values) => (Vector128.Create(target) + (values.AsInt32() * weight)).CopyTo(target);
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> FilterTaps.FractionBits, 0, 255);

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
            ReadOnlySpan<byte> row = image.Row(y);
            for (int x = 0; x < columns.Count; x++, target += 3)
            {
                float[] weights = columns.Weights[x];
                ReadOnlySpan<byte> source = row.Slice(columns.Starts[x] * 3, weights.Length * 3);
                for (int hook = 0; hook < weights.Length; hook++)
                {
                    result[target] += source[hook * 3] * weights[hook];
                    result[target + 1] += source[(hook * 3) + 1] * weights[hook];
                    result[target + 2] += source[(hook * 3) + 2] * weights[hook];
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
            for (int hook = 0; hook < rows.Weights[y].Length; hook++)
            {
                float weight = rows.Weights[y][hook];
                ReadOnlySpan<float> source = pixels.AsSpan((rows.Starts[y] - rows.First + hook) * stride, stride);
                for (int i = 0; i < stride; i++)
                {
                    target[i] += source[i] * weight;
                }
            }
        }

        return result;
    }
}
