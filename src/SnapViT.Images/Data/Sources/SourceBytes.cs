namespace SnapViT.Data.Sources;

/// <summary>Bytes that are read at any position, from any thread: of a file, of a part of one, or of what a compressed one gives.</summary>
internal abstract class SourceBytes
{
    /// <summary>How many bytes there are. May have to look at all of them where they are compressed.</summary>
    public abstract long Length { get; }

    /// <summary>Reads the bytes from a position on: as many as fit, fewer only at the end.</summary>
    /// <returns>How many were read.</returns>
    /// <exception cref="IOException">They cannot be read.</exception>
    /// <exception cref="ImageException">Compressed bytes are damaged.</exception>
    public abstract int Read(long position, Span<byte> destination);

    /// <summary>A stream over the bytes, which the caller disposes.</summary>
    public virtual Stream Open() => new SourceStream(this);

    /// <summary>Reads bytes that must be there.</summary>
    /// <exception cref="EndOfStreamException">They end before.</exception>
    public void ReadExactly(long position, Span<byte> destination)
    {
        int read = Read(position, destination);
        if (read < destination.Length)
        {
            throw new EndOfStreamException($"expected {destination.Length} bytes at byte {position}, found {read}: cut short");
        }
    }

    /// <summary>All bytes, where there are not too many.</summary>
    /// <exception cref="InvalidDataException">There are more.</exception>
    public byte[] ReadAll(int most)
    {
        byte[] bytes = Length <= most
            ? new byte[Length]
            : throw new InvalidDataException($"expected a file of at most {most} bytes, found {Length}");
        ReadExactly(0, bytes);
        return bytes;
    }

    /// <summary>The first bytes, at most so many.</summary>
    public byte[] Start(int most)
    {
        byte[] bytes = new byte[most];
        return bytes[..Read(0, bytes)];
    }
}

/// <summary>A file. It is opened when it is read: nothing stays open between two images.</summary>
internal sealed class FileBytes(string path) : SourceBytes
{
    /// <summary>The file.</summary>
    public string Path => path;

    /// <inheritdoc/>
    public override long Length => new FileInfo(path).Length;

    /// <inheritdoc/>
    public override int Read(long position, Span<byte> destination)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle handle = File.OpenHandle(path, options: FileOptions.RandomAccess);
        int all = 0;
        for (int read = 1; read > 0 && all < destination.Length; all += read)
        {
            read = RandomAccess.Read(handle, destination[all..], position + all);
        }

        return all;
    }

    /// <inheritdoc/>
    public override Stream Open() => File.OpenRead(path);
}

/// <summary>A part of other bytes, such as an entry of an archive that is not compressed.</summary>
internal sealed class SlicedBytes(SourceBytes source, long begin, long length) : SourceBytes
{
    /// <inheritdoc/>
    public override long Length => length;

    /// <inheritdoc/>
    public override int Read(long position, Span<byte> destination) =>
        position >= length ? 0 : source.Read(begin + position, destination[..(int)Math.Min(destination.Length, length - position)]);
}

/// <summary>Bytes in memory.</summary>
internal sealed class MemoryBytes(ReadOnlyMemory<byte> bytes) : SourceBytes
{
    /// <inheritdoc/>
    public override long Length => bytes.Length;

    /// <inheritdoc/>
    public override int Read(long position, Span<byte> destination)
    {
        ReadOnlySpan<byte> there = position < bytes.Length ? bytes.Span[(int)position..] : [];
        int count = Math.Min(there.Length, destination.Length);
        there[..count].CopyTo(destination);
        return count;
    }
}

/// <summary>A stream over bytes.</summary>
internal sealed class SourceStream(SourceBytes bytes) : Stream
{
    private readonly long _length = bytes.Length;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => _length;

    /// <inheritdoc/>
    public override long Position { get; set; }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int read = bytes.Read(Position, buffer);
        Position += read;
        return read;
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => Position + offset,
        _ => _length + offset,
    };

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
