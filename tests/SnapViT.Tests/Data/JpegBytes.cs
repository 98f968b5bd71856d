using SkiaSharp;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

/// <summary>JPEG files of kinds that an encoder here would not make (ITU T.81, Adobe's APP14 marker, EXIF 2.3).</summary>
internal static class JpegBytes
{
    /// <summary>An 8 x 8 baseline JPEG of four components in one colour, with Adobe's marker: CMYK, stored inverted.</summary>
    public static byte[] Cmyk(byte cyan, byte magenta, byte yellow, byte black)
    {
        byte[] stored = [(byte)(255 - cyan), (byte)(255 - magenta), (byte)(255 - yellow), (byte)(255 - black)];
        byte[] table = [0, .. Enumerable.Repeat((byte)8, 64)]; // the DC coefficient is then the colour less 128
        byte[] dc = [0x00, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]; // nine codes of four bits
        byte[] ac = [0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; // one bit: end of block
        byte[] frame = [8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0];
        byte[] scan = [4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0];
        return
        [
            0xFF, 0xD8, .. Segment(0xEE, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0]), .. Segment(0xDB, table), .. Segment(0xC0, frame),
            .. Segment(0xC4, dc), .. Segment(0xC4, ac), .. Segment(0xDA, scan), .. Entropy(stored), 0xFF, 0xD9,
        ];
    }

    /// <summary>A JPEG whose EXIF asks viewers to turn it by 90 degrees.</summary>
    public static byte[] Turned(RgbImage image)
    {
        byte[] plain = TemporaryImages.Encode(image, SKEncodedImageFormat.Jpeg);
        byte[] orientation = [.. "Exif"u8, 0, 0, .. "MM"u8, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
        return [0xFF, 0xD8, .. Segment(0xE1, orientation), .. plain.AsSpan(2)];
    }

    /// <summary>A JPEG in full resolution for every component, whose pixels are no more than zeros.</summary>
    /// <param name="width">Pixels per row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="components">1 or 3.</param>
    /// <param name="progressive">Whether it is progressive; else the first scan is of the first component alone.</param>
    /// <param name="length">Bytes of zeros.</param>
    public static byte[] Header(int width, int height, int components, bool progressive, int length)
    {
        byte[] table = [0, .. Enumerable.Repeat((byte)1, 64)];
        byte[] one = [1, .. new byte[15], 0];
        int inScan = progressive ? components : 1;
        byte[] frame = [8, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width, (byte)components, .. Each(components, 0x11, 0)];
        byte[] scan = [(byte)inScan, .. Each(inScan, 0), 0, progressive ? (byte)0 : (byte)63, 0];
        return
        [
            0xFF, 0xD8, .. Segment(0xDB, table), .. Segment(progressive ? (byte)0xC2 : (byte)0xC0, frame),
            .. Segment(0xC4, [0x00, .. one]), .. Segment(0xC4, [0x10, .. one]), .. Segment(0xDA, scan), .. new byte[length],
        ];
    }

    private static IEnumerable<byte> Each(int components, params byte[] rest) =>
        Enumerable.Range(1, components).SelectMany(component => (byte[])[(byte)component, .. rest]);

    private static byte[] Segment(byte marker, byte[] data) => [0xFF, marker, (byte)((data.Length + 2) >> 8), (byte)(data.Length + 2), .. data];

    private static byte[] Entropy(byte[] colours)
    {
        string bits = string.Concat(colours.Select(colour =>
        {
            int value = colour - 128;
            int category = value == 0 ? 0 : (int)Math.Log2(Math.Abs(value)) + 1;
            int code = value < 0 ? value + (1 << category) - 1 : value;
            return $"{category:b4}{(category == 0 ? "" : code.ToString($"b{category}", null))}0";
        }));
        bits = bits.PadRight((bits.Length + 7) / 8 * 8, '1');
        return [.. bits.Chunk(8).Select(chunk => Convert.ToByte(new string(chunk), 2)).SelectMany(value => value == 0xFF ? new byte[] { value, 0 } : [value])];
    }
}
