using System.IO.Compression;
using CsCheck;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Tests;
using static SnapViT.Core.Tests.Checkpoints.Pickle.PickleBytes;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class TorchArchiveWriterTests : IDisposable
{
    private static readonly Gen<object?> Scalar = Gen.OneOf(
        Gen.Const((object?)null),
        Gen.Bool.Select(value => (object?)value),
        Gen.Long.Select(value => (object?)value),
        Gen.Int[-300, 70_000].Select(value => (object?)(long)value),
        Gen.Double.Select(value => (object?)value),
        Gen.String.AlphaNumeric.Select(value => (object?)value),
        Gen.String.AlphaNumeric.Select(value => (object?)new TorchEnumMember("src.models.enums", "ModelType", value)),
        Gen.Long.Select(value => (object?)new TorchEnumMember("src.models.enums", "ModelType", value)),
        Gen.String[Gen.Char['A', 'Z'], 1, 9].Select(value => (object?)new TorchEnumMember("src.models.enums", "ModelType", value, IsName: true)));

    private static readonly Gen<object?> Tree = Gen.Recursive<object?>((depth, inner) => depth > 3 ? Scalar : Gen.OneOf(
        Scalar,
        inner.List[0, 4].Select(list => (object?)list),
        Gen.Dictionary(Gen.String.AlphaNumeric, inner)[0, 4].Select(dictionary => (object?)dictionary)));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Any_tree_of_values_is_read_back_as_it_was_written() => Gen.Dictionary(Gen.String.AlphaNumeric, Tree)[0, 5].Sample(root =>
    {
        TorchArchiveWriter.Write(_folder.File("a"), root);
        using TorchArchiveReader reader = TorchArchiveReader.Open(_folder.File("a"));
        AssertSame(root, reader.Root);
    }, iter: 100, threads: 1);

    [Fact]
    public void Tensors_of_every_type_are_read_back()
    {
        TensorType[] types = [.. Enum.GetValues<TensorType>().Where(type => type.TorchName() is not null)];
        TorchArchiveWriter.WriteStateDict(_folder.File("a"), types.Select(type => new TensorToWrite($"{type}", type, [2, 3, 1], stream => stream.Write(Bytes(type)))));
        using TorchArchiveReader reader = TorchArchiveReader.Open(_folder.File("a"));
        Assert.Equal(types.Select(type => $"{type} {type.SafetensorsName()}[2, 3, 1]"), reader.Tensors.Values.Select(entry => entry.ToString()));
        foreach (TensorType type in types)
        {
            byte[] found = new byte[Bytes(type).Length];
            reader.Read($"{type}", found);
            Assert.Equal(Bytes(type), found);
        }

        static byte[] Bytes(TensorType type) => [.. Enumerable.Range(0, 6 * type.BitsPerElement() / 8).Select(i => (byte)(i + (int)type))];
    }

    [Fact]
    public void Scalars_and_empty_tensors_are_read_back()
    {
        TorchArchiveWriter.WriteStateDict(_folder.File("a"), [TensorToWrite.From("s", new float[] { 4 }), TensorToWrite.From("e", Array.Empty<double>(), 0, 7)]);
        using TorchArchiveReader reader = TorchArchiveReader.Open(_folder.File("a"));
        Assert.Equal([4], reader.ReadFloats("s"));
        Assert.Equal([0, 7], reader.Tensors["e"].Shape);
    }

    [Fact]
    public void The_pickle_of_a_state_dict_is_the_one_torch_load_expects()
    {
        TorchArchiveWriter.WriteStateDict(_folder.File("a"), [TensorToWrite.From("w", new float[6], 2, 3)]);
        byte[] expected = Of("\u0080\u0002}(", Text("w"), Tensor(Storage("0", 6), 0, [2, 3], [3, 1]), "u.");
        Assert.Equal(expected, Entry("archive/data.pkl"));
        Assert.Equal("little"u8.ToArray(), Entry("archive/byteorder"));
        Assert.Equal("3\n"u8.ToArray(), Entry("archive/version"));
        Assert.Equal(new byte[24], Entry("archive/data/0"));
    }

    [Fact]
    public void Every_entry_begins_at_a_multiple_of_64_bytes()
    {
        TorchArchiveWriter.WriteStateDict(_folder.File("a"), Enumerable.Range(0, 12).Select(i => TensorToWrite.From($"t{i}", new float[i], i)));
        using CheckpointFile file = CheckpointFile.Open(_folder.File("a"));
        Assert.All(SnapViT.Core.Checkpoints.Zip.ZipDirectory.Read(file).Values, entry => Assert.Equal(0, entry.DataOffset % 64));
    }

    [Fact]
    public void The_same_input_gives_the_same_bytes()
    {
        Dictionary<string, object?> root = new() { ["w"] = TensorToWrite.From("", new float[3], 3), ["n"] = 1 };
        TorchArchiveWriter.Write(_folder.File("a"), root);
        TorchArchiveWriter.Write(_folder.File("b"), root);
        Assert.Equal(System.IO.File.ReadAllBytes(_folder.File("a")), System.IO.File.ReadAllBytes(_folder.File("b")));
    }

    // official/scores: a released score file, read, written and read again.
    [Fact]
    public void A_score_file_written_again_says_the_same()
    {
        using TorchArchiveReader original = TorchArchiveReader.Open(SharedFolder.Require("official", "scores", "imagenet-1k", "deit-3-vit-s-16.pt"));
        OrderedDictionary<string, object?> root = [];
        foreach ((string key, object? value) in TorchArchiveReaderTests.Root(original))
        {
            root.Add(key, value is TorchTensor tensor ? TensorToWrite.From(key, original.ReadFloats(key), tensor.Shape) : value);
        }

        TorchArchiveWriter.Write(_folder.File("a"), root);
        using TorchArchiveReader copy = TorchArchiveReader.Open(_folder.File("a"));
        AssertSame(original.Root, copy.Root);
        Assert.All(original.Tensors.Keys, name => Assert.Equal(original.ReadFloats(name), copy.ReadFloats(name)));
    }

    [Fact]
    public void What_a_torch_file_cannot_hold_is_refused_before_anything_is_written()
    {
        List<object?> loop = [];
        loop.Add(loop);
        Assert.Contains("cannot hold a DateTime", Fault(default(DateTime)), StringComparison.Ordinal);
        Assert.Contains("perhaps one contains itself", Fault(loop), StringComparison.Ordinal);
        Assert.Contains("cannot hold Float4", Fault(new TensorToWrite("x", TensorType.Float4, [2], _ => { })), StringComparison.Ordinal);
        Assert.Contains("expected the module and the name of a Python class", Fault(new TorchEnumMember("os\nsystem", "x", "y")), StringComparison.Ordinal);
        Assert.Contains("as key of an enumeration", Fault(new TorchEnumMember("m", "x", 1.5)), StringComparison.Ordinal);
        TensorToWrite large = new("x", TensorType.Int8, [5L << 30], _ => { });
        Assert.Contains("below 4 GiB", Assert.Throws<SnapViTException>(() => TorchArchiveWriter.WriteStateDict(_folder.File("a"), [large])).Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => TorchArchiveWriter.Write(_folder.File("a"), new Dictionary<string, object?> { ["\ud800"] = null }));
        TensorToWrite twice = TensorToWrite.From("x", new float[1], 1);
        Assert.Contains("'x' is given twice", Assert.Throws<ArgumentException>(() => TorchArchiveWriter.WriteStateDict(_folder.File("a"), [twice, twice])).Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names());
    }

    [Fact]
    public void A_failure_in_the_middle_leaves_the_old_file_and_no_partial_one()
    {
        _folder.Put("a", [9]);
        TensorToWrite wrong = new("w", TensorType.UInt8, [4], stream => stream.Write(new byte[3]));
        Assert.Throws<ArgumentException>(() => TorchArchiveWriter.WriteStateDict(_folder.File("a"), [TensorToWrite.From("x", new float[9], 9), wrong]));
        Assert.Equal(["a"], _folder.Names());
        Assert.Equal([9], System.IO.File.ReadAllBytes(_folder.File("a")));
    }

    private string Fault(object value) =>
        Assert.Throws<ArgumentException>(() => TorchArchiveWriter.Write(_folder.File("a"), new Dictionary<string, object?> { ["x"] = value })).Message;

    private byte[] Entry(string name)
    {
        using ZipArchive archive = ZipFile.OpenRead(_folder.File("a"));
        using Stream entry = archive.GetEntry(name)!.Open();
        using MemoryStream content = new();
        entry.CopyTo(content);
        return content.ToArray();
    }

    private static void AssertSame(object? expected, object? found)
    {
        switch (expected)
        {
            case IReadOnlyDictionary<string, object?> members:
                IReadOnlyDictionary<string, object?> foundMembers = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(found);
                Assert.Equal(members.Keys, foundMembers.Keys);
                Assert.All(members, member => AssertSame(member.Value, foundMembers[member.Key]));
                break;
            case IReadOnlyList<object?> items:
                IReadOnlyList<object?> foundItems = Assert.IsAssignableFrom<IReadOnlyList<object?>>(found);
                Assert.Equal(items.Count, foundItems.Count);
                Assert.All(items.Zip(foundItems), pair => AssertSame(pair.First, pair.Second));
                break;
            case TorchTensor tensor:
                TorchTensor foundTensor = Assert.IsType<TorchTensor>(found);
                Assert.Equal((tensor.Type, string.Join(',', tensor.Shape)), (foundTensor.Type, string.Join(',', foundTensor.Shape)));
                break;
            default:
                Assert.Equal(expected, found);
                break;
        }
    }
}
