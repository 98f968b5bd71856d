using System.Buffers.Binary;

namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>The three numbers of a directory record that may be 32 bits, or 64 bits in its extra field.</summary>
/// <param name="Size">Bytes after decompression.</param>
/// <param name="Compressed">Bytes in the file.</param>
/// <param name="HeaderOffset">Where the local header begins.</param>
internal sealed record ZipSizes(long Size, long Compressed, long HeaderOffset)
{
    private const ushort Zip64Tag = 1;

    public static ZipSizes Read(CheckpointFile file, string name, ReadOnlySpan<byte> record, ReadOnlySpan<byte> extra)
    {
        ReadOnlySpan<byte> wide = FindWide(extra);
        long size = Next(BinaryPrimitives.ReadUInt32LittleEndian(record[24..]), ref wide);
        long compressed = Next(BinaryPrimitives.ReadUInt32LittleEndian(record[20..]), ref wide);
        long offset = Next(BinaryPrimitives.ReadUInt32LittleEndian(record[42..]), ref wide);
        return size >= 0 && compressed >= 0 && offset >= 0 && compressed <= file.Length
            ? new ZipSizes(size, compressed, offset)
            : throw new CheckpointFormatException(
                file.Path, $"zip entry {CheckpointFormatException.Quote(name)}: its sizes do not fit a file of {file.Length} bytes");
    }

    /// <summary>A 32-bit number, or the next 64-bit one when it says so; -1 when that is missing.</summary>
    private static long Next(uint narrow, ref ReadOnlySpan<byte> wide)
    {
        if (narrow != uint.MaxValue)
        {
            return narrow;
        }

        if (wide.Length < sizeof(long))
        {
            return -1;
        }

        long value = BinaryPrimitives.ReadInt64LittleEndian(wide);
        wide = wide[sizeof(long)..];
        return value;
    }

    private static ReadOnlySpan<byte> FindWide(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(extra);
            int length = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]), extra.Length - 4);
            if (tag == Zip64Tag)
            {
                return extra.Slice(4, length);
            }

            extra = extra[(4 + length)..];
        }

        return [];
    }
}
