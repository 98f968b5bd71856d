using System.Buffers.Binary;
using System.Text;
using CsCheck;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class SafetensorsWriterTests : IDisposable
{
    private static readonly Gen<TensorToWrite> AnyTensor =
        from type in Gen.Enum<TensorType>()
        from shape in Gen.Long[0, 4].Array[0, 4]
        let even = type.BitsPerElement() % 8 == 0 ? shape : [.. shape, 4]
        let length = (int)new TensorEntry("", type, even).ByteLength
        from bytes in Gen.Byte.Array[length]
        from name in Gen.String
        where name.EnumerateRunes().All(rune => rune.Value != 0xfffd)
        select new TensorToWrite(name, type, even, stream => stream.Write(bytes));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_back() => AnyTensor.List[0, 6].Select(Gen.Dictionary(Gen.String.AlphaNumeric, Gen.String.AlphaNumeric)[0, 4]).Sample((list, metadata) =>
    {
        TensorToWrite[] tensors = [.. list.DistinctBy(tensor => tensor.Entry.Name)];
        SafetensorsWriter.Write(_folder.File("a"), tensors, metadata);
        using SafetensorsReader reader = SafetensorsReader.Open(_folder.File("a"));
        Assert.Equal(metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal), reader.Metadata);
        Assert.Equal(tensors.Length, reader.Tensors.Count);
        foreach (TensorToWrite tensor in tensors)
        {
            Assert.Equal(tensor.Entry.ToString(), reader.Tensors[tensor.Entry.Name].ToString());
            Assert.Equal(Bytes(tensor), Bytes(reader, tensor.Entry.Name));
        }
    }, iter: 100, threads: 1);

    [Fact]
    public void The_bytes_are_those_of_the_format()
    {
        SafetensorsWriter.Write(_folder.File("a"), [TensorToWrite.From("x", new float[] { 1, -2 }, 2)], new Dictionary<string, string> { ["b"] = "2", ["a"] = "1" });
        string header = """{"__metadata__":{"a":"1","b":"2"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";
        string padded = header.PadRight((header.Length + 7) / 8 * 8);
        byte[] file = File.ReadAllBytes(_folder.File("a"));
        Assert.Equal((ulong)padded.Length, BinaryPrimitives.ReadUInt64LittleEndian(file));
        Assert.Equal(padded, Encoding.UTF8.GetString(file, 8, padded.Length));
        Assert.Equal([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], file[(8 + padded.Length)..]);
    }

    [Fact]
    public void The_same_input_gives_the_same_bytes_whatever_the_order_of_the_metadata()
    {
        TensorToWrite[] tensors = [TensorToWrite.From("x", new double[] { 1, 2 }, 1, 2), TensorToWrite.From("y", new long[] { 3 })];
        SafetensorsWriter.Write(_folder.File("a"), tensors, new Dictionary<string, string> { ["k"] = "1", ["j"] = "2" });
        SafetensorsWriter.Write(_folder.File("b"), tensors, new Dictionary<string, string> { ["j"] = "2", ["k"] = "1" });
        Assert.Equal(File.ReadAllBytes(_folder.File("a")), File.ReadAllBytes(_folder.File("b")));
    }

    [Fact]
    public void Every_tensor_begins_at_a_multiple_of_its_element_size()
    {
        TensorToWrite[] tensors =
        [
            new("bytes", TensorType.UInt8, [3], stream => stream.Write([1, 2, 3])),
            TensorToWrite.From("floats", new float[] { 1 }, 1),
            TensorToWrite.From("doubles", new double[] { 1 }, 1),
        ];
        SafetensorsWriter.Write(_folder.File("a"), tensors);
        using SafetensorsReader reader = SafetensorsReader.Open(_folder.File("a"));
        Assert.Equal(["doubles", "floats", "bytes"], reader.Tensors.Keys);
    }

    [Fact]
    public void Two_tensors_of_one_name_or_the_reserved_name_are_refused()
    {
        TensorToWrite twice = TensorToWrite.From("x", new float[] { 1 }, 1);
        TensorToWrite reserved = TensorToWrite.From("__metadata__", new float[] { 1 }, 1);
        Assert.Contains("'x' is given twice", Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder.File("a"), [twice, twice])).Message, StringComparison.Ordinal);
        Assert.Contains("reserved", Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder.File("a"), [reserved])).Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names());
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void A_tensor_that_writes_too_few_or_too_many_bytes_is_refused_and_the_old_file_stays(int bytes)
    {
        _folder.Put("a", [9]);
        TensorToWrite wrong = new("w", TensorType.UInt8, [4], stream => stream.Write(new byte[bytes]));
        ArgumentException exception = Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder.File("a"), [wrong]));
        Assert.Contains("tensor w U8[4]: expected to write 4 bytes", exception.Message, StringComparison.Ordinal);
        Assert.Equal(["a"], _folder.Names());
        Assert.Equal([9], File.ReadAllBytes(_folder.File("a")));
    }

    [Fact]
    public void A_failure_in_the_middle_leaves_the_old_file_and_no_partial_one()
    {
        _folder.Put("a", [9]);
        TensorToWrite good = TensorToWrite.From("good", new float[100_000], 100_000);
        TensorToWrite bad = new("bad", TensorType.UInt8, [4], _ => throw new OperationCanceledException());
        Assert.Throws<OperationCanceledException>(() => SafetensorsWriter.Write(_folder.File("a"), [good, bad]));
        Assert.Equal(["a"], _folder.Names());
        Assert.Equal([9], File.ReadAllBytes(_folder.File("a")));
    }

    [Fact]
    public void A_shape_that_does_not_fit_the_values_is_refused() =>
        Assert.Contains("expected 6 values for x F32[2, 3], found 5", Assert.Throws<ArgumentException>(() => TensorToWrite.From("x", new float[5], 2, 3)).Message, StringComparison.Ordinal);

    [Fact]
    public void An_output_that_cannot_be_written_is_named() =>
        Assert.Contains("there is no folder", Assert.ThrowsAny<IOException>(() => SafetensorsWriter.Write(_folder.File("no/a"), [])).Message, StringComparison.Ordinal);

    private static byte[] Bytes(TensorToWrite tensor)
    {
        using MemoryStream stream = new();
        tensor.Write(stream);
        return stream.ToArray();
    }

    private static byte[] Bytes(SafetensorsReader reader, string name)
    {
        byte[] bytes = new byte[reader.Tensors[name].ByteLength];
        reader.Read(name, bytes);
        return bytes;
    }
}
