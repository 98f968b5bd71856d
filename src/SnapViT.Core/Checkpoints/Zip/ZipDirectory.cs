using System.Buffers.Binary;
using System.Text;

namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>
/// Reads the directory of a zip file and checks it against the local headers: names, sizes and places of all entries are known to be
/// consistent, inside the file and apart from each other before one byte of an entry is read.
/// </summary>
/// <remarks>
/// Own code instead of System.IO.Compression, which hides where entries lie: big tensors are read straight from the file, and overlaps must
/// be seen.
/// </remarks>
internal static class ZipDirectory
{
    private const uint RecordSignature = 0x02014b50;
    private const uint LocalSignature = 0x04034b50;
    private const int RecordLength = 46;
    private const int LocalLength = 30;
    private const int MaxDirectorySize = 64 << 20;
    private const int EncryptedFlag = 1;
    private const int SizesFollowFlag = 8;
    private const int Stored = 0;
    private const int Deflate = 8;

    /// <summary>Deflate cannot do better: 258 bytes from 2 bits.</summary>
    private const int MaxRatio = 1032;

    /// <summary>Compressed entries of one file may grow to this many bytes, or to <see cref="MaxGrowth"/> times the file.</summary>
    private const long AlwaysAllowed = 64 << 20;
    private const int MaxGrowth = 100;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads all entries, by name.</summary>
    /// <exception cref="CheckpointFormatException">The file is no zip file, a damaged or a hostile one.</exception>
    public static IReadOnlyDictionary<string, ZipEntry> Read(CheckpointFile file)
    {
        ZipEnd end = ZipEnd.Find(file);
        if (end.DirectorySize > MaxDirectorySize)
        {
            throw new CheckpointFormatException(
                file.Path, $"expected a zip directory of at most {MaxDirectorySize} bytes, found {end.DirectorySize}");
        }

        byte[] directory = new byte[end.DirectorySize];
        file.Read(end.DirectoryOffset, directory);
        OrderedDictionary<string, ZipEntry> entries = [];
        int at = 0;
        for (long i = 0; i < end.Entries; i++)
        {
            ZipEntry entry = ReadRecord(file, directory, ref at);
            if (!entries.TryAdd(entry.Name, entry))
            {
                throw new CheckpointFormatException(file.Path, $"the zip entry {Quote(entry.Name)} is there twice");
            }
        }

        if (at != directory.Length)
        {
            throw new CheckpointFormatException(
                file.Path, $"expected a zip directory of {at} bytes for {end.Entries} entries, found {directory.Length}");
        }

        CheckApart(file, entries.Values, end.DirectoryOffset);
        CheckGrowth(file, entries.Values);
        return entries;
    }

    private static ZipEntry ReadRecord(CheckpointFile file, ReadOnlySpan<byte> directory, ref int at)
    {
        ReadOnlySpan<byte> record = directory[at..];
        if (record.Length < RecordLength || U32(record, 0) != RecordSignature)
        {
            throw new CheckpointFormatException(file.Path, $"expected an entry at byte {at} of the zip directory, found something else");
        }

        int nameLength = U16(record, 28);
        int extraLength = U16(record, 30);
        int length = RecordLength + nameLength + extraLength + U16(record, 32);
        if (record.Length < length)
        {
            throw new CheckpointFormatException(file.Path, $"the entry at byte {at} of the zip directory is cut off");
        }

        at += length;
        ReadOnlySpan<byte> nameBytes = record.Slice(RecordLength, nameLength);
        string name = ReadName(file, nameBytes);
        ZipSizes sizes = ZipSizes.Read(file, name, record, record.Slice(RecordLength + nameLength, extraLength));
        CheckKind(file, name, record, sizes);
        long data = CheckLocalHeader(file, name, nameBytes, record, sizes);
        return new ZipEntry(name, U16(record, 10) == Deflate, sizes.Compressed, sizes.Size, U32(record, 16), sizes.HeaderOffset, data);
    }

    private static void CheckKind(CheckpointFile file, string name, ReadOnlySpan<byte> record, ZipSizes sizes)
    {
        int method = U16(record, 10);
        string? fault =
            (U16(record, 8) & EncryptedFlag) != 0 ? "is encrypted"
            : U16(record, 34) != 0 ? "lies on another disk"
            : method is not (Stored or Deflate) ? $"expected method 0 (stored) or 8 (deflated), found {method}"
            : method == Stored && sizes.Size != sizes.Compressed
                ? $"expected one size for stored bytes, found {sizes.Compressed} and {sizes.Size}"
            : sizes.Size / MaxRatio > sizes.Compressed ? $"{sizes.Compressed} compressed bytes cannot hold {sizes.Size}"
            : name.EndsWith('/') && sizes.Size != 0 ? $"expected a folder without content, found {sizes.Size} bytes"
            : null;
        if (fault is not null)
        {
            throw new CheckpointFormatException(file.Path, $"zip entry {Quote(name)}: {fault}");
        }
    }

