using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class TensorArchiveExtensionsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Little-endian bytes of every type and the numbers they stand for, from the definitions of the formats.</summary>
    public static TheoryData<TensorType, byte[], double> Elements => new()
    {
        { TensorType.Float64, [0, 0, 0, 0, 0, 0, 0xf8, 0xbf], -1.5 },
        { TensorType.Float32, [0, 0, 0xc0, 0xbf], -1.5 },
        { TensorType.Float16, [0x00, 0xbe], -1.5 },
        { TensorType.Float16, [0x01, 0x00], 5.9604644775390625e-8 },
        { TensorType.Float16, [0x00, 0x7c], double.PositiveInfinity },
        { TensorType.BFloat16, [0xc0, 0xbf], -1.5 },
        { TensorType.BFloat16, [0x80, 0x7f], double.PositiveInfinity },
        { TensorType.Int64, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -2 },
        { TensorType.Int32, [0xfe, 0xff, 0xff, 0xff], -2 },
        { TensorType.Int16, [0xfe, 0xff], -2 },
        { TensorType.Int8, [0xfe], -2 },
        { TensorType.UInt64, [0, 0, 0, 0, 0, 0, 0, 0x80], 9223372036854775808 },
        { TensorType.UInt32, [0xff, 0xff, 0xff, 0xff], 4294967295 },
        { TensorType.UInt16, [0xfe, 0xff], 65534 },
        { TensorType.UInt8, [0xfe], 254 },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Elements))]
    public void Every_number_type_is_read_as_doubles_and_floats(TensorType type, byte[] element, double value)
    {
        using SafetensorsReader reader = Archive(type, [.. element, .. element]);
        Assert.Equal([value, value], reader.ReadDoubles("x"));
        Assert.Equal([(float)value, (float)value], reader.ReadFloats("x"));
    }

    [Theory]
    [InlineData(TensorType.Int64)]
    [InlineData(TensorType.Int32)]
    [InlineData(TensorType.Int16)]
    [InlineData(TensorType.Int8)]
    public void Signed_integers_are_read_as_longs(TensorType type)
    {
        using SafetensorsReader reader = Archive(type, [.. Enumerable.Repeat((byte)0xff, type.BitsPerElement() / 8)]);
        Assert.Equal([-1], reader.ReadLongs("x"));
    }

    [Theory]
    [InlineData(TensorType.UInt32, uint.MaxValue)]
    [InlineData(TensorType.UInt16, ushort.MaxValue)]
    [InlineData(TensorType.UInt8, byte.MaxValue)]
    public void Unsigned_integers_are_read_as_longs(TensorType type, long value)
    {
        using SafetensorsReader reader = Archive(type, [.. Enumerable.Repeat((byte)0xff, type.BitsPerElement() / 8)]);
        Assert.Equal([value], reader.ReadLongs("x"));
    }

    [Fact]
    public void Booleans_are_zero_and_one_as_longs_and_no_floats()
    {
        using SafetensorsReader reader = Archive(TensorType.Bool, [0, 1, 1]);
        Assert.Equal([0, 1, 1], reader.ReadLongs("x"));
        Assert.Contains("Bool cannot be read as Double values", Assert.Throws<CheckpointFormatException>(() => reader.ReadDoubles("x")).Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointFormatException>(() => reader.ReadFloats("x"));
    }

    [Theory]
    [InlineData(TensorType.Float32)]
    [InlineData(TensorType.BFloat16)]
    [InlineData(TensorType.UInt64)]
    [InlineData(TensorType.Complex64)]
    public void What_is_no_signed_integer_is_not_read_as_longs(TensorType type)
    {
        using SafetensorsReader reader = Archive(type, new byte[8]);
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => reader.ReadLongs("x"));
        Assert.Equal("x", exception.Tensor);
        Assert.Contains($"{type} cannot be read as Int64 values", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_name_is_refused()
    {
        using SafetensorsReader reader = Archive(TensorType.UInt8, [1]);
        Assert.Throws<KeyNotFoundException>(() => reader.ReadDoubles("y"));
    }

    private SafetensorsReader Archive(TensorType type, byte[] bytes)
    {
        long count = bytes.Length * 8 / type.BitsPerElement();
        SafetensorsWriter.Write(_folder.File("a"), [new TensorToWrite("x", type, [count], stream => stream.Write(bytes))]);
        return SafetensorsReader.Open(_folder.File("a"));
    }
}
