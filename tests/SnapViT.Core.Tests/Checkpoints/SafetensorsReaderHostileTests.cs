using System.Globalization;
using System.Text;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

/// <summary>Files made to mislead: each is refused with one named fault, and nothing else ever escapes.</summary>
public sealed class SafetensorsReaderHostileTests : IDisposable
{
    private const string OneTensor = """{"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}""";
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string, string?> Headers => new()
    {
        { "[]", "begins with '{'", null },
        { " {}", "begins with '{'", null },
        { "{", "no valid JSON", null },
        { "{}x", "no valid JSON", null },
        { """{"a":1,}""", "expected an object, found Number", null },
        { """{"a":[]}""", "expected an object, found StartArray", null },
        { """{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":1}}}}}}}}}}""", "found 'b'", "a" },
        { """{"a":{"shape":[[[[[[[[[1]]]]]]]]]}}""", "expected integers", null },
        { """{"\ud800":1}""", "no character", null },
        { "{\"a\":{\"data_of\nfsets\":}}", "no valid JSON", null },
        { $$"""{"{{new string('n', 100_000)}}":}""", "no valid JSON", null },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", "names it twice", "a" },
        { """{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", "dtype is given twice", "a" },
        { """{"a":{"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]}}""", "shape is given twice", "a" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"data_offsets":[0,4]}}""", "data_offsets is given twice", "a" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"device":"cpu"}}""", "found 'device'", "a" },
        { """{"a":{"shape":[4],"data_offsets":[0,4]}}""", "dtype is missing", "a" },
        { """{"a":{"dtype":"U8","data_offsets":[0,4]}}""", "shape is missing", "a" },
        { """{"a":{"dtype":"U8","shape":[4]}}""", "data_offsets is missing", "a" },
        { Tensor("F33", "[1]", "[0,4]"), "found 'F33'", "a" },
        { Tensor("u8", "[4]", "[0,4]"), "found 'u8'", "a" },
        { """{"a":{"dtype":8,"shape":[4],"data_offsets":[0,4]}}""", "expected a string, found Number", null },
        { """{"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}}""", "expected an array of integers, found Number", null },
        { Tensor("U8", "[4.5]", "[0,4]"), "expected integers", null },
        { Tensor("U8", "[\"4\"]", "[0,4]"), "expected integers of 63 bits, found String", null },
        { Tensor("U8", "[99999999999999999999]", "[0,4]"), "expected integers of 63 bits", null },
        { Tensor("U8", "[-4]", "[0,4]"), "without negative sizes, found [-4]", "a" },
        { Tensor("U8", "[-2,-2]", "[0,4]"), "without negative sizes", "a" },
        { Tensor("U8", "[1099511627776]", "[0,4]"), "expected 1099511627776 bytes for U8[1099511627776], found data_offsets of 4 bytes", "a" },
        { Tensor("U8", "[1099511627776]", "[0,1099511627776]"), "lie outside the data of 4 bytes", "a" },
        { Tensor("F32", "[4294967296,4294967296]", "[0,4]"), "more elements than", "a" },
        { Tensor("F4", "[9223372036854775807,9223372036854775807]", "[0,4]"), "more elements than", "a" },
        { Tensor("F4", "[7]", "[0,4]"), "no whole number of bytes", "a" },
        { Tensor("U8", $"[{string.Join(',', Enumerable.Repeat(1, 65))}]", "[0,4]"), "at most 64 numbers", null },
        { Tensor("U8", "[4]", "[4,0]"), "0 <= begin <= end, found [4, 0]", "a" },
        { Tensor("U8", "[4]", "[-4,0]"), "0 <= begin <= end, found [-4, 0]", "a" },
        { Tensor("U8", "[4]", "[0]"), "expected data_offsets [begin, end]", "a" },
        { Tensor("U8", "[4]", "[0,4,8]"), "at most 2 numbers", null },
        { Tensor("U8", "[5]", "[0,5]"), "lie outside the data of 4 bytes", "a" },
        { Tensor("U8", "[3]", "[0,4]"), "expected 3 bytes for U8[3], found data_offsets of 4 bytes", "a" },
        { Tensor("U8", "[3]", "[0,3]"), "expected 3 bytes of data, found 4", null },
        { Tensor("U8", "[3]", "[1,4]"), "leaves a hole before it: expected to begin at byte 0 of the data, found 1", "a" },
        { Tensor("U8", "[4]", "[9223372036854775803,9223372036854775807]"), "leaves a hole", "a" },
        { """{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", "overlaps the tensor before it", "b" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}""", "overlaps the tensor before it", "b" },
        { """{"__metadata__":7}""", "__metadata__: expected an object, found Number", null },
        { """{"__metadata__":{"k":7}}""", "__metadata__ 'k': expected a string, found Number", null },
        { """{"__metadata__":{"k":null}}""", "expected a string, found Null", null },
        { """{"__metadata__":{"k":"1","k":"2"}}""", "has the key 'k' twice", null },
        { """{"__metadata__":{},"__metadata__":{}}""", "names it twice", "__metadata__" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Headers))]
    public void A_wrong_header_is_refused_by_its_own_fault(string header, string fault, string? tensor)
    {
        CheckpointFormatException exception = Refused(SafetensorsBytes.Of(header, 4));
        Assert.Contains(fault, exception.Message, StringComparison.Ordinal);
        Assert.Equal(tensor, exception.Tensor);
        Assert.Equal(_folder.File("hostile"), exception.Path);
        Assert.StartsWith(exception.Path, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
        Assert.InRange(exception.Message.Length, 1, 2000);
    }

    [Theory]
    [InlineData(0UL, "found a length of 0")]
    [InlineData(57UL, "expected a header of 1 to 56 bytes in a file of 64, found a length of 57")]
    [InlineData(100_000_000UL, "found a length of 100000000")]
    [InlineData(100_000_001UL, "expected a header of at most 100000000 bytes, found a length of 100000001")]
    [InlineData(1UL << 63, "expected a header of at most 100000000 bytes")]
    [InlineData(ulong.MaxValue, "expected a header of at most 100000000 bytes")]
    public void A_header_length_that_cannot_be_is_refused(ulong length, string fault)
    {
        byte[] header = Encoding.UTF8.GetBytes(OneTensor.PadRight(56));
        Assert.Contains(fault, Refused(SafetensorsBytes.Of(header, length, 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_refused()
    {
        byte[] header = "{\"\xff\":1}"u8.ToArray();
        header[2] = 0xff;
        Assert.Contains("found invalid bytes", Refused(SafetensorsBytes.Of(header, (ulong)header.Length, 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_nested_ten_thousand_deep_is_refused_at_once()
    {
        string header = string.Concat(Enumerable.Repeat("{\"a\":", 10_000));
        Assert.NotNull(Refused(SafetensorsBytes.Of(header, 0)));
    }

    [Fact]
    public void A_file_cut_at_any_length_is_refused()
    {
        byte[] whole = SafetensorsBytes.Of(OneTensor, 4);
        for (int length = 0; length < whole.Length; length++)
        {
            Assert.NotNull(Refused(whole.AsSpan(0, length)));
        }
    }

    [Fact]
    public void A_file_with_one_byte_more_is_refused() =>
        Assert.Contains("bytes that belong to no tensor", Refused([.. SafetensorsBytes.Of(OneTensor, 4), 0]).Message, StringComparison.Ordinal);

    /// <summary>Every bit pattern in every byte before the data: either a named refusal or a file whose tensors can all be read.</summary>
    [Fact]
    public void A_header_with_any_byte_changed_is_refused_or_still_true()
    {
        byte[] whole = SafetensorsBytes.Of("""{"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}""", 4);
        int accepted = 0;
        for (int i = 0; i < whole.Length - 4; i++)
        {
            foreach (int mask in new[] { 0x01, 0x02, 0x10, 0x20, 0x80, 0xff })
            {
                byte[] changed = [.. whole];
                changed[i] ^= (byte)mask;
                accepted += OpensOrIsRefused(changed) ? 1 : 0;
            }
        }

        Assert.InRange(accepted, 1, whole.Length * 3);
    }

    [Fact]
    public void A_tensor_name_full_of_control_characters_stays_on_one_bounded_line()
    {
        string name = string.Concat(Enumerable.Repeat("\\n\\u0000\\u202e", 1000));
        CheckpointFormatException exception = Refused(SafetensorsBytes.Of($$$"""{"{{{name}}}":{"dtype":"?"}}""", 0));
        Assert.DoesNotContain(exception.Message, c => char.IsControl(c) || CharUnicodeInfo.GetUnicodeCategory(c) == UnicodeCategory.Format);
        Assert.InRange(exception.Message.Length, 1, 1200);
    }

    private static string Tensor(string type, string shape, string offsets) =>
        $$$"""{"a":{"dtype":"{{{type}}}","shape":{{{shape}}},"data_offsets":{{{offsets}}} }}""";

    private bool OpensOrIsRefused(byte[] content)
    {
        try
        {
            using SafetensorsReader reader = SafetensorsReader.Open(_folder.Put("changed", content));
            foreach (TensorEntry tensor in reader.Tensors.Values)
            {
                reader.Read(tensor.Name, new byte[tensor.ByteLength]);
            }

            return true;
        }
        catch (CheckpointFormatException)
        {
            return false;
        }
    }

    private CheckpointFormatException Refused(ReadOnlySpan<byte> content)
    {
        string path = _folder.Put("hostile", content);
        return Assert.Throws<CheckpointFormatException>(() => SafetensorsReader.Open(path).Dispose());
    }
}
