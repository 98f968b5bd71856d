namespace SnapViT.Data;

/// <summary>A decoded image of 8-bit RGB pixels.</summary>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Rows.</param>
/// <param name="Pixels">Bytes [Height, Width, 3], row by row.</param>
public sealed record RgbImage(int Width, int Height, byte[] Pixels)
{
    /// <summary>A rectangle of the image, copied.</summary>
    /// <param name="left">First column; the rectangle lies inside the image.</param>
    /// <param name="top">First row.</param>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    public RgbImage Crop(int left, int top, int width, int height)
    {
        byte[] cropped = new byte[width * height * 3];
        for (int row = 0; row < height; row++)
        {
            Pixels.AsSpan((((top + row) * Width) + left) * 3, width * 3).CopyTo(cropped.AsSpan(row * width * 3));
        }

        return new RgbImage(width, height, cropped);
    }
}
