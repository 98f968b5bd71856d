using SkiaSharp;

namespace SnapViT.Data;

/// <summary>
/// Decodes JPEG, PNG, WebP and BMP to the bytes that PIL's <c>Image.open(f).convert("RGB")</c> gives, and TIFF: no rotation by EXIF, no
/// colour management, alpha dropped, the higher 8 of 16 bits.
/// </summary>
internal static class ImageDecoder
{
    /// <summary>The most pixels an image may have, as in PIL's guard against decompression bombs.</summary>
    public const int MaxPixels = 178_956_970;

    /// <summary>The longest side an image may have, in pixels: JPEG's own limit.</summary>
    public const int MaxSide = 65_535;

    /// <summary>
    /// The most memory that an image may take while it is decoded: the file, the pixels, and what its codec keeps until the last one.
    /// </summary>
    public const long MaxBytes = DecodedBytes.Most;

    /// <summary>Bytes of a pixel where the codec gives whole images: red, green, blue and one more, which is dropped in place.</summary>
    private const int BytesOfWhole = 4;

    /// <summary>Bytes of a pixel where the codec gives rows.</summary>
    private const int BytesOfRows = 3;

    /// <summary>JPEG's blocks are 8 x 8: a codec can leave out their finest waves and give 1 x 1 to 7 x 7 pixels of each.</summary>
    private const int Eighths = 8;

    /// <summary>Rows that are decoded at a time.</summary>
    private const int RowsAtOnce = 16;

    /// <summary>The most that deflate shrinks: 258 bytes to 2 bits (RFC 1951).</summary>
    private const int MostDeflated = 1032;

