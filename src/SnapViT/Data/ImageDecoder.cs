using SkiaSharp;

namespace SnapViT.Data;

/// <summary>A file that is no image, or a damaged one. The message is one line that names it.</summary>
public sealed class ImageFormatException : Exception
{
    /// <summary>States what is wrong with which file.</summary>
    public ImageFormatException(string path, string fault)
        : base($"{path}: {fault}")
    {
    }
}

/// <summary>
/// Decodes JPEG, PNG, WebP and BMP to the bytes that PIL's <c>Image.open(f).convert("RGB")</c> gives: no rotation by EXIF, no colour management,
/// alpha dropped.
/// </summary>
public static class ImageDecoder
{
    /// <summary>The most pixels an image may have, as in PIL's guard against decompression bombs.</summary>
    public const long MaxPixels = 178_956_970;

    /// <summary>Decodes one file.</summary>
    /// <exception cref="ImageFormatException">It is no image, is damaged or cut short, or has more than <see cref="MaxPixels"/> pixels.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static RgbImage Decode(string path)
    {
        using SKData data = SKData.CreateCopy(File.ReadAllBytes(path));
        using SKCodec codec = SKCodec.Create(data) ?? throw new ImageFormatException(path, "expected a JPEG, PNG, WebP or BMP image, found something else");
        SKImageInfo info = new(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        if ((long)info.Width * info.Height > MaxPixels)
        {
            throw new ImageFormatException(path, $"expected at most {MaxPixels} pixels, found {info.Width} x {info.Height}");
        }

        byte[] rgba = new byte[info.BytesSize];
        SKCodecResult result;
        unsafe
        {
            fixed (byte* pixels = rgba)
            {
                result = codec.GetPixels(info, (nint)pixels);
            }
        }

        return result == SKCodecResult.Success
            ? new RgbImage(info.Width, info.Height, DropAlpha(rgba))
            : throw new ImageFormatException(path, $"the image is damaged ({result})");
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
