using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Data.Sources;

/// <summary>
/// The content of compressed bytes, read at any position: places are noted while it is read the first time, and a part is made from the
/// place before it. At most 32 MiB of places and 32 MiB of content are kept, however large the file is.
/// </summary>
/// <param name="location">The file, for messages.</param>
/// <param name="compressed">The compressed bytes.</param>
/// <param name="isGzip">Whether they are a gzip file; else one stream of deflate.</param>
internal sealed class InflatedBytes(string location, SourceBytes compressed, bool isGzip) : SourceBytes
{
    private const int LeastStep = 1 << 20;
    private const int MostPlaces = 1024;
    private const long MostKept = 32 << 20;

    /// <summary>Content may grow to this many bytes, or to <see cref="MostGrowth"/> times the file.</summary>
    private const long AlwaysAllowed = 64 << 20;
    private const int MostGrowth = 100;

    private readonly object _lock = new();
    private readonly List<InflationPlace> _places = [new(0, -1, 0, 0, ReadOnlyMemory<byte>.Empty)];
    private readonly LinkedList<Part> _kept = [];
    private readonly Crc32Sum _sum = new();
    private Inflater? _ahead;
    private int _step = LeastStep;
    private long _keptBytes;
    private long? _length;

    /// <inheritdoc/>
    public override long Length
    {
        get
        {
            lock (_lock)
            {
                while (_length is null)
                {
                    Extend();
                }

                return _length.Value;
            }
        }
    }

    /// <inheritdoc/>
    public override int Read(long position, Span<byte> destination)
    {
        int all = 0;
        while (all < destination.Length && PartOf(position + all) is var (begin, content))
        {
            int from = (int)(position + all - begin);
            int count = Math.Min(content.Length - from, destination.Length - all);
            content.AsSpan(from, count).CopyTo(destination[all..]);
            all += count;
        }

        return all;
    }

    /// <summary>The part of the content that a byte is in; null behind the end.</summary>
    private (long Begin, byte[] Content)? PartOf(long position)
    {
        Part part;
        lock (_lock)
        {
            while (_length is null && position >= _places[^1].Output)
            {
                Extend();
            }

            if (position >= (_length ?? long.MaxValue))
            {
                return null;
            }

            part = Kept(position);
        }

        return (part.Begin, part.Content.Value);
    }

    /// <summary>The part that is kept, or that is made by who asks for it first, while others go on with theirs.</summary>
    private Part Kept(long position)
    {
        for (LinkedListNode<Part>? node = _kept.First; node is not null; node = node.Next)
        {
            if (position >= node.Value.Begin && position < node.Value.Begin + node.Value.Length)
            {
                _kept.Remove(node);
                _kept.AddFirst(node);
                return node.Value;
            }
        }

        int place = PlaceBefore(position);
        InflationPlace begin = _places[place];
        int length = (int)((place + 1 < _places.Count ? _places[place + 1].Output : _length!.Value) - begin.Output);
        return Keep(new Part(begin.Output, length, new Lazy<byte[]>(() => Make(begin, length))));
    }

    private Part Keep(Part part)
    {
        _kept.AddFirst(part);
        _keptBytes += part.Length;
        while (_keptBytes > MostKept && _kept.Count > 1)
        {
            _keptBytes -= _kept.Last!.Value.Length;
            _kept.RemoveLast();
        }

        return part;
    }

    private byte[] Make(InflationPlace begin, int count)
    {
        byte[] content = new byte[count];
        Inflater inflater = new(compressed, isGzip, begin, LeastStep);
        for (int at = 0; at < count;)
        {
            ReadOnlyMemory<byte> next = Told(() => inflater.Next(Math.Min(LeastStep, count - at)));
            if (next.IsEmpty)
            {
                throw new ImageException(location, "the compressed bytes changed while they were read");
            }

            int taken = Math.Min(next.Length, count - at);
            next.Span[..taken].CopyTo(content.AsSpan(at));
            at += taken;
        }

        return content;
    }

    private int PlaceBefore(long position)
    {
        int low = 0, high = _places.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = _places[middle].Output <= position ? (middle, high) : (low, middle - 1);
        }

        return low;
    }

    /// <summary>Reads on to the next place, and keeps what is before it.</summary>
    private void Extend()
    {
        _ahead ??= new Inflater(compressed, isGzip, null, LeastStep)
        {
            Made = content => _sum.Append(content.Span),
            MemberEnds = (crc, length) =>
            {
                if (!_sum.Ends(crc, length))
                {
                    throw new InvalidDataException("the compressed bytes are damaged: the content does not match its checksum");
                }
            },
        };
        long begin = _places[^1].Output;
        if (begin > Math.Max(AlwaysAllowed, compressed.Length * MostGrowth))
        {
            throw new ImageException(
                location, $"expected content of at most {MostGrowth} times its {compressed.Length} compressed bytes, found more");
        }

        long read = begin;
        using MemoryStream content = new();
        while (read - begin < _step && !_ahead.IsAtEnd)
        {
            ReadOnlyMemory<byte> next = Told(() => _ahead.Next(LeastStep));
            content.Write(next.Span);
            read += next.Length;
        }

        if (_ahead.IsAtEnd)
        {
            (_length, _ahead) = (read, null);
        }
        else
        {
            _places.Add(_ahead.Place());
        }

        byte[] made = content.ToArray();
        if (made.Length > 0)
        {
            Keep(new Part(begin, made.Length, new Lazy<byte[]>(made)));
        }

        Thin();
    }

    /// <summary>Every second place is enough where there are many.</summary>
    private void Thin()
    {
        if (_places.Count > MostPlaces)
        {
            InflationPlace[] fewer = [.. _places.Where((_, index) => index % 2 == 0)];
            _places.Clear();
            _places.AddRange(fewer);
            _step *= 2;
        }
    }

    private ReadOnlyMemory<byte> Told(Func<ReadOnlyMemory<byte>> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw new ImageException(location, exception.Message);
        }
    }

    /// <summary>A part of the content.</summary>
    private sealed record Part(long Begin, int Length, Lazy<byte[]> Content);

    /// <summary>The checksum and the length of a member, as they are made.</summary>
    private sealed class Crc32Sum
    {
        private Crc32 _crc = new();
        private uint _length;

        public void Append(ReadOnlySpan<byte> content)
        {
            _crc.Append(content);
            _length += (uint)content.Length;
        }

        public bool Ends(uint crc, uint length)
        {
            bool same = _crc.Value == crc && _length == length;
            (_crc, _length) = (new Crc32(), 0);
            return same;
        }
    }
}
