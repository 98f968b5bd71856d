using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Tests.Checkpoints.Zip;

/// <summary>One entry of a zip file made by hand; whatever is set says something else than the truth.</summary>
public sealed record ZipPart(string Name, byte[] Content)
{
    public bool Deflated { get; init; }

    public bool Wide { get; init; }

    public bool SizesFollow { get; init; }

    public ushort? Method { get; init; }

    public ushort Flags { get; init; }

    public uint? Size { get; init; }

    public uint? CompressedSize { get; init; }

    public uint? Crc { get; init; }

    public string? LocalName { get; init; }

    public uint? HeaderOffset { get; init; }

    public byte[] Bytes => Deflated ? Deflate(Content) : Content;

    private static byte[] Deflate(byte[] content)
    {
        using MemoryStream target = new();
        using (DeflateStream deflate = new(target, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(content);
        }

        return target.ToArray();
    }
}

/// <summary>Zip files made by hand, right or wrong.</summary>
internal static class ZipBytes
{
    public static byte[] Of(params ZipPart[] parts) => Of(parts, wideEnd: false);

    public static byte[] Of(ZipPart[] parts, bool wideEnd)
    {
        MemoryStream file = new();
        List<long> offsets = [];
        foreach (ZipPart part in parts)
        {
            offsets.Add(file.Position);
            byte[] name = Encoding.UTF8.GetBytes(part.LocalName ?? part.Name);
            file.Write(U32(0x04034b50));
            file.Write(U16(20, part.SizesFollow ? 8 : 0, Method(part), 0, 0));
            file.Write(part.SizesFollow ? new byte[12] : Sizes(part, wide: false));
            file.Write(U16(name.Length, 0));
            file.Write(name);
            file.Write(part.Bytes);
        }

        long directory = file.Position;
        foreach ((ZipPart part, long offset) in parts.Zip(offsets))
        {
            WriteRecord(file, part, offset);
        }

        WriteEnd(file, parts.Length, directory, wideEnd);
        return file.ToArray();
    }

    private static void WriteRecord(MemoryStream file, ZipPart part, long offset)
    {
        byte[] name = Encoding.UTF8.GetBytes(part.Name);
        byte[] extra = part.Wide ? [.. U16(0x4242, 2), 0, 0, .. U16(1, 24), .. U64(part.Content.Length), .. U64(part.Bytes.Length), .. U64(offset)] : [];
        file.Write(U32(0x02014b50));
        file.Write(U16(20, 20, part.Flags | (part.SizesFollow ? 8 : 0), Method(part), 0, 0));
        file.Write(Sizes(part, part.Wide));
        file.Write(U16(name.Length, extra.Length, 0, 0, 0, 0, 0));
        file.Write(U32(part.Wide ? uint.MaxValue : part.HeaderOffset ?? (uint)offset));
        file.Write(name);
        file.Write(extra);
    }

    private static void WriteEnd(MemoryStream file, int count, long directory, bool wide)
    {
        long end = file.Position;
        if (wide)
        {
            file.Write([.. U32(0x06064b50), .. U64(44), .. U16(45, 45, 0, 0, 0, 0), .. U64(count), .. U64(count), .. U64(end - directory), .. U64(directory)]);
            file.Write([.. U32(0x07064b50), .. U32(0), .. U64(end), .. U32(1)]);
        }

        file.Write(U32(0x06054b50));
        file.Write(wide ? U16(0, 0, 0xffff, 0xffff) : U16(0, 0, count, count));
        file.Write(wide ? [.. U32(uint.MaxValue), .. U32(uint.MaxValue)] : [.. U32((uint)(end - directory)), .. U32((uint)directory)]);
        file.Write(U16(0));
    }

    private static int Method(ZipPart part) => part.Method ?? (part.Deflated ? 8 : 0);

    private static byte[] Sizes(ZipPart part, bool wide) =>
    [
        .. U32(part.Crc ?? Crc32.Of(part.Content)),
        .. U32(wide ? uint.MaxValue : part.CompressedSize ?? (uint)part.Bytes.Length),
        .. U32(wide ? uint.MaxValue : part.Size ?? (uint)part.Content.Length),
    ];

    private static byte[] U16(params int[] values) => [.. values.SelectMany(value => new[] { (byte)value, (byte)(value >> 8) })];

    private static byte[] U32(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] U64(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