    /// <summary>Decodes one image from a stream, which stays the caller's.</summary>
    /// <param name="stream">The encoded image, from the stream's position to its end.</param>
    /// <param name="name">The image's name in messages.</param>
    /// <param name="reserve">
    /// Told how many bytes decoding takes before they are taken; may wait until they may be. Null for nobody.
    /// </param>
    /// <param name="mostPixels">The most pixels, up to <see cref="MaxPixels"/>.</param>
    /// <param name="leastSide">
    /// How long the short side of a JPEG must still be: it may come as a smaller picture, whole eighths of its size.
    /// </param>
    /// <param name="read">Told the encoded bytes, before they are decoded; null for nobody.</param>
    /// <exception cref="ImageException">
    /// It is no image, is damaged or cut short, or is larger than <paramref name="mostPixels"/>, <see cref="MaxSide"/> or
    /// <see cref="MaxBytes"/>.
    /// </exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static RgbImage Decode(
        Stream stream, string name, Action<long>? reserve = null, int mostPixels = MaxPixels, int leastSide = int.MaxValue,
        Action<ReadOnlyMemory<byte>>? read = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long length = stream.CanSeek ? stream.Length - stream.Position : 0;
        using MemoryStream bytes = length <= Array.MaxLength
            ? new MemoryStream((int)Math.Max(length, 0))
            : throw new ImageException(name, $"expected an image of at most {Array.MaxLength} bytes, found {length}");
        stream.CopyTo(bytes);
        ReadOnlyMemory<byte> content = bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
        read?.Invoke(content);
        return TiffDecoder.Begins(content.Span)
            ? TiffDecoder.Decode(content, name, reserve, mostPixels)
            : Decode(content.Span, name, reserve, mostPixels, leastSide);
    }

    /// <summary>Decodes one image from bytes.</summary>
    /// <param name="bytes">The encoded image.</param>
    /// <param name="name">The image's name in messages.</param>
    /// <param name="reserve">
    /// Told how many bytes decoding takes before they are taken; may wait until they may be. Null for nobody.
    /// </param>
    /// <param name="mostPixels">The most pixels, up to <see cref="MaxPixels"/>.</param>
    /// <param name="leastSide">
    /// How long the short side of a JPEG must still be: it may come as a smaller picture, whole eighths of its size.
    /// </param>
    /// <exception cref="ImageException">
    /// It is no image, is damaged or cut short, or is larger than <paramref name="mostPixels"/>, <see cref="MaxSide"/> or
    /// <see cref="MaxBytes"/>.
    /// </exception>
    internal static unsafe RgbImage Decode(
        ReadOnlySpan<byte> bytes, string name, Action<long>? reserve = null, int mostPixels = MaxPixels, int leastSide = int.MaxValue)
    {
        if (TiffDecoder.Begins(bytes))
        {
            return TiffDecoder.Decode(bytes.ToArray(), name, reserve, mostPixels);
        }

        // The codec reads the bytes where they are: a large file is not there twice.
        fixed (byte* encoded = bytes)
        {
            using SKData? data = bytes.IsEmpty ? null : SKData.Create((nint)encoded, bytes.Length);
            using SKCodec codec = (data is null ? null : SKCodec.Create(data))
                ?? throw new ImageException(
                    name, $"expected a JPEG, PNG, WebP, BMP or TIFF image, found no usable header in {bytes.Length} bytes");
            Check(codec, bytes, name, reserve, mostPixels);
            SKSizeI size = Reduced(codec, leastSide);
            SKImageInfo asRgba = new(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
            return GivesRows(codec) ? Rows(codec, asRgba, name) : Whole(codec, asRgba, name);
        }
    }

    /// <summary>The smallest size that the codec gives at no cost and whose short side is long enough.</summary>
    private static SKSizeI Reduced(SKCodec codec, int leastSide)
    {
        for (int eighths = 1; eighths < Eighths && codec.EncodedFormat == SKEncodedImageFormat.Jpeg; eighths++)
        {
            SKSizeI size = codec.GetScaledDimensions(eighths / (float)Eighths);
            if (Math.Min(size.Width, size.Height) >= leastSide)
            {
                return size;
            }
        }

        return codec.Info.Size;
    }

    /// <summary>Refuses what is too large or too short by its header, before memory is taken.</summary>
    private static void Check(SKCodec codec, ReadOnlySpan<byte> bytes, string name, Action<long>? reserve, int mostPixels)
    {
        (int width, int height) = (codec.Info.Width, codec.Info.Height);
        if (Math.Max(width, height) > MaxSide || (long)width * height > mostPixels)
        {
            throw new ImageException(
                name, $"expected sides of at most {MaxSide} and at most {mostPixels} pixels, found {width} x {height}");
        }

        if (LeastBytes(codec.EncodedFormat, bytes, width, height) is long least && bytes.Length < least)
        {
            throw new ImageException(
                name, $"the image is cut short: {width} x {height} pixels take at least {least} bytes, found {bytes.Length}");
        }

        long pixels = (long)width * height * (GivesRows(codec) ? BytesOfRows : BytesOfWhole);
        long memory = bytes.Length + pixels + CodecMemory.Of(codec.EncodedFormat, bytes, width, height);
        if (memory > MaxBytes)
        {
            throw new ImageException(
                name,
                $"expected an image that takes at most {MaxBytes >> 20} MiB while it is decoded, found one of {width} x {height} pixels "
                + $"that takes {memory >> 20} MiB in its form; save it as PNG or as baseline JPEG");
        }

        reserve?.Invoke(memory);
    }

    /// <summary>Whether the codec gives one row after the other.</summary>
    private static bool GivesRows(SKCodec codec) => codec.EncodedFormat == SKEncodedImageFormat.Jpeg;

    private static unsafe RgbImage Rows(SKCodec codec, SKImageInfo asRgba, string name)
    {
        SKCodecResult result = codec.StartScanlineDecode(asRgba);
        if (result != SKCodecResult.Success)
        {
            throw Damaged(name, result);
        }

        byte[] rgb = new byte[(long)asRgba.Width * asRgba.Height * BytesOfRows];
        byte[] rows = new byte[RowsAtOnce * asRgba.RowBytes];
        int to = 0;
        fixed (byte* target = rows)
        {
            for (int row = 0; row < asRgba.Height; row += RowsAtOnce)
            {
                int count = Math.Min(RowsAtOnce, asRgba.Height - row);
                if (codec.GetScanlines((nint)target, count, asRgba.RowBytes) != count)
                {
                    throw Damaged(name, SKCodecResult.IncompleteInput);
                }

                int end = count * asRgba.RowBytes;
                for (int from = 0; from < end; from += BytesOfWhole, to += BytesOfRows)
                {
                    rgb[to] = rows[from];
                    rgb[to + 1] = rows[from + 1];
                    rgb[to + 2] = rows[from + 2];
                }
            }
        }

        return new RgbImage(asRgba.Width, asRgba.Height, rgb);
    }

    private static unsafe RgbImage Whole(SKCodec codec, SKImageInfo asRgba, string name)
    {
        byte[] rgba = new byte[asRgba.BytesSize];
        fixed (byte* pixels = rgba)
        {
            SKCodecResult result = codec.GetPixels(asRgba, (nint)pixels);
            return result == SKCodecResult.Success
                ? RgbImage.DroppingAlpha(asRgba.Width, asRgba.Height, rgba)
                : throw Damaged(name, result);
        }
    }

    private static ImageException Damaged(string name, SKCodecResult result) =>
        new(name, $"the image is damaged or cut short ({result})");

    /// <summary>The fewest bytes that an image of that size can take, however plain it is; null where a few are enough for any.</summary>
    private static long? LeastBytes(SKEncodedImageFormat format, ReadOnlySpan<byte> bytes, int width, int height) => format switch
    {
        SKEncodedImageFormat.Png when bytes.Length > 25 =>
            height * (1 + (((long)width * CodecMemory.PngBitsPerPixel(bytes)) + 7) / 8) / MostDeflated,

        // One bit for a block of 8 x 8 at least, and one block for 4 x 4 of them where colours are thinned out.
        SKEncodedImageFormat.Jpeg => (long)width * height / (32 * 32) / 8,

        // Rows of uncompressed pixels, each padded to four bytes.
        SKEncodedImageFormat.Bmp when bytes.Length > 34 && bytes[14] >= 40 && bytes[30] is 0 or 3 =>
            height * (((((long)width * bytes[28]) + 31) / 32) * 4),
        _ => null,
    };
}
