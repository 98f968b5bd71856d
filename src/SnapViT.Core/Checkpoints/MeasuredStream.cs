using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints;

/// <summary>Lets exactly as many bytes through as a tensor has, and sums them up where a checksum is asked for.</summary>
internal sealed class MeasuredStream : Stream
{
    private readonly Stream _inner;
    private readonly TensorEntry _tensor;
    private readonly Crc32? _checksum;
    private long _written;

    private MeasuredStream(Stream inner, TensorEntry tensor, Crc32? checksum) => (_inner, _tensor, _checksum) = (inner, tensor, checksum);

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _written;

    public override long Position
    {
        get => _written;
        set => throw new NotSupportedException();
    }

    /// <summary>Writes one tensor.</summary>
    /// <exception cref="ArgumentException">Its callback wrote too many or too few bytes.</exception>
    public static void WriteTensor(Stream target, TensorToWrite tensor, Crc32? checksum = null)
    {
        using MeasuredStream measured = new(target, tensor.Entry, checksum);
        tensor.Write(measured);
        if (measured._written != tensor.Entry.ByteLength)
        {
            throw WrongLength(tensor.Entry, $"{measured._written}");
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (buffer.Length > _tensor.ByteLength - _written)
        {
            throw WrongLength(_tensor, "more");
        }

        _inner.Write(buffer);
        _checksum?.Append(buffer);
        _written += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() => _inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static ArgumentException WrongLength(TensorEntry tensor, string found) =>
        new($"tensor {tensor}: expected to write {tensor.ByteLength} bytes, found {found}");
}
