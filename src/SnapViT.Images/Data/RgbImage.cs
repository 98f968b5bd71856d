namespace SnapViT.Data;

/// <summary>A decoded image of 8-bit RGB pixels.</summary>
internal sealed class RgbImage
{
    private readonly byte[] _buffer;
    private readonly int _offset;
    private readonly int _stride;

    /// <summary>Takes pixels, without copying them.</summary>
    /// <param name="width">Pixels per row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="pixels">Bytes [height, width, 3], row by row.</param>
    /// <exception cref="ArgumentException">A side is not positive, or the bytes are not as many as that needs.</exception>
    public RgbImage(int width, int height, byte[] pixels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        if (pixels.Length != (long)width * height * 3)
        {
            throw new ArgumentException(
                $"expected {(long)width * height * 3} bytes for {width} x {height} RGB pixels, found {pixels.Length}", nameof(pixels));
        }

        (Width, Height, _buffer, _stride) = (width, height, pixels, width * 3);
    }

    private RgbImage(int width, int height, byte[] buffer, int offset, int stride) =>
        (Width, Height, _buffer, _offset, _stride) = (width, height, buffer, offset, stride);

    /// <summary>Pixels per row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Bytes [Height, Width, 3], row by row: those of the image itself, or a copy where it is a part of a larger buffer.</summary>
    internal byte[] Pixels
    {
        get
        {
            if (_buffer.Length == Width * Height * 3)
            {
                return _buffer;
            }

            byte[] pixels = new byte[Width * Height * 3];
            for (int row = 0; row < Height; row++)
            {
                Row(row).CopyTo(pixels.AsSpan(row * Width * 3));
            }

            return pixels;
        }
    }

    /// <summary>Takes pixels with a fourth byte each, which is dropped in place: a large image is never held twice.</summary>
    /// <param name="width">Pixels per row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="rgba">Bytes [height, width, 4]; the image's from now on.</param>
    internal static RgbImage DroppingAlpha(int width, int height, byte[] rgba)
    {
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            rgba[to] = rgba[from];
            rgba[to + 1] = rgba[from + 1];
            rgba[to + 2] = rgba[from + 2];
        }

        return new RgbImage(width, height, rgba, 0, width * 3);
    }

    /// <summary>Bytes of one row, [Width, 3].</summary>
    internal ReadOnlySpan<byte> Row(int row) => _buffer.AsSpan(_offset + (row * _stride), Width * 3);

    /// <summary>A rectangle of the image, which shares its pixels.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is empty or reaches beyond the image.</exception>
    internal RgbImage Crop(CropRectangle rectangle)
    {
        (int left, int top, int width, int height) = rectangle;
        if (left < 0 || top < 0 || width < 1 || height < 1 || left > Width - width || top > Height - height)
        {
            throw new ArgumentOutOfRangeException(
                nameof(rectangle), $"expected a rectangle inside {Width} x {Height} pixels, found {rectangle}");
        }

        return new RgbImage(width, height, _buffer, _offset + (top * _stride) + (left * 3), _stride);
    }

    /// <summary>The image with left and right exchanged, copied.</summary>
    internal RgbImage Mirrored()
    {
        byte[] mirrored = new byte[Width * Height * 3];
        for (int row = 0, target = 0; row < Height; row++)
        {
            ReadOnlySpan<byte> pixels = Row(row);
            for (int column = Width - 1; column >= 0; column--, target += 3)
            {
                pixels.Slice(column * 3, 3).CopyTo(mirrored.AsSpan(target));
            }
        }

        return new RgbImage(Width, Height, mirrored);
    }
}

/// <summary>A rectangle of an image in pixels.</summary>
/// <param name="Left">First column.</param>
/// <param name="Top">First row.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
internal readonly record struct CropRectangle(int Left, int Top, int Width, int Height);
