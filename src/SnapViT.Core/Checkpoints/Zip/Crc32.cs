using System.Buffers.Binary;

namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>
/// The checksum of zip files: CRC-32 with the reflected polynomial 0xEDB88320, initial value and final complement of all ones.
/// </summary>
internal sealed class Crc32
{
    /// <summary>
    /// Eight tables of 256: what a byte becomes after itself and 0 to 7 more bytes, so that eight bytes are summed at a time.
    /// </summary>
    private static readonly uint[] Tables = MakeTables();

    private uint _state = uint.MaxValue;

    /// <summary>The checksum of everything appended so far.</summary>
    public uint Value => ~_state;

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        Crc32 crc = new();
        crc.Append(bytes);
        return crc.Value;
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        uint state = _state;
        ReadOnlySpan<uint> table = Tables;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            ulong next = BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ state;
            state = table[0x700 + (byte)next] ^ table[0x600 + (byte)(next >> 8)]
                ^ table[0x500 + (byte)(next >> 16)] ^ table[0x400 + (byte)(next >> 24)]
                ^ table[0x300 + (byte)(next >> 32)] ^ table[0x200 + (byte)(next >> 40)]
                ^ table[0x100 + (byte)(next >> 48)] ^ table[(byte)(next >> 56)];
        }

        foreach (byte value in bytes)
        {
            state = (state >> 8) ^ table[(byte)(state ^ value)];
        }

        _state = state;
    }

    private static uint[] MakeTables()
    {
        uint[] tables = new uint[8 * 256];
        for (int i = 0; i < tables.Length; i++)
        {
            tables[i] = i < 256
                ? Enumerable.Range(0, 8).Aggregate((uint)i, (crc, _) => (crc >> 1) ^ ((crc & 1) * 0xEDB88320u))
                : (tables[i - 256] >> 8) ^ tables[(byte)tables[i - 256]];
        }

        return tables;
    }
}
