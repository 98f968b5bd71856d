using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace SnapViT.Tests.Data;

/// <summary>PNG files written by hand, in the colour types that an encoder here would not choose (PNG specification, 11.2).</summary>
internal static class PngBytes
{
    private static readonly byte[] Signature = [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10];

    public const byte Gray = 0, Rgb = 2, Palette = 3, GrayAlpha = 4, Rgba = 6;

    /// <summary>An 8-bit PNG of the given samples, row by row; extra chunks stand before the pixels.</summary>
    public static byte[] Write(int width, int height, byte colourType, byte[] samples, params (string Type, byte[] Data)[] extra)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8;
        header[9] = colourType;
        IEnumerable<byte> chunks = extra.SelectMany(chunk => Chunk(chunk.Type, chunk.Data));
        return [.. Signature, .. Chunk("IHDR", header), .. chunks, .. Chunk("IDAT", Compress(samples, samples.Length == 0 ? 1 : samples.Length / height)), .. Chunk("IEND", [])];
    }

    /// <summary>A grey PNG of 16 bits a sample.</summary>
    public static byte[] Sixteen(int width, int height, ushort[] samples)
    {
        byte[] file = Write(width, height, Gray, [.. samples.SelectMany(value => new[] { (byte)(value >> 8), (byte)value })]);
        file[24] = 16;
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(29), Crc32(file.AsSpan(12, 17)));
        return file;
    }

    /// <summary>The header of an interlaced 8-bit PNG, and pixels that are no more than zeros.</summary>
    public static byte[] Interlaced(int width, int height, byte colourType, int length)
    {
        byte[] file = [.. Write(width, height, colourType, []), .. new byte[length]];
        file[28] = 1;
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(29), Crc32(file.AsSpan(12, 17)));
        return file;
    }

    private static byte[] Compress(byte[] samples, int stride)
    {
        using MemoryStream stream = new();
        using (ZLibStream zlib = new(stream, CompressionLevel.Fastest))
        {
            for (int start = 0; start < samples.Length; start += stride)
            {
                zlib.WriteByte(0);
                zlib.Write(samples, start, stride);
            }
        }

        return stream.ToArray();
    }

    private static byte[] Chunk(string type, byte[] data)
    {
        byte[] chunk = new byte[data.Length + 12];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        data.CopyTo(chunk, 8);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + data.Length), Crc32(chunk.AsSpan(4, 4 + data.Length)));
        return chunk;
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
            }
        }

        return ~crc;
    }
}
