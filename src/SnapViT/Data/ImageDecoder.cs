using SkiaSharp;

namespace SnapViT.Data;

/// <summary>
/// Decodes JPEG, PNG, WebP and BMP to the bytes that PIL's <c>Image.open(f).convert("RGB")</c> gives: no rotation by EXIF, no colour
/// management, alpha dropped.
/// </summary>
internal static class ImageDecoder
{
    /// <summary>The most pixels an image may have, as in PIL's guard against decompression bombs.</summary>
    public const int MaxPixels = 178_956_970;

    /// <summary>The longest side an image may have, in pixels: JPEG's own limit.</summary>
    public const int MaxSide = 65_535;

    /// <summary>Bytes that a decoded pixel takes.</summary>
    public const int BytesPerPixel = 4;

    /// <summary>The most that deflate shrinks: 258 bytes to 2 bits (RFC 1951).</summary>
    private const int MostDeflated = 1032;

    /// <summary>Decodes one image from a stream, which stays the caller's.</summary>
    /// <param name="stream">The encoded image, from the stream's position to its end.</param>
    /// <param name="name">The image's name in messages.</param>
    /// <param name="reserve">
    /// Told how many bytes the pixels take before they are taken; may wait until they may be. Null for nobody.
    /// </param>
    /// <exception cref="ImageException">
    /// It is no image, is damaged or cut short, or is larger than <see cref="MaxPixels"/> or <see cref="MaxSide"/>.
    /// </exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static RgbImage Decode(Stream stream, string name, Action<long>? reserve = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long length = stream.CanSeek ? stream.Length - stream.Position : 0;
        using MemoryStream bytes = length <= Array.MaxLength
            ? new MemoryStream((int)Math.Max(length, 0))
            : throw new ImageException(name, $"expected an image of at most {Array.MaxLength} bytes, found {length}");
        stream.CopyTo(bytes);
        return Decode(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), name, reserve);
    }

    /// <summary>Decodes one image from bytes.</summary>
    /// <param name="bytes">The encoded image.</param>
    /// <param name="name">The image's name in messages.</param>
    /// <param name="reserve">
    /// Told how many bytes the pixels take before they are taken; may wait until they may be. Null for nobody.
    /// </param>
    /// <exception cref="ImageException">
    /// It is no image, is damaged or cut short, or is larger than <see cref="MaxPixels"/> or <see cref="MaxSide"/>.
    /// </exception>
    internal static RgbImage Decode(ReadOnlySpan<byte> bytes, string name, Action<long>? reserve = null)
    {
        using SKData data = SKData.CreateCopy(bytes);
        using SKCodec codec = SKCodec.Create(data)
            ?? throw new ImageException(name, $"expected a JPEG, PNG, WebP or BMP image, found no usable header in {bytes.Length} bytes");
        (int width, int height) = (codec.Info.Width, codec.Info.Height);
        if (Math.Max(width, height) > MaxSide || (long)width * height > MaxPixels)
        {
            throw new ImageException(name, $"expected sides of at most {MaxSide} and at most {MaxPixels} pixels, found {width} x {height}");
        }

        if (LeastBytes(codec.EncodedFormat, bytes, width, height) is long least && bytes.Length < least)
        {
            throw new ImageException(
                name, $"the image is cut short: {width} x {height} pixels take at least {least} bytes, found {bytes.Length}");
        }

        SKImageInfo asRgba = new(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        reserve?.Invoke(asRgba.BytesSize64);
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
            ? RgbImage.DroppingAlpha(width, height, rgba)
            : throw new ImageException(name, $"the image is damaged or cut short ({result})");
    }

    /// <summary>The fewest bytes that an image of that size can take, however plain it is; null where a few are enough for any.</summary>
    private static long? LeastBytes(SKEncodedImageFormat format, ReadOnlySpan<byte> bytes, int width, int height) => format switch
    {
        // Bit depth and colour type stand in the first chunk.
        SKEncodedImageFormat.Png when bytes.Length > 25 =>
            height * (1 + (((long)width * bytes[24] * (bytes[25] switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 })) + 7) / 8) / MostDeflated,

        // One bit for a block of 8 x 8 at least, and one block for 4 x 4 of them where colours are thinned out.
        SKEncodedImageFormat.Jpeg => (long)width * height / (32 * 32) / 8,

        // Rows of uncompressed pixels, each padded to four bytes.
        SKEncodedImageFormat.Bmp when bytes.Length > 34 && bytes[14] >= 40 && bytes[30] is 0 or 3 =>
            height * (((((long)width * bytes[28]) + 31) / 32) * 4),
        _ => null,
    };
}
