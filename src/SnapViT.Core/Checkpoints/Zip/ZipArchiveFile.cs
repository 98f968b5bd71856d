using System.Collections.Concurrent;
using System.IO.Compression;

namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>A checked zip file open for reading: any part of any entry, from any thread.</summary>
/// <param name="file">The file; closed with the archive.</param>
/// <param name="mostKept">
/// The largest compressed entry, in bytes of its content, that is kept so that its parts are not decompressed from its begin one by one.
/// </param>
/// <param name="mostSkipped">
/// The most bytes that are decompressed in vain: those of larger entries before what is asked for, and those of entries that were kept
/// before.
/// </param>
internal sealed class ZipArchiveFile(CheckpointFile file, int mostKept = 64 << 20, long mostSkipped = 1L << 30) : IDisposable
{
    private const int SkipChunk = 1 << 16;
    private const int CheckChunk = 1 << 18;

    private readonly ConcurrentDictionary<string, bool> _intact = [];
    private readonly HashSet<string> _wasKept = [];
    private (ZipEntry Entry, byte[] Content)? _kept;
    private long _skipped;

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
        ReadIntact(entry, 0, content);
        return content;
    }

    /// <summary>
    /// Reads a part of an entry. The checksum of the whole entry is compared before anything of it is believed: a local header with one
    /// byte changed moves all of its content and contradicts nothing else.
    /// </summary>
    /// <exception cref="CheckpointFormatException">The bytes of the entry are not those that were written.</exception>
    public void ReadIntact(ZipEntry entry, long begin, Span<byte> destination)
    {
        bool whole = begin == 0 && destination.Length == entry.Size;
        if (!whole && !_intact.ContainsKey(entry.Name))
        {
            // Remembered after the comparison: a second thread never takes an unfinished one for a good one.
            RequireChecksum(entry, Checksum(entry));
            _intact[entry.Name] = true;
        }

        Read(entry, begin, destination);
        if (whole)
        {
            RequireChecksum(entry, Crc32.Of(destination));
        }
    }

    /// <summary>Reads a part of an entry; stored bytes come straight from the file.</summary>
    private void Read(ZipEntry entry, long begin, Span<byte> destination)
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

        if (destination.Length < entry.Size && entry.Size <= mostKept)
        {
            Kept(entry).AsSpan((int)begin, destination.Length).CopyTo(destination);
            return;
        }

        Skip(entry, begin);
        Decompress(entry, begin, destination);
    }

    private void Skip(ZipEntry entry, long bytes)
    {
        if (Interlocked.Add(ref _skipped, bytes) > mostSkipped)
        {
            throw Fault(entry, "too many tensors lie in the midst of compressed bytes: save or zip the file again without compression");
        }
    }

    /// <summary>The content of a compressed entry: the one that was asked for last is at hand.</summary>
    private byte[] Kept(ZipEntry entry)
    {
        lock (_intact)
        {
            if (_kept is not var (last, content) || last != entry)
            {
                Skip(entry, _wasKept.Add(entry.Name) ? 0 : entry.Size);
                content = new byte[entry.Size];
                Decompress(entry, 0, content);
                _kept = (entry, content);
            }

            return content;
        }
    }

    private void Decompress(ZipEntry entry, long begin, Span<byte> destination)
    {
        byte[] compressed = Compressed(entry);
        try
        {
            using DeflateStream inflated = new(new MemoryStream(compressed), CompressionMode.Decompress);
            Inflate(inflated, entry, begin, destination);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw Damaged(entry, exception);
        }
    }

    /// <summary>The checksum of an entry's content, piece by piece.</summary>
    private uint Checksum(ZipEntry entry)
    {
        Crc32 sum = new();
        byte[] chunk = new byte[(int)Math.Min(CheckChunk, entry.Size)];
        DeflateStream? inflated = entry.Deflated
            ? new DeflateStream(new MemoryStream(Compressed(entry)), CompressionMode.Decompress)
            : null;
        using (inflated)
        {
            for (long at = 0; at < entry.Size; at += chunk.Length)
            {
                Span<byte> piece = chunk.AsSpan(0, (int)Math.Min(chunk.Length, entry.Size - at));
                ReadPiece(entry, inflated, at, piece);
                sum.Append(piece);
            }
        }

        return sum.Value;
    }

    private void ReadPiece(ZipEntry entry, DeflateStream? inflated, long at, Span<byte> piece)
    {
        try
        {
            if (inflated is null)
            {
                file.Read(entry.DataOffset + at, piece);
            }
            else
            {
                inflated.ReadExactly(piece);
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw Damaged(entry, exception);
        }
    }

    private byte[] Compressed(ZipEntry entry)
    {
        if (entry.CompressedSize > Array.MaxLength)
        {
            throw Fault(entry, $"expected at most {Array.MaxLength} compressed bytes, found {entry.CompressedSize}");
        }

        byte[] compressed = new byte[entry.CompressedSize];
        file.Read(entry.DataOffset, compressed);
        return compressed;
    }

    private void RequireChecksum(ZipEntry entry, uint found)
    {
        if (found != entry.Crc)
        {
            throw Fault(entry, "its bytes do not match their checksum");
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

    private CheckpointFormatException Damaged(ZipEntry entry, Exception cause) => new(
        file.Path,
        $"zip entry {CheckpointFormatException.Quote(entry.Name)}: its compressed bytes are damaged or give fewer than {entry.Size} bytes",
        innerException: cause);

    private CheckpointFormatException Fault(ZipEntry entry, string fault) =>
        new(file.Path, $"zip entry {CheckpointFormatException.Quote(entry.Name)}: {fault}");
}
