using System.Buffers.Binary;

namespace SnapViT.Data.Sources;

/// <summary>A place in compressed bytes from which reading can go on.</summary>
/// <param name="Output">The byte of the content that comes next.</param>
/// <param name="Block">The bit at which the current block begins; -1 before the first block of a stream.</param>
/// <param name="Bit">The bit that comes next.</param>
/// <param name="Left">Bytes of a stored block that are left.</param>
/// <param name="Window">The last bytes of the content before it, at most 32 KiB.</param>
internal sealed record InflationPlace(long Output, long Block, long Bit, int Left, ReadOnlyMemory<byte> Window);

/// <summary>
/// Reads deflate (RFC 1951), alone or in the members of a gzip file (RFC 1952), from the begin or from a place that was noted before.
/// </summary>
/// <remarks>
/// Own code, for .NET's streams cannot go on from the middle: an image at the end of a compressed archive would cost all that is before it.
/// </remarks>
internal sealed class Inflater
{
    /// <summary>How far back copies reach.</summary>
    public const int Window = 1 << 15;

    private const int LongestCopy = 258;
    private const int EndOfBlock = 256;
    private const int LongestName = 1 << 16;

    private static readonly byte[] Order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    private static readonly ushort[] LengthBase =
        [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
    private static readonly byte[] LengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    private static readonly ushort[] DistanceBase =
    [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289,
        16385, 24577,
    ];
    private static readonly byte[] FixedLengths =
    [
        .. Enumerable.Repeat((byte)8, 144), .. Enumerable.Repeat((byte)9, 112), .. Enumerable.Repeat((byte)7, 24),
        .. Enumerable.Repeat((byte)8, 8),
    ];
    private static readonly byte[] FixedDistances = [.. Enumerable.Repeat((byte)5, 30)];

    private readonly BitSource _bits;
    private readonly bool _isGzip;
    private readonly HuffmanTable _literals = new();
    private readonly HuffmanTable _distances = new();
    private readonly byte[] _buffer;
    private long _output;
    private long _block;
    private int _first;
    private int _at;
    private int _left;
    private bool _isFinal;
    private bool _isStored;

    /// <summary>Begins, or goes on from a place.</summary>
    /// <param name="source">The compressed bytes.</param>
    /// <param name="isGzip">Whether they are members of a gzip file; else one stream of deflate.</param>
    /// <param name="place">Where; null for the begin.</param>
    /// <param name="most">About how many bytes of content are wanted at a time.</param>
    public Inflater(SourceBytes source, bool isGzip, InflationPlace? place, int most)
    {
        (_bits, _isGzip, _buffer) = (new BitSource(source), isGzip, new byte[Window + most + LongestCopy]);
        place ??= new InflationPlace(0, -1, 0, 0, ReadOnlyMemory<byte>.Empty);
        (_output, _block, _at, _first) = (place.Output, place.Block, Window, Window - place.Window.Length);
        place.Window.CopyTo(_buffer.AsMemory(_first));
        if (place.Block >= 0)
        {
            _bits.Seek(place.Block);
            ReadHeader();
            _left = place.Left;
        }

        _bits.Seek(place.Bit);
    }

    /// <summary>Told the CRC-32 and the length modulo 2^32 that a member of a gzip file ends with; null for nobody.</summary>
    public Action<uint, uint>? MemberEnds { get; init; }

    /// <summary>Told content as it is made; null for nobody.</summary>
    public Action<ReadOnlyMemory<byte>>? Made { get; init; }

    /// <summary>Whether all was read.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>The content that is made next: so many bytes or a few more; fewer only at the end.</summary>
    /// <exception cref="InvalidDataException">The bytes are damaged.</exception>
    /// <exception cref="EndOfStreamException">They are cut short.</exception>
    public ReadOnlyMemory<byte> Next(int count)
    {
        int begin = _at;
        if (_at > Window)
        {
            int kept = Math.Min(Window, _at - _first);
            _buffer.AsSpan(_at - kept, kept).CopyTo(_buffer.AsSpan(Window - kept));
            (_first, _at, begin) = (Window - kept, Window, Window);
        }

        int told = begin;
        while (_at - begin < count && !IsAtEnd)
        {
            if (_block < 0)
            {
                BeginStream();
            }
            else if (_isStored)
            {
                Copy(begin + count);
            }
            else if (ReadCodes(begin + count))
            {
                EndBlock();
            }

            if (_block < 0)
            {
                Made?.Invoke(_buffer.AsMemory(told, _at - told));
                told = _at;
                EndStream();
            }
        }

        Made?.Invoke(_buffer.AsMemory(told, _at - told));
        _output += _at - begin;
        return _buffer.AsMemory(begin, _at - begin);
    }

    /// <summary>Where reading stands, after <see cref="Next"/>.</summary>
    public InflationPlace Place()
    {
        int kept = Math.Min(Window, _at - _first);
        return new InflationPlace(_output, _block, _bits.Position, _left, _buffer.AsSpan(_at - kept, kept).ToArray());
    }

    /// <summary>The first block of a stream: of a gzip file after the header of the member, which may be missing at the end.</summary>
    private void BeginStream()
    {
        if (_isGzip && !ReadMemberHeader())
        {
            IsAtEnd = true;
            return;
        }

        _first = _at;
        ReadHeader();
    }

    private void EndBlock()
    {
        if (_isFinal)
        {
            _block = -1;
        }
        else
        {
            ReadHeader();
        }
    }

    private void EndStream()
    {
        if (IsAtEnd)
        {
            return;
        }

        if (!_isGzip)
        {
            IsAtEnd = true;
            return;
        }

        _bits.Align();
        Span<byte> end = stackalloc byte[8];
        if (_bits.Read(end) < end.Length)
        {
            throw new EndOfStreamException("the compressed bytes are cut short");
        }

        MemberEnds?.Invoke(BinaryPrimitives.ReadUInt32LittleEndian(end), BinaryPrimitives.ReadUInt32LittleEndian(end[4..]));
    }

    /// <summary>Whether there is another member; zeros behind the last one are padding.</summary>
    private bool ReadMemberHeader()
    {
        const int hasName = 8, hasComment = 16, hasExtra = 4, hasCheck = 2;
        bool isFirst = _bits.Position == 0;
        byte[] start = new byte[10];
        int read = _bits.Read(start);
        if (!isFirst && start.AsSpan(0, read).IndexOfAnyExcept((byte)0) < 0)
        {
            return false;
        }

        if (read < start.Length || start[0] != 0x1f || start[1] != 0x8b || start[2] != 8)
        {
            throw new InvalidDataException("expected a gzip file, found other bytes");
        }

        int extra = (start[3] & hasExtra) != 0 ? (int)_bits.Take(16) : 0;
        SkipBytes(extra + ((start[3] & hasCheck) != 0 && (start[3] & (hasName | hasComment)) == 0 ? 2 : 0));
        int texts = ((start[3] & hasName) != 0 ? 1 : 0) + ((start[3] & hasComment) != 0 ? 1 : 0);
        for (int length = 0; texts > 0; length++)
        {
            texts -= _bits.Take(8) == 0 ? 1 : 0;
            if (length > LongestName)
            {
                throw new InvalidDataException("expected the name in a gzip file to end");
            }
        }

        SkipBytes((start[3] & hasCheck) != 0 && (start[3] & (hasName | hasComment)) != 0 ? 2 : 0);
        return true;
    }

    private void SkipBytes(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _bits.Take(8);
        }
    }

