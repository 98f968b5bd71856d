using System.Buffers.Binary;

namespace SnapViT.Data.Sources;

/// <summary>Reads bits of compressed bytes, the lowest first, from any bit on.</summary>
internal sealed class BitSource(SourceBytes source)
{
    private const int Chunk = 1 << 16;

    private readonly byte[] _chunk = new byte[Chunk];
    private long _chunkAt;
    private int _at;
    private int _end;
    private ulong _bits;
    private int _count;
    private int _beyond;

    /// <summary>The bit that is read next, from the begin of the source.</summary>
    public long Position => ((_chunkAt + _at + _beyond) * 8) - _count;

    /// <summary>Goes on from a bit.</summary>
    public void Seek(long bit)
    {
        (_chunkAt, _at, _end, _bits, _count, _beyond) = (bit / 8, 0, 0, 0, 0, 0);
        Take((int)(bit % 8));
    }

    /// <summary>The next bits, which stay; zeros stand for what is behind the end.</summary>
    /// <exception cref="EndOfStreamException">All of them are behind the end.</exception>
    public uint Peek(int bits)
    {
        if (_count < bits)
        {
            Refill();
        }

        return (uint)(_bits & ((1UL << bits) - 1));
    }

    /// <summary>Drops bits that were peeked at.</summary>
    public void Drop(int bits)
    {
        _bits >>= bits;
        _count -= bits;
    }

    /// <summary>The next bits, 0 to 32.</summary>
    public uint Take(int bits)
    {
        uint value = Peek(bits);
        Drop(bits);
        return value;
    }

    /// <summary>Goes to the next whole byte.</summary>
    public void Align() => Drop(_count % 8);

    /// <summary>Whole bytes from here on, after <see cref="Align"/>; fewer only at the end.</summary>
    public int Read(Span<byte> destination)
    {
        int all = 0;
        for (; _count >= 8 * (_beyond + 1) && all < destination.Length; all++)
        {
            destination[all] = (byte)Take(8);
        }

        while (all < destination.Length && Fill())
        {
            int count = Math.Min(_end - _at, destination.Length - all);
            _chunk.AsSpan(_at, count).CopyTo(destination[all..]);
            (_at, all) = (_at + count, all + count);
        }

        return all;
    }

    private void Refill()
    {
        if (_end - _at >= sizeof(ulong))
        {
            _bits |= BinaryPrimitives.ReadUInt64LittleEndian(_chunk.AsSpan(_at)) << _count;
            int taken = (63 - _count) / 8;
            (_at, _count) = (_at + taken, _count + (taken * 8));
            _bits &= (1UL << _count) - 1;
            return;
        }

        for (; _count <= 56; _count += 8)
        {
            if (Fill())
            {
                _bits |= (ulong)_chunk[_at++] << _count;
            }
            else if (++_beyond > sizeof(ulong))
            {
                throw new EndOfStreamException("the compressed bytes are cut short");
            }
        }
    }

    /// <summary>Whether there are more bytes.</summary>
    private bool Fill()
    {
        if (_at < _end)
        {
            return true;
        }

        _chunkAt += _end;
        (_at, _end) = (0, source.Read(_chunkAt, _chunk));
        return _end > 0;
    }
}
