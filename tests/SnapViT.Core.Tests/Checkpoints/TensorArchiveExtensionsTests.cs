using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class TensorArchiveExtensionsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Little-endian bytes of every type and the numbers they stand for, from the definitions of the formats.</summary>
    public static TheoryData<string, byte[], double> Elements => new()
    {
        { nameof(TensorType.Float64), [0, 0, 0, 0, 0, 0, 0xf8, 0xbf], -1.5 },
        { nameof(TensorType.Float32), [0, 0, 0xc0, 0xbf], -1.5 },
        { nameof(TensorType.Float16), [0x00, 0xbe], -1.5 },
        { nameof(TensorType.Float16), [0x01, 0x00], 5.9604644775390625e-8 },
        { nameof(TensorType.Float16), [0x00, 0x7c], double.PositiveInfinity },
        { nameof(TensorType.BFloat16), [0xc0, 0xbf], -1.5 },
        { nameof(TensorType.BFloat16), [0x80, 0x7f], double.PositiveInfinity },
        { nameof(TensorType.Int64), [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -2 },
        { nameof(TensorType.Int32), [0xfe, 0xff, 0xff, 0xff], -2 },
        { nameof(TensorType.Int16), [0xfe, 0xff], -2 },
        { nameof(TensorType.Int8), [0xfe], -2 },
        { nameof(TensorType.UInt64), [0, 0, 0, 0, 0, 0, 0, 0x80], 9223372036854775808 },
        { nameof(TensorType.UInt32), [0xff, 0xff, 0xff, 0xff], 4294967295 },
        { nameof(TensorType.UInt16), [0xfe, 0xff], 65534 },
        { nameof(TensorType.UInt8), [0xfe], 254 },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Elements))]
    public void Every_number_type_is_read_as_doubles_and_floats(string type, byte[] element, double value)
    {
        using SafetensorsReader reader = Archive(type, [.. element, .. element]);
        Assert.Equal([value, value], reader.ReadDoubles("x"));
        Assert.Equal([(float)value, (float)value], reader.ReadFloats("x"));
    }

    [Theory]
    [InlineData(nameof(TensorType.Int64))]
    [InlineData(nameof(TensorType.Int32))]
    [InlineData(nameof(TensorType.Int16))]
    [InlineData(nameof(TensorType.Int8))]
    public void Signed_integers_are_read_as_longs(string type)
    {
        using SafetensorsReader reader = Archive(type, [.. Enumerable.Repeat((byte)0xff, Size(type))]);
        Assert.Equal([-1], reader.ReadLongs("x"));
    }

    [Theory]
    [InlineData(nameof(TensorType.UInt32), uint.MaxValue)]
    [InlineData(nameof(TensorType.UInt16), ushort.MaxValue)]
    [InlineData(nameof(TensorType.UInt8), byte.MaxValue)]
    public void Unsigned_integers_are_read_as_longs(string type, long value)
    {
        using SafetensorsReader reader = Archive(type, [.. Enumerable.Repeat((byte)0xff, Size(type))]);
        Assert.Equal([value], reader.ReadLongs("x"));
    }

    [Fact]
    public void Booleans_are_zero_and_one_as_longs_and_no_floats()
    {
        using SafetensorsReader reader = Archive(nameof(TensorType.Bool), [0, 1, 1]);
        Assert.Equal([0, 1, 1], reader.ReadLongs("x"));
        Assert.Contains("Bool cannot be read as Double values", Assert.Throws<CheckpointFormatException>(() => reader.ReadDoubles("x")).Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointFormatException>(() => reader.ReadFloats("x"));
    }

    [Theory]
    [InlineData(nameof(TensorType.Float32))]
    [InlineData(nameof(TensorType.BFloat16))]
    [InlineData(nameof(TensorType.UInt64))]
    [InlineData(nameof(TensorType.Complex64))]
    public void What_is_no_signed_integer_is_not_read_as_longs(string type)
    {
        using SafetensorsReader reader = Archive(type, new byte[8]);
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => reader.ReadLongs("x"));
        Assert.Equal("x", exception.Tensor);
        Assert.Contains($"{type} cannot be read as Int64 values", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_name_is_refused()
    {
        using SafetensorsReader reader = Archive(nameof(TensorType.UInt8), [1]);
        Assert.Throws<KeyNotFoundException>(() => reader.ReadDoubles("y"));
    }

    private static int Size(string type) => Enum.Parse<TensorType>(type).BitsPerElement() / 8;

    private SafetensorsReader Archive(string type, byte[] bytes)
    {
        long count = bytes.Length / Size(type);
        SafetensorsWriter.Write(_folder.File("a"), [new TensorToWrite("x", Enum.Parse<TensorType>(type), [count], stream => stream.Write(bytes))]);
        return SafetensorsReader.Open(_folder.File("a"));
    }
}
