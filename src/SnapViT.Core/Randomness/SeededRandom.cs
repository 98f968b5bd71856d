using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace SnapViT.Core.Randomness;

/// <summary>
/// The project's own random generator, xoshiro256** (Blackman and Vigna, 2018) seeded by splitmix64. The same seed gives the same stream on
/// every platform and in every version.
/// </summary>
internal sealed class SeededRandom
{
    private readonly ulong[] _state = new ulong[4];
    private double? _spareNormal;

    /// <summary>Starts the stream of a seed.</summary>
    public SeededRandom(ulong seed)
    {
        for (int i = 0; i < _state.Length; i++)
        {
            _state[i] = SplitMix64(ref seed);
        }
    }

    /// <summary>Starts a stream of its own for one purpose, so that what one part draws never shifts what another sees.</summary>
    /// <param name="seed">The seed of the whole run.</param>
    /// <param name="purpose">What the stream is for, such as <c>crops/photo.jpg</c>.</param>
    internal static SeededRandom ForPurpose(ulong seed, string purpose)
    {
        byte[] text = Encoding.UTF8.GetBytes($"{seed}/{purpose}");
        return new SeededRandom(System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(text)));
    }

    /// <summary>64 uniform bits.</summary>
    public ulong NextBits()
    {
        ulong result = BitOperations.RotateLeft(_state[1] * 5, 7) * 9;
        ulong shifted = _state[1] << 17;
        _state[2] ^= _state[0];
        _state[3] ^= _state[1];
        _state[1] ^= _state[2];
        _state[0] ^= _state[3];
        _state[2] ^= shifted;
        _state[3] = BitOperations.RotateLeft(_state[3], 45);
        return result;
    }

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in 0..<paramref name="exclusiveMax"/>-1, without bias.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The maximum is not positive.</exception>
    public int NextInt(int exclusiveMax)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exclusiveMax);
        ulong range = (ulong)exclusiveMax;
        ulong limit = ulong.MaxValue - (ulong.MaxValue % range);
        ulong bits;
        do
        {
            bits = NextBits();
        }
        while (bits >= limit);
        return (int)(bits % range);
    }

    /// <summary>Standard normal, by Marsaglia's polar method.</summary>
    public double NextNormal()
    {
        if (_spareNormal is double spare)
        {
            _spareNormal = null;
            return spare;
        }

        double x, y, square;
        do
        {
            x = (2 * NextDouble()) - 1;
            y = (2 * NextDouble()) - 1;
            square = (x * x) + (y * y);
        }
        while (square >= 1 || square == 0);
        double factor = Math.Sqrt(-2 * Math.Log(square) / square);
        _spareNormal = y * factor;
        return x * factor;
    }

    /// <summary>Shuffles in place (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int other = NextInt(i + 1);
            (items[i], items[other]) = (items[other], items[i]);
        }
    }

    private static ulong SplitMix64(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
