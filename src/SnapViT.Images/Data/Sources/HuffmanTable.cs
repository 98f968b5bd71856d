namespace SnapViT.Data.Sources;

/// <summary>The codes of one alphabet of deflate (RFC 1951, 3.2.2): short ones are looked up, longer ones counted through.</summary>
internal sealed class HuffmanTable
{
    private const int Longest = 15;
    private const int LookedUp = 10;
    private const int LengthBits = 4;

    private readonly ushort[] _short = new ushort[1 << LookedUp];
    private readonly ushort[] _counts = new ushort[Longest + 1];
    private readonly ushort[] _symbols = new ushort[288];

    /// <summary>Makes the table of an alphabet from the lengths of its codes.</summary>
    /// <exception cref="InvalidDataException">More codes are used than there are.</exception>
    public void Build(ReadOnlySpan<byte> lengths)
    {
        Array.Clear(_counts);
        Array.Clear(_short);
        foreach (byte length in lengths)
        {
            _counts[length]++;
        }

        Span<int> next = stackalloc int[Longest + 2];
        Span<int> place = stackalloc int[Longest + 2];
        int left = 1;
        _counts[0] = 0;
        for (int length = 1; length <= Longest; length++)
        {
            left = (left << 1) - _counts[length];
            if (left < 0)
            {
                throw new InvalidDataException("the compressed bytes are damaged: codes overlap");
            }

            next[length + 1] = (next[length] + _counts[length]) << 1;
            place[length + 1] = place[length] + _counts[length];
        }

        for (int symbol = 0; symbol < lengths.Length; symbol++)
        {
            int length = lengths[symbol];
            if (length > 0)
            {
                _symbols[place[length]++] = (ushort)symbol;
                Look(next[length]++, length, symbol);
            }
        }
    }

    /// <summary>The next symbol.</summary>
    /// <exception cref="InvalidDataException">The next bits are no code.</exception>
    public int Read(BitSource bits)
    {
        uint ahead = bits.Peek(Longest);
        int found = _short[ahead & ((1 << LookedUp) - 1)];
        if (found != 0)
        {
            bits.Drop(found & ((1 << LengthBits) - 1));
            return found >> LengthBits;
        }

        int code = 0, first = 0, index = 0;
        for (int length = 1; length <= Longest; length++)
        {
            code |= (int)(ahead & 1);
            ahead >>= 1;
            int count = _counts[length];
            if (code - count < first)
            {
                bits.Drop(length);
                return _symbols[index + (code - first)];
            }

            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }

        throw new InvalidDataException("the compressed bytes are damaged: no such code");
    }

    private void Look(int code, int length, int symbol)
    {
        if (length > LookedUp)
        {
            return;
        }

        int reversed = 0;
        for (int bit = 0; bit < length; bit++)
        {
            reversed |= ((code >> bit) & 1) << (length - 1 - bit);
        }

        for (int at = reversed; at < _short.Length; at += 1 << length)
        {
            _short[at] = (ushort)((symbol << LengthBits) | length);
        }
    }
}
