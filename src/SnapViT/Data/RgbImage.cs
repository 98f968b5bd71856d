namespace SnapViT.Data;

/// <summary>A decoded image of 8-bit RGB pixels.</summary>
internal sealed class RgbImage
{
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
            throw new ArgumentException($"expected {(long)width * height * 3} bytes for {width} x {height} RGB pixels, found {pixels.Length}", nameof(pixels));
        }

        Width = width;
        Height = height;
        Pixels = pixels;
    }

    /// <summary>Pixels per row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Bytes [Height, Width, 3], row by row.</summary>
    internal byte[] Pixels { get; }

    /// <summary>A rectangle of the image, copied.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is empty or reaches beyond the image.</exception>
    internal RgbImage Crop(CropRectangle rectangle)
    {
        (int left, int top, int width, int height) = rectangle;
        if (left < 0 || top < 0 || width < 1 || height < 1 || left > Width - width || top > Height - height)
        {
            throw new ArgumentOutOfRangeException(nameof(rectangle), $"expected a rectangle inside {Width} x {Height} pixels, found {rectangle}");
        }

        byte[] cropped = new byte[width * height * 3];
        for (int row = 0; row < height; row++)
        {
            Pixels.AsSpan((((top + row) * Width) + left) * 3, width * 3).CopyTo(cropped.AsSpan(row * width * 3));
        }

        return new RgbImage(width, height, cropped);
    }

    /// <summary>The image with left and right exchanged, copied.</summary>
    internal RgbImage Mirrored()
    {
        byte[] mirrored = new byte[Pixels.Length];
        for (int pixel = 0; pixel < Width * Height; pixel++)
        {
            int column = pixel % Width;
            Pixels.AsSpan((pixel + Width - 1 - (2 * column)) * 3, 3).CopyTo(mirrored.AsSpan(pixel * 3));
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
