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
