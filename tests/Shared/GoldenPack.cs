using System.Buffers.Binary;
using System.IO.Compression;
using System.Numerics;
using System.Security.Cryptography;

namespace SnapViT.Tests;

/// <summary>A stretch of a packed file: the header of a safetensors file, one of its tensors, or a whole file of another kind.</summary>
/// <param name="Bytes">The content.</param>
/// <param name="Width">Bytes per element: 1, 4 or 8. Elements of more than one byte are packed plane by plane.</param>
internal sealed record GoldenSegment(byte[] Bytes, int Width);

/// <summary>A file of the golden set: its path with forward slashes, and its content in order.</summary>
internal sealed record GoldenFile(string Path, IReadOnlyList<GoldenSegment> Segments)
{
    public byte[] Content => [.. Segments.SelectMany(segment => segment.Bytes)];
}

/// <summary>
/// Files of golden numbers in one compressed file: Brotli of an index (files, their SHA-256, their segments) and the bytes of all segments,
/// grouped by width and significance. The exponents of floats are alike and compress; their mantissas are random and do not.
/// A segment that is in an earlier pack or earlier in this one is stored as a reference to it.
/// </summary>
internal static class GoldenPack
{
    private static readonly int[] Widths = [1, 4, 8];

    /// <summary>
    /// Writes a pack. <paramref name="known"/> holds where the segments of the packs so far are, by their SHA-256; those written here are added.
    /// </summary>
    public static void Write(Stream pack, IReadOnlyList<GoldenFile> files, Dictionary<string, (string Path, int Segment)> known)
    {
        using BrotliStream compressed = new(pack, CompressionLevel.SmallestSize, leaveOpen: true);
        using BinaryWriter writer = new(compressed);
        List<GoldenSegment> stored = [];
        writer.Write(files.Count);
        foreach (GoldenFile file in files)
        {
            writer.Write(file.Path);
            writer.Write(SHA256.HashData(file.Content));
            writer.Write(file.Segments.Count);
            foreach ((int index, GoldenSegment segment) in file.Segments.Index())
            {
                string hash = Convert.ToHexString(SHA256.HashData(segment.Bytes));
                bool isKnown = known.TryGetValue(hash, out (string Path, int Segment) place);
                writer.Write(isKnown);
                if (isKnown)
                {
                    writer.Write(place.Path);
                    writer.Write(place.Segment);
                }
                else
                {
                    writer.Write((byte)segment.Width);
                    writer.Write(segment.Bytes.Length);
                    stored.Add(segment);
                    known.Add(hash, (file.Path, index));
                }
            }
        }

        foreach ((int width, int plane) in Planes)
        {
            foreach (GoldenSegment segment in stored.Where(segment => segment.Width == width))
            {
                writer.Write(PlaneOf(segment, plane));
            }
        }
    }

    /// <summary>Reads a pack. <paramref name="known"/> holds the files of the packs before it by path; those read here are added.</summary>
    /// <exception cref="InvalidDataException">A file has not the SHA-256 it was packed with.</exception>
    public static void Read(Stream pack, Dictionary<string, GoldenFile> known)
    {
        using BrotliStream expanded = new(pack, CompressionMode.Decompress, leaveOpen: true);
        using BinaryReader reader = new(expanded);
        List<(GoldenFile File, byte[] Hash)> files = [];
        List<GoldenSegment> stored = [];
        int count = reader.ReadInt32();
        for (int file = 0; file < count; file++)
        {
            string path = reader.ReadString();
            byte[] hash = reader.ReadBytes(SHA256.HashSizeInBytes);
            GoldenSegment[] segments = new GoldenSegment[reader.ReadInt32()];
            known.Add(path, new GoldenFile(path, segments));
            files.Add((known[path], hash));
            for (int index = 0; index < segments.Length; index++)
            {
                if (reader.ReadBoolean())
                {
                    segments[index] = known[reader.ReadString()].Segments[reader.ReadInt32()];
                }
                else
                {
                    int width = reader.ReadByte();
                    segments[index] = new GoldenSegment(new byte[reader.ReadInt32()], width);
                    stored.Add(segments[index]);
                }
            }
        }

        foreach ((int width, int plane) in Planes)
        {
            foreach (GoldenSegment segment in stored.Where(segment => segment.Width == width))
            {
                Fill(segment, plane, reader.ReadBytes(segment.Bytes.Length / width));
            }
        }

        foreach (GoldenSegment segment in stored)
        {
            Rotate(segment.Bytes, segment.Width, -1);
        }

        foreach ((GoldenFile file, byte[] hash) in files)
        {
            if (!SHA256.HashData(file.Content).AsSpan().SequenceEqual(hash))
            {
                throw new InvalidDataException($"{file.Path}: expected SHA-256 {Convert.ToHexString(hash)}, found another");
            }
        }
    }

    /// <summary>The most significant bytes first.</summary>
    private static IEnumerable<(int Width, int Plane)> Planes =>
        Widths.SelectMany(width => Enumerable.Range(0, width).Select(i => (width, width - 1 - i)));

    private static byte[] PlaneOf(GoldenSegment segment, int plane)
    {
        byte[] rotated = [.. segment.Bytes];
        Rotate(rotated, segment.Width, 1);
        return [.. Enumerable.Range(0, rotated.Length / segment.Width).Select(i => rotated[(i * segment.Width) + plane])];
    }

    private static void Fill(GoldenSegment segment, int plane, byte[] bytes)
    {
        if (bytes.Length != segment.Bytes.Length / segment.Width)
        {
            throw new InvalidDataException("the pack ends too early");
        }

        for (int i = 0; i < bytes.Length; i++)
        {
            segment.Bytes[(i * segment.Width) + plane] = bytes[i];
        }
    }

    /// <summary>Rotates every element to the left: a float's sign goes to the lowest bit, and its exponent fills the highest byte.</summary>
    private static void Rotate(Span<byte> bytes, int width, int left)
    {
        for (int at = 0; width > 1 && at < bytes.Length; at += width)
        {
            Span<byte> element = bytes.Slice(at, width);
            if (width == 4)
            {
                uint bits = BinaryPrimitives.ReadUInt32LittleEndian(element);
                BinaryPrimitives.WriteUInt32LittleEndian(element, BitOperations.RotateLeft(bits, left));
            }
            else
            {
                ulong bits = BinaryPrimitives.ReadUInt64LittleEndian(element);
                BinaryPrimitives.WriteUInt64LittleEndian(element, BitOperations.RotateLeft(bits, left));
            }
        }
    }
}
