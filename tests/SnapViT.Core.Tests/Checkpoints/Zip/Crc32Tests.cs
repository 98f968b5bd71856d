using CsCheck;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Tests.Checkpoints.Zip;

public sealed class Crc32Tests
{
    // The check value every catalogue of CRCs gives for CRC-32/ISO-HDLC.
    [Fact]
    public void The_check_value_is_met() => Assert.Equal(0xCBF43926u, Crc32.Of("123456789"u8));

    [Fact]
    public void No_bytes_have_the_checksum_zero() => Assert.Equal(0u, Crc32.Of([]));

    [Fact]
    public void Pieces_sum_up_to_the_whole()
    {
        Crc32 crc = new();
        crc.Append("1234"u8);
        crc.Append("56789"u8);
        Assert.Equal(0xCBF43926u, crc.Value);
    }

    [Fact]
    public void Any_bytes_have_the_checksum_of_the_plain_definition() => Gen.Byte.Array[0, 70].Sample(bytes =>
    {
        uint plain = uint.MaxValue;
        foreach (byte value in bytes)
        {
            plain ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                plain = (plain & 1) == 1 ? (plain >> 1) ^ 0xEDB88320u : plain >> 1;
            }
        }

        Assert.Equal(~plain, Crc32.Of(bytes));
    });
}
