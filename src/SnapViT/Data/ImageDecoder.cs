using SkiaSharp;

namespace SnapViT.Data;

/// <summary>
/// Decodes JPEG, PNG, WebP and BMP to the bytes that PIL's <c>Image.open(f).convert("RGB")</c> gives: no rotation by EXIF, no colour management,
/// alpha dropped.
/// </summary>
internal static class ImageDecoder
{
    /// <summary>The most pixels an image may have, as in PIL's guard against decompression bombs; decoding takes 7 bytes per pixel.</summary>
    public const int MaxPixels = 178_956_970;

    /// <summary>The longest side an image may have, in pixels: JPEG's own limit.</summary>
    public const int MaxSide = 65_535;

    /// <summary>Decodes one image from a stream, which stays the caller's.</summary>
    /// <param name="stream">The encoded image, from the stream's position to its end.</param>
    /// <param name="name">The image's name in messages.</param>
    /// <exception cref="ImageException">It is no image, is damaged or cut short, or is larger than <see cref="MaxPixels"/> or <see cref="MaxSide"/>.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static RgbImage Decode(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long length = stream.CanSeek ? stream.Length - stream.Position : 0;
        using MemoryStream bytes = length <= Array.MaxLength
            ? new MemoryStream((int)Math.Max(length, 0))
            : throw new ImageException(name, $"expected an image of at most {Array.MaxLength} bytes, found {length}");
        stream.CopyTo(bytes);
        return Decode(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), name);
    }

    /// <summary>Decodes one image from bytes.</summary>
    /// <param name="bytes">The encoded image.</param>
    /// <param name="name">The image's name in messages.</param>
    /// <exception cref="ImageException">It is no image, is damaged or cut short, or is larger than <see cref="MaxPixels"/> or <see cref="MaxSide"/>.</exception>
    internal static RgbImage Decode(ReadOnlySpan<byte> bytes, string name)
    {
        using SKData data = SKData.CreateCopy(bytes);
        using SKCodec codec = SKCodec.Create(data)
            ?? throw new ImageException(name, $"expected a JPEG, PNG, WebP or BMP image, found no usable header in {bytes.Length} bytes");
        (int width, int height) = (codec.Info.Width, codec.Info.Height);
        if (Math.Max(width, height) > MaxSide || (long)width * height > MaxPixels)
        {
            throw new ImageException(name, $"expected sides of at most {MaxSide} and at most {MaxPixels} pixels, found {width} x {height}");
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
            : throw new ImageException(name, $"the image is damaged or cut short ({result})");
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
