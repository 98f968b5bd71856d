using System.IO.Compression;

namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>A checked zip file open for reading: any part of any entry, from any thread.</summary>
internal sealed class ZipArchiveFile(CheckpointFile file) : IDisposable
{
    private const int SkipChunk = 1 << 16;

    /// <summary>The entries by name, in the order of the directory.</summary>
    public IReadOnlyDictionary<string, ZipEntry> Entries { get; } = ZipDirectory.Read(file);

    /// <summary>Reads a whole entry of bounded size and compares its checksum.</summary>
    /// <exception cref="CheckpointFormatException">It is larger, or its bytes are not those that were written.</exception>
    public byte[] ReadAll(ZipEntry entry, int most)
    {
        if (entry.Size > most)
        {
            throw Fault(entry, $"expected at most {most} bytes, found {entry.Size}");
        }

        byte[] content = new byte[entry.Size];
        Read(entry, 0, content);
        return Crc32.Of(content) == entry.Crc ? content : throw Fault(entry, "its bytes do not match their checksum");
    }

    /// <summary>Reads a part of an entry; stored bytes come straight from the file.</summary>
    public void Read(ZipEntry entry, long begin, Span<byte> destination)
    {
        if (begin < 0 || destination.Length > entry.Size - begin)
        {
            throw new ArgumentOutOfRangeException(nameof(begin), $"bytes {begin} to {begin + destination.Length} of {entry.Size}");
        }

        if (!entry.Deflated)
        {
            file.Read(entry.DataOffset + begin, destination);
            return;
        }

        if (entry.CompressedSize > Array.MaxLength)
        {
            throw Fault(entry, $"expected at most {Array.MaxLength} compressed bytes, found {entry.CompressedSize}");
        }

        byte[] compressed = new byte[entry.CompressedSize];
        file.Read(entry.DataOffset, compressed);
        try
        {
            using DeflateStream inflated = new(new MemoryStream(compressed), CompressionMode.Decompress);
            Inflate(inflated, entry, begin, destination);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw new CheckpointFormatException(file.Path, $"zip entry {CheckpointFormatException.Quote(entry.Name)}: its compressed bytes are damaged or give fewer than {entry.Size} bytes", innerException: exception);
        }
    }

    public void Dispose() => file.Dispose();

    private void Inflate(DeflateStream inflated, ZipEntry entry, long begin, Span<byte> destination)
    {
        byte[] skipped = new byte[Math.Min(begin, SkipChunk)];
        for (long left = begin; left > 0; left -= Math.Min(left, SkipChunk))
        {
            inflated.ReadExactly(skipped, 0, (int)Math.Min(left, SkipChunk));
        }

        inflated.ReadExactly(destination);
        if (begin + destination.Length == entry.Size && inflated.ReadByte() >= 0)
        {
            throw Fault(entry, $"it decompresses to more than the {entry.Size} bytes it claims");
        }
    }

    private CheckpointFormatException Fault(ZipEntry entry, string fault) => new(file.Path, $"zip entry {CheckpointFormatException.Quote(entry.Name)}: {fault}");
}
