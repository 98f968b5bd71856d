using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class TensorEntryTests
{
    [Fact]
    public void Elements_and_bytes_follow_from_type_and_shape()
    {
        TensorEntry entry = new("w", TensorType.BFloat16, [4, 192]);
        Assert.Equal((768, 1536), (entry.ElementCount, entry.ByteLength));
        Assert.Equal("w BF16[4, 192]", entry.ToString());
    }

    [Fact]
    public void The_shape_cannot_be_changed_afterwards()
    {
        long[] shape = [2, 3];
        TensorEntry entry = new("w", TensorType.Int8, shape);
        shape[0] = 9;
        Assert.Equal([2, 3], entry.Shape);
        Assert.False(entry.Shape is long[]);
    }

    [Fact]
    public void Packed_types_count_in_bits() => Assert.Equal(3, new TensorEntry("w", TensorType.Float6E3M2, [4]).ByteLength);

    [Theory]
    [InlineData(-1L)]
    [InlineData(long.MinValue)]
    [InlineData(1L << 58)]
    [InlineData(long.MaxValue)]
    public void An_impossible_size_is_refused(long size) => Assert.Throws<ArgumentException>(() => new TensorEntry("w", TensorType.Int8, [size]));

    [Fact]
    public void Sizes_whose_product_overflows_are_refused() =>
        Assert.Throws<ArgumentException>(() => new TensorEntry("w", TensorType.Float32, [1L << 32, 1L << 32]));

    [Fact]
    public void A_fraction_of_a_byte_is_refused() => Assert.Throws<ArgumentException>(() => new TensorEntry("w", TensorType.Float4, [3]));
}
