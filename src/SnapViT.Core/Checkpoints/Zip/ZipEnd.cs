using System.Buffers.Binary;

namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>What the end of a zip file says about its directory (also in the 64-bit form).</summary>
/// <param name="Entries">Number of entries.</param>
/// <param name="DirectoryOffset">Where the directory begins.</param>
/// <param name="DirectorySize">Its bytes.</param>
internal sealed record ZipEnd(long Entries, long DirectoryOffset, long DirectorySize)
{
    private const uint EndSignature = 0x06054b50;
    private const uint Locator64Signature = 0x07064b50;
    private const uint End64Signature = 0x06064b50;
    private const int EndLength = 22;
    private const int Locator64Length = 20;
    private const int End64Length = 56;

    /// <summary>Most entries that are believed; a model has a few thousand.</summary>
    private const int MaxEntries = 1 << 17;

    /// <exception cref="CheckpointFormatException">There is no such record, or it contradicts itself or the file.</exception>
    public static ZipEnd Find(CheckpointFile file)
    {
        byte[] tail = new byte[Math.Min(file.Length, EndLength + ushort.MaxValue)];
        file.Read(file.Length - tail.Length, tail);
        int at = tail.Length - EndLength;
        while (at >= 0 && !IsEnd(tail.AsSpan(at)))
        {
            at--;
        }

        if (at < 0)
        {
            throw new CheckpointFormatException(
                file.Path, $"expected a zip file, found no end of a zip directory in {file.Length} bytes: cut off, or of another format");
        }

        long position = file.Length - tail.Length + at;
        ZipEnd end = Read32(file, tail.AsSpan(at), position);
        if (end.Entries > MaxEntries)
        {
            throw new CheckpointFormatException(file.Path, $"expected at most {MaxEntries} zip entries, found {end.Entries}");
        }

        if (end.DirectoryOffset < 0 || end.DirectorySize < 0
            || end.DirectorySize > position
            || end.DirectoryOffset > position - end.DirectorySize)
        {
            throw new CheckpointFormatException(
                file.Path,
                $"the zip directory of {end.DirectorySize} bytes at byte {end.DirectoryOffset} "
                + $"does not lie before its end record at byte {position}");
        }

        return end;
    }

    /// <summary>The record ends with a comment that must reach exactly to the end of the file.</summary>
    private static bool IsEnd(ReadOnlySpan<byte> record) =>
        BinaryPrimitives.ReadUInt32LittleEndian(record) == EndSignature
        && BinaryPrimitives.ReadUInt16LittleEndian(record[20..]) == record.Length - EndLength;

    private static ZipEnd Read32(CheckpointFile file, ReadOnlySpan<byte> record, long position)
    {
        ushort entries = BinaryPrimitives.ReadUInt16LittleEndian(record[10..]);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(record[12..]);
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(record[16..]);
        if (entries == ushort.MaxValue || size == uint.MaxValue || offset == uint.MaxValue)
        {
            return Read64(file, position);
        }

        bool oneDisk = BinaryPrimitives.ReadUInt32LittleEndian(record[4..]) == 0
            && BinaryPrimitives.ReadUInt16LittleEndian(record[8..]) == entries;
        return oneDisk ? new ZipEnd(entries, offset, size) : throw SeveralDisks(file);
    }

    private static ZipEnd Read64(CheckpointFile file, long position)
    {
        byte[] locator = ReadRecord(file, position - Locator64Length, Locator64Length, Locator64Signature);
        long at = BinaryPrimitives.ReadInt64LittleEndian(locator.AsSpan(8));
        byte[] record = ReadRecord(file, at, End64Length, End64Signature);
        long entries = BinaryPrimitives.ReadInt64LittleEndian(record.AsSpan(32));
        bool oneDisk = BinaryPrimitives.ReadInt64LittleEndian(record.AsSpan(16)) == 0
            && BinaryPrimitives.ReadInt64LittleEndian(record.AsSpan(24)) == entries;
        return oneDisk && entries >= 0
            ? new ZipEnd(
                entries,
                BinaryPrimitives.ReadInt64LittleEndian(record.AsSpan(48)),
                BinaryPrimitives.ReadInt64LittleEndian(record.AsSpan(40)))
            : throw SeveralDisks(file);
    }

    private static byte[] ReadRecord(CheckpointFile file, long position, int length, uint signature)
    {
        byte[] record = new byte[length];
        if (position < 0 || position > file.Length - length)
        {
            throw new CheckpointFormatException(
                file.Path, $"the 64-bit end of the zip directory at byte {position} lies outside the file of {file.Length} bytes");
        }

        file.Read(position, record);
        return BinaryPrimitives.ReadUInt32LittleEndian(record) == signature
            ? record
            : throw new CheckpointFormatException(
                file.Path, $"expected a 64-bit end of the zip directory at byte {position}, found something else");
    }

    private static CheckpointFormatException SeveralDisks(CheckpointFile file) =>
        new(file.Path, "expected a zip file in one piece, found a part of a split one");
}
