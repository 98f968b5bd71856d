using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>
/// Writes a pickle instruction by instruction. Every value may be written in each of the ways that Python has for it, may be remembered in
/// the memo, also over an older value, and may be recalled from there instead of being written again.
/// </summary>
internal sealed class PickleBuilder(SeededRandom random)
{
    private const int MemoSlots = 24;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly List<byte> _bytes = [];
    private readonly Dictionary<uint, string> _memo = [];

    /// <summary>One time in so many something harmless is put between two values; 0 for never.</summary>
    public int NoiseRate { get; init; }

    /// <summary>The pickle so far.</summary>
    public byte[] Content => [.. _bytes];

    /// <summary>Bytes so far.</summary>
    public int Length => _bytes.Count;

    /// <summary>Writes instructions as they are: one character is one byte.</summary>
    public PickleBuilder Op(string instructions)
    {
        _bytes.AddRange(Encoding.Latin1.GetBytes(instructions));
        return this;
    }

    /// <summary>Writes bytes as they are.</summary>
    public PickleBuilder Op(ReadOnlySpan<byte> instructions)
    {
        _bytes.AddRange(instructions);
        return this;
    }

    /// <summary>Pushes a text.</summary>
    public PickleBuilder Text(string text) => Value($"text {text}", () =>
    {
        byte[] utf8 = Utf8.GetBytes(text);
        _ = random.NextInt(4) switch
        {
            0 when utf8.Length < 256 => Op([0x8c, (byte)utf8.Length]),
            1 => Op([0x8d]).Op(BitConverter.GetBytes((ulong)utf8.Length)),
            2 when utf8.Length < 256 => Op([(byte)'U', (byte)utf8.Length]),
            _ => Op("X").Op(BitConverter.GetBytes(utf8.Length)),
        };
        Op(utf8);
    });

    /// <summary>Pushes an integer.</summary>
    public PickleBuilder Int(BigInteger value)
    {
        int width = value < 0 || value > int.MaxValue ? 3 : value > ushort.MaxValue ? 2 : value > byte.MaxValue ? 1 : 0;
        switch (Math.Max(width, random.NextInt(4)))
        {
            case 0: Op([(byte)'K', (byte)value]); break;
            case 1: Op("M").Op(BitConverter.GetBytes((ushort)value)); break;
            case 2: Op("J").Op(BitConverter.GetBytes((int)value)); break;
            default:
                byte[] bytes = value.ToByteArray();
                Op([0x8a, (byte)bytes.Length]).Op(bytes);
                break;
        }

        return this;
    }

    /// <summary>Pushes a float.</summary>
    public PickleBuilder Float(double value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        return Op("G").Op(bytes);
    }

    /// <summary>Pushes a name of Python.</summary>
    public PickleBuilder Global(string module, string name) => Value($"global {module} {name}", () =>
    {
        if (random.NextInt(3) == 0)
        {
            Text(module).Text(name).Op("\u0093");
        }
        else
        {
            Op("c").Op(Utf8.GetBytes($"{module}\n{name}\n"));
        }
    });

    /// <summary>Pushes a tuple of what <paramref name="items"/> push.</summary>
    public PickleBuilder Tuple(params Action[] items)
    {
        bool isShort = items.Length <= 3 && random.NextInt(2) == 0;
        Op(isShort ? "" : "(");
        foreach (Action item in items)
        {
            item();
        }

        return Op(isShort ? (items.Length == 0 ? ")" : ((char)(0x84 + items.Length)).ToString()) : "t");
    }

    /// <summary>Pushes a tuple of integers.</summary>
    public PickleBuilder Sizes(IEnumerable<BigInteger> sizes) => Tuple([.. sizes.Select(size => (Action)(() => Int(size)))]);

    /// <summary>Pushes a value that is the same whenever it has the same key, and may therefore come from the memo.</summary>
    public PickleBuilder Value(string key, Action write)
    {
        Noise();
        uint[] places = random.NextInt(2) == 0 ? [] : [.. _memo.Where(place => place.Value == key).Select(place => place.Key)];
        if (places.Length > 0)
        {
            return Recall(places[random.NextInt(places.Length)]);
        }

        write();
        return random.NextInt(3) == 0 ? Remember(key) : this;
    }

    /// <summary>Recalls a value by its place.</summary>
    public PickleBuilder Recall(uint place) => place <= byte.MaxValue && random.NextInt(2) == 0
        ? Op([(byte)'h', (byte)place])
        : Op("j").Op(BitConverter.GetBytes(place));

    /// <summary>Remembers the value on top, perhaps in the place of another.</summary>
    public PickleBuilder Remember(string key)
    {
        uint place = (uint)random.NextInt(MemoSlots) * (random.NextInt(8) == 0 ? 100_000_007u : 1u);
        switch (random.NextInt(3))
        {
            case 0 when place <= byte.MaxValue: Op([(byte)'q', (byte)place]); break;
            case 1: Op("\u0094"); place = (uint)_memo.Count; break;
            default: Op("r").Op(BitConverter.GetBytes(place)); break;
        }

        _memo[place] = key;
        return this;
    }

    private void Noise()
    {
        if (NoiseRate > 0 && random.NextInt(NoiseRate) == 0)
        {
            _ = random.NextInt(6) switch
            {
                0 => Op("N0"),
                1 => Op("(1"),
                2 => Op("(N]}1"),
                3 => Op("\u0095").Op(BitConverter.GetBytes(random.NextBits())),
                4 => Op([0x80, (byte)(2 + random.NextInt(4))]),
                _ => Op("}0"),
            };
        }
    }
}