    /// <summary>The header before the entry's bytes must tell the same story as the directory.</summary>
    /// <returns>Where the entry's bytes begin.</returns>
    private static long CheckLocalHeader(
        CheckpointFile file, string name, ReadOnlySpan<byte> nameBytes, ReadOnlySpan<byte> record, ZipSizes sizes)
    {
        byte[] local = new byte[LocalLength + nameBytes.Length];
        if (sizes.HeaderOffset < 0 || sizes.HeaderOffset > file.Length - local.Length)
        {
            throw new CheckpointFormatException(
                file.Path,
                $"zip entry {Quote(name)}: its header at byte {sizes.HeaderOffset} lies outside the file of {file.Length} bytes");
        }

        file.Read(sizes.HeaderOffset, local);
        bool sizesFollow = (U16(local, 6) & SizesFollowFlag) != 0;
        bool same = U32(local, 0) == LocalSignature && U16(local, 8) == U16(record, 10)
            && U16(local, 26) == nameBytes.Length && local.AsSpan(LocalLength).SequenceEqual(nameBytes)
            && (sizesFollow || (U32(local, 14) == U32(record, 16)
                && Agrees(U32(local, 18), sizes.Compressed)
                && Agrees(U32(local, 22), sizes.Size)));
        return same
            ? sizes.HeaderOffset + local.Length + U16(local, 28)
            : throw new CheckpointFormatException(
                file.Path, $"zip entry {Quote(name)}: the header at byte {sizes.HeaderOffset} contradicts the directory");

        static bool Agrees(uint local, long size) => local == size || local == uint.MaxValue;
    }

    /// <summary>No entry may share a byte with another one or with the directory: that is how small files pretend to be big.</summary>
    private static void CheckApart(CheckpointFile file, IEnumerable<ZipEntry> entries, long directoryOffset)
    {
        (long end, string before) = (0, "");
        foreach (ZipEntry entry in entries.OrderBy(entry => entry.HeaderOffset))
        {
            if (entry.HeaderOffset < end)
            {
                throw new CheckpointFormatException(
                    file.Path, $"the zip entries {Quote(before)} and {Quote(entry.Name)} overlap at byte {entry.HeaderOffset}");
            }

            if (entry.CompressedSize > directoryOffset - entry.DataOffset)
            {
                throw new CheckpointFormatException(
                    file.Path,
                    $"zip entry {Quote(entry.Name)}: {entry.CompressedSize} bytes at byte {entry.DataOffset} "
                    + $"reach into the directory at byte {directoryOffset}");
            }

            (end, before) = (entry.DataOffset + entry.CompressedSize, entry.Name);
        }
    }

    private static void CheckGrowth(CheckpointFile file, IEnumerable<ZipEntry> entries)
    {
        Int128 grown = 0;
        foreach (ZipEntry entry in entries.Where(entry => entry.Deflated))
        {
            grown += entry.Size;
        }

        Int128 allowed = Int128.Max(AlwaysAllowed, (Int128)file.Length * MaxGrowth);
        if (grown > allowed)
        {
            throw new CheckpointFormatException(
                file.Path, $"{file.Length} bytes claim to decompress to {grown}, at most {allowed} are believed");
        }
    }

    /// <summary>Names are never used as paths; those made to be misused as paths are refused all the same.</summary>
    private static string ReadName(CheckpointFile file, ReadOnlySpan<byte> bytes)
    {
        string name;
        try
        {
            name = Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw new CheckpointFormatException(
                file.Path, "expected zip entry names in UTF-8, found invalid bytes", innerException: exception);
        }

        string[] parts = (name.EndsWith('/') ? name[..^1] : name).Split('/');
        bool plain = parts.All(part => part is not ("" or "." or ".."))
            && name is not [_, ':', ..]
            && !name.Any(c => c is '\\' || char.IsControl(c));
        return plain
            ? name
            : throw new CheckpointFormatException(file.Path, $"expected zip entry names that stay inside the archive, found {Quote(name)}");
    }

    private static string Quote(string text) => CheckpointFormatException.Quote(text);

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
}

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

/// <summary>One checked record of a zip file.</summary>
/// <param name="Name">Its full name, with forward slashes.</param>
/// <param name="Deflated">Whether it is compressed; otherwise its bytes stand in the file as they are.</param>
/// <param name="CompressedSize">Bytes in the file.</param>
/// <param name="Size">Bytes after decompression, as the file says.</param>
/// <param name="Crc">Checksum of the decompressed bytes, as the file says.</param>
/// <param name="HeaderOffset">Where its local header begins in the file.</param>
/// <param name="DataOffset">Where its bytes begin in the file.</param>
internal sealed record ZipEntry(string Name, bool Deflated, long CompressedSize, long Size, uint Crc, long HeaderOffset, long DataOffset);

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
