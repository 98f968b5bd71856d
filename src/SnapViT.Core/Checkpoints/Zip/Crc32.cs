namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>The checksum of zip files: CRC-32 with the reflected polynomial 0xEDB88320, initial value and final complement of all ones.</summary>
internal sealed class Crc32
{
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(value => Enumerable.Range(0, 8).Aggregate((uint)value, (crc, _) => (crc >> 1) ^ ((crc & 1) * 0xEDB88320u)))];

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
        foreach (byte value in bytes)
        {
            state = (state >> 8) ^ Table[(byte)(state ^ value)];
        }

        _state = state;
    }
}
