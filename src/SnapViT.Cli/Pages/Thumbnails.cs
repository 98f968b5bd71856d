using SkiaSharp;
using SnapViT.Data;

namespace SnapViT.Cli.Pages;

/// <summary>Small pictures of photos that a page holds itself.</summary>
internal static class Thumbnails
{
    private const int Side = 96, Quality = 78;

    /// <summary>A photo as JPEG, at most 96 pixels wide and high, as the address of an image.</summary>
    /// <exception cref="ImageException">It cannot be read.</exception>
    public static string DataUri(ImageEntry entry)
    {
        RgbImage image = entry.Decode();
        using SKBitmap bitmap = new(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Span<byte> rgba = bitmap.GetPixelSpan();
        for (int row = 0, to = 0; row < image.Height; row++)
        {
            ReadOnlySpan<byte> rgb = image.Row(row);
            for (int from = 0; from < rgb.Length; from += 3, to += 4)
            {
                (rgba[to], rgba[to + 1], rgba[to + 2], rgba[to + 3]) = (rgb[from], rgb[from + 1], rgb[from + 2], byte.MaxValue);
            }
        }

        double scale = Math.Min(1, (double)Side / Math.Max(image.Width, image.Height));
        SKImageInfo size = new(
            Math.Max(1, (int)Math.Round(image.Width * scale)), Math.Max(1, (int)Math.Round(image.Height * scale)),
            SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKBitmap small = bitmap.Resize(size, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
        using SKData jpeg = small.Encode(SKEncodedImageFormat.Jpeg, Quality);
        return $"data:image/jpeg;base64,{Convert.ToBase64String(jpeg.AsSpan())}";
    }
}