    private void ReadHeader()
    {
        _block = _bits.Position;
        _isFinal = _bits.Take(1) == 1;
        uint kind = _bits.Take(2);
        _isStored = kind == 0;
        switch (kind)
        {
            case 0:
                _bits.Align();
                uint length = _bits.Take(16);
                if ((_bits.Take(16) ^ length) != ushort.MaxValue)
                {
                    throw new InvalidDataException("the compressed bytes are damaged: a length contradicts itself");
                }

                _left = (int)length;
                break;
            case 1:
                _literals.Build(FixedLengths);
                _distances.Build(FixedDistances);
                break;
            case 2:
                ReadTables();
                break;
            default:
                throw new InvalidDataException("the compressed bytes are damaged: no such kind of block");
        }
    }

    private void ReadTables()
    {
        int literals = (int)_bits.Take(5) + 257, distances = (int)_bits.Take(5) + 1, count = (int)_bits.Take(4) + 4;
        if (literals > 286 || distances > 30)
        {
            throw new InvalidDataException("the compressed bytes are damaged: too many codes");
        }

        Span<byte> lengths = stackalloc byte[286 + 30];
        for (int i = 0; i < count; i++)
        {
            lengths[Order[i]] = (byte)_bits.Take(3);
        }

        _literals.Build(lengths[..19]);
        lengths.Clear();
        for (int at = 0; at < literals + distances;)
        {
            int symbol = _literals.Read(_bits);
            if (symbol < 16)
            {
                lengths[at++] = (byte)symbol;
                continue;
            }

            int repeat = symbol == 16 ? 3 + (int)_bits.Take(2) : symbol == 17 ? 3 + (int)_bits.Take(3) : 11 + (int)_bits.Take(7);
            if (at + repeat > literals + distances || (symbol == 16 && at == 0))
            {
                throw new InvalidDataException("the compressed bytes are damaged: lengths without codes");
            }

            lengths.Slice(at, repeat).Fill(symbol == 16 ? lengths[at - 1] : (byte)0);
            at += repeat;
        }

        Span<byte> ofDistances = stackalloc byte[30];
        lengths.Slice(literals, distances).CopyTo(ofDistances);
        _literals.Build(lengths[..literals]);
        _distances.Build(ofDistances[..distances]);
    }

    private void Copy(int until)
    {
        int count = Math.Min(_left, Math.Max(0, until - _at));
        if (_bits.Read(_buffer.AsSpan(_at, count)) < count)
        {
            throw new EndOfStreamException("the compressed bytes are cut short");
        }

        (_at, _left) = (_at + count, _left - count);
        if (_left == 0)
        {
            EndBlock();
        }
    }

    /// <summary>Whether the block ended.</summary>
    private bool ReadCodes(int until)
    {
        byte[] buffer = _buffer;
        int at = _at;
        while (at < until)
        {
            int symbol = _literals.Read(_bits);
            if (symbol < EndOfBlock)
            {
                buffer[at++] = (byte)symbol;
                continue;
            }

            if (symbol == EndOfBlock)
            {
                _at = at;
                return true;
            }

            symbol -= EndOfBlock + 1;
            if (symbol >= LengthBase.Length)
            {
                throw new InvalidDataException("the compressed bytes are damaged: no such length");
            }

            int length = LengthBase[symbol] + (int)_bits.Take(LengthExtra[symbol]);
            int code = _distances.Read(_bits);
            int distance = DistanceBase[code] + (int)_bits.Take(code < 4 ? 0 : (code / 2) - 1);
            if (distance > at - _first)
            {
                throw new InvalidDataException("the compressed bytes are damaged: a copy from before the begin");
            }

            if (distance >= length)
            {
                buffer.AsSpan(at - distance, length).CopyTo(buffer.AsSpan(at));
            }
            else
            {
                for (int i = 0; i < length; i++)
                {
                    buffer[at + i] = buffer[at - distance + i];
                }
            }

            at += length;
        }

        _at = at;
        return false;
    }
}
