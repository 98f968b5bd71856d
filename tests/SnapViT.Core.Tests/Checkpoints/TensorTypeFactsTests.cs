using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class TensorTypeFactsTests
{
    [Fact]
    public void Every_type_is_found_by_its_own_name()
    {
        foreach (TensorType type in Enum.GetValues<TensorType>())
        {
            Assert.True(TensorTypeFacts.TryParseSafetensorsName(type.SafetensorsName(), out TensorType found));
            Assert.Equal(type, found);
        }
    }

    [Theory]
    [InlineData(nameof(TensorType.Float64), 64)]
    [InlineData(nameof(TensorType.BFloat16), 16)]
    [InlineData(nameof(TensorType.Bool), 8)]
    [InlineData(nameof(TensorType.Complex64), 64)]
    [InlineData(nameof(TensorType.Float8E8M0), 8)]
    [InlineData(nameof(TensorType.Float6E2M3), 6)]
    [InlineData(nameof(TensorType.Float4), 4)]
    public void Sizes_are_those_of_the_formats(string type, int bits) => Assert.Equal(bits, Enum.Parse<TensorType>(type).BitsPerElement());

    [Fact]
    public void An_unknown_name_is_no_type() => Assert.False(TensorTypeFacts.TryParseSafetensorsName("f32", out _));
}
