using SnapViT.Core.Errors;
using SkiaSharp;

namespace SnapViT.Data;

/// <summary>A file that is no image, or a damaged one. The message is one line that names it.</summary>
public sealed class ImageFormatException : SnapViTException
{
    /// <summary>States what is wrong with which file.</summary>
    public ImageFormatException(string path, string fault)
        : base(ErrorKind.Images, $"{path}: {fault}")
    {
    }
}

/// <summary>
/// Decodes JPEG, PNG, WebP and BMP to the bytes that PIL's <c>Image.open(f).convert("RGB")</c> gives: no rotation by EXIF, no colour management,
/// alpha dropped.
/// </summary>
public static class ImageDecoder
{
    /// <summary>The most pixels an image may have, as in PIL's guard against decompression bombs; decoding takes 7 bytes per pixel.</summary>
    public const int MaxPixels = 178_956_970;

    /// <summary>The longest side an image may have, in pixels: JPEG's own limit.</summary>
    public const int MaxSide = 65_535;

    /// <summary>Decodes one file.</summary>
    /// <exception cref="ImageFormatException">It is no image, is damaged or cut short, or is larger than <see cref="MaxPixels"/> or <see cref="MaxSide"/>.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static RgbImage Decode(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        using SKData data = SKData.CreateCopy(file);
        using SKCodec codec = SKCodec.Create(data)
            ?? throw new ImageFormatException(path, $"expected a JPEG, PNG, WebP or BMP image, found no usable header in {file.Length} bytes");
        (int width, int height) = (codec.Info.Width, codec.Info.Height);
        if (Math.Max(width, height) > MaxSide || (long)width * height > MaxPixels)
        {
            throw new ImageFormatException(path, $"expected sides of at most {MaxSide} and at most {MaxPixels} pixels, found {width} x {height}");
        }

        SKImageInfo asRgba = new(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        byte[] rgba = new byte[asRgba.BytesSize];
        SKCodecResult result;
        unsafe
        {
            fixed (byte* pixels = rgba)
            {
                result = codec.GetPixels(asRgba, (nint)pixels);
            }
        }

        return result == SKCodecResult.Success
            ? new RgbImage(width, height, DropAlpha(rgba))
            : throw new ImageFormatException(path, $"the image is damaged or cut short ({result})");
    }

    private static byte[] DropAlpha(byte[] rgba)
    {
        byte[] rgb = new byte[rgba.Length / 4 * 3];
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            rgb[to] = rgba[from];
            rgb[to + 1] = rgba[from + 1];
            rgb[to + 2] = rgba[from + 2];
        }

        return rgb;
    }
}
