using System.Buffers.Binary;
using SkiaSharp;

namespace SnapViT.Data;

/// <summary>
/// How much memory a codec keeps for an image beside its pixels, told from the file before it is decoded. Most forms are decoded row by
/// row; some need the whole image in another form first.
/// </summary>
internal static class CodecMemory
{
    /// <summary>Bytes of a coefficient of JPEG.</summary>
    private const int BytesPerCoefficient = 2;

    /// <summary>Lossless WebP is decoded to four bytes a pixel, and alpha of WebP to one.</summary>
    private const int BytesOfWebP = 5;

    private const byte Filling = 0xff;
    private const byte StartOfScan = 0xda;

    /// <summary>Bytes that decoding takes beside the file and the pixels.</summary>
    /// <param name="format">The format of the file.</param>
    /// <param name="bytes">The file.</param>
    /// <param name="width">Pixels per row.</param>
    /// <param name="height">Rows.</param>
    public static long Of(SKEncodedImageFormat format, ReadOnlySpan<byte> bytes, int width, int height) => format switch
    {
        SKEncodedImageFormat.Jpeg => OfJpeg(bytes, width, height),
        SKEncodedImageFormat.Webp when bytes.Length > 16 && !bytes[12..].StartsWith("VP8 "u8) => (long)width * height * BytesOfWebP,
        SKEncodedImageFormat.Png when bytes.Length > 28 && bytes[28] != 0 => (long)width * height * Math.Max(8, PngBitsPerPixel(bytes)) / 8,
        _ => 0,
    };

    /// <summary>Bits of a pixel of a PNG: its first chunk says the depth and the type of colour.</summary>
    /// <param name="bytes">The file, of more than 25 bytes.</param>
    public static int PngBitsPerPixel(ReadOnlySpan<byte> bytes) => bytes[24] * bytes[25] switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };

    /// <summary>
    /// A JPEG of several scans, progressive or with its components one after the other, keeps every coefficient until the last scan is
    /// read. (ISO/IEC 10918-1, B.2: markers, frame and scan headers.)
    /// </summary>
    private static long OfJpeg(ReadOnlySpan<byte> bytes, int width, int height)
    {
        const int start = 2, marker = 2, length = 2;
        ReadOnlySpan<byte> frame = [];
        bool isProgressive = false;
        for (int at = start; at + marker + length < bytes.Length && bytes[at] == Filling;)
        {
            byte kind = bytes[at + 1];
            if (kind == Filling)
            {
                at++;
                continue;
            }

            ReadOnlySpan<byte> segment = bytes[(at + marker)..];
            segment = segment[..Math.Min(segment.Length, Math.Max(length + 1, (int)BinaryPrimitives.ReadUInt16BigEndian(segment)))];
            if (kind is >= 0xc0 and <= 0xcf and not (0xc4 or 0xc8 or 0xcc))
            {
                frame = segment;
                isProgressive = (kind & 3) == 2;
            }

            if (kind == StartOfScan)
            {
                return frame.Length > 7 && (isProgressive || segment[length] < frame[7]) ? Coefficients(frame, width, height) : 0;
            }

            at += marker + segment.Length;
        }

        return 0;
    }

    /// <summary>Bytes of all coefficients: a component has as many as its share of the pixels.</summary>
    private static long Coefficients(ReadOnlySpan<byte> frame, int width, int height)
    {
        const int first = 8, each = 3;
        long samples = 0, most = 1;
        for (int at = first; at + each <= frame.Length; at += each)
        {
            int share = (frame[at + 1] >> 4) * (frame[at + 1] & 15);
            (samples, most) = (samples + share, Math.Max(most, share));
        }

        return (long)width * height * samples / most * BytesPerCoefficient;
    }
}
