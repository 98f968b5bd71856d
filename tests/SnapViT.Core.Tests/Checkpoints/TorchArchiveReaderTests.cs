using System.Text.Json;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Tests.Checkpoints.Zip;
using SnapViT.Tests;
using static SnapViT.Core.Tests.Checkpoints.Pickle.PickleBytes;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class TorchArchiveReaderTests : IDisposable
{
    private static readonly byte[] SixFloats = [.. Enumerable.Range(0, 6).SelectMany(i => BitConverter.GetBytes((float)i))];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tensors_are_found_in_dictionaries_inside_dictionaries_by_joined_names()
    {
        byte[] tensor = Tensor(Storage("0", 6), 0, [2, 3], [3, 1]);
        byte[] pickle = Of("\u0080\u0002}(", Text("model"), "}(", Text("head.weight"), tensor, Text("none"), "Nu", Text("epoch"), Int(3), Text("list"), "]", tensor, "a", Text("state"), "}(", Int(0), tensor, "uu.");
        using TorchArchiveReader reader = Open(pickle);
        Assert.Equal(["model.head.weight F32[2, 3]", "state.0 F32[2, 3]"], reader.Tensors.Values.Select(entry => entry.ToString()));
        Assert.Equal([0, 1, 2, 3, 4, 5], reader.ReadFloats("model.head.weight"));
        Assert.Equal(3L, Root(reader)["epoch"]);
        Assert.Empty(reader.Metadata);
    }

    [Fact]
    public void A_root_that_is_no_dictionary_has_a_tree_but_no_names()
    {
        using TorchArchiveReader reader = Open(Of("]K\u0001a."));
        Assert.Empty(reader.Tensors);
        Assert.Equal([1L], Assert.IsAssignableFrom<IReadOnlyList<object?>>(reader.Root));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Views_read_their_own_part_of_a_shared_storage(bool deflated)
    {
        byte[] pickle = Of(
            "}(", Text("whole"), Tensor(Storage("0", 6), 0, [6], [1]), Text("tail"), Tensor(Storage("0", 6), 4, [2], [1]), Text("transposed"), Tensor(Storage("0", 6), 0, [3, 2], [1, 3]),
            Text("column"), Tensor(Storage("0", 6), 1, [2, 1], [3, 99]), Text("scalar"), Tensor(Storage("0", 6), 5, [], []), Text("empty"), Tensor(Storage("0", 6), 6, [0, 3], [3, 1]), "u.");
        using TorchArchiveReader reader = Open(ZipBytes.Of(new ZipPart("x/y/data.pkl", pickle) { Deflated = deflated }, new ZipPart("x/y/data/0", SixFloats) { Deflated = deflated }), isZip: true);
        Assert.Equal([0, 1, 2, 3, 4, 5], reader.ReadFloats("whole"));
        Assert.Equal([4, 5], reader.ReadFloats("tail"));
        Assert.Equal([0, 3, 1, 4, 2, 5], reader.ReadFloats("transposed"));
        Assert.Equal([1, 4], reader.ReadFloats("column"));
        Assert.Equal([5], reader.ReadFloats("scalar"));
        Assert.Empty(reader.ReadFloats("empty"));
    }

    // 64 KB of compressed zeros are a storage over which any number of tensors may be spread, and each is read from its first to its last element.
    [Fact]
    public void Tensors_spread_thinly_over_large_storages_are_read_until_it_is_too_much()
    {
        const int elements = 1000, bytes = 4 * (elements - 2);
        byte[] pickle = Of("}", Text("a"), Tensor(Storage("0", elements), 0, [2], [elements - 1]), "s.");
        ZipPart[] parts = [new ZipPart("a/data.pkl", pickle), new ZipPart("a/data/0", new byte[4 * elements]) { Deflated = true }];
        using TorchArchiveReader reader = TorchArchiveReader.Open(_folder.Put("spread.pt", ZipBytes.Of(parts)), mostPassed: 5 * bytes);
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal([0, 0], reader.ReadFloats("a"));
        }

        string message = Assert.Throws<CheckpointFormatException>(() => reader.ReadFloats("a")).Message;
        Assert.Contains("tensor 'a': too many tensors are spread over large storages", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Little_byte_order_is_accepted_and_big_refused()
    {
        ZipPart pickle = new("data.pkl", Of("}."));
        using TorchArchiveReader reader = Open(ZipBytes.Of(pickle, new ZipPart("byteorder", "little"u8.ToArray())), isZip: true);
        Assert.Contains("found byteorder 'big'", Refused(ZipBytes.Of(pickle, new ZipPart("byteorder", "big"u8.ToArray()))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_zip_without_a_pickle_or_with_two_is_refused()
    {
        ZipPart pickle = new("a/data.pkl", Of("N."));
        Assert.Contains("found a zip archive of 1 other files, such as 'a/other'", Refused(ZipBytes.Of(new ZipPart("a/other", []))), StringComparison.Ordinal);
        Assert.Contains("found 2", Refused(ZipBytes.Of(pickle, pickle with { Name = "b/data.pkl" })), StringComparison.Ordinal);
    }

    [Fact]
    public void The_format_before_the_zip_format_is_named()
    {
        byte[] legacy = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'];
        Assert.Contains("expected the zip format of PyTorch 1.6 and later", Refused(legacy), StringComparison.Ordinal);
    }

    [Fact]
    public void Names_that_meet_when_joined_or_grow_too_long_are_refused()
    {
        byte[] tensor = Tensor(Storage("0", 6), 0, [6], [1]);
        Assert.Contains("two tensors have this name", Refused(File(Of("}(", Text("a.b"), tensor, Text("a"), "}", Text("b"), tensor, "su."), ("0", SixFloats))), StringComparison.Ordinal);
        Assert.Contains("at most 512 characters, found 600", Refused(File(Of("}", Text(new string('n', 600)), tensor, "s."), ("0", SixFloats))), StringComparison.Ordinal);
    }

    [Fact]
    public void Code_in_a_checkpoint_is_refused_by_name() =>
        Assert.Contains("refused the global 'os.system'", Refused(File(Of("\u0080\u0002", Global("os", "system"), Text("echo"), "\u0085R."))), StringComparison.Ordinal);

    [Fact]
    public void A_tensor_of_a_trillion_elements_is_refused_without_memory()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refused(File(Of("}", Text("w"), Tensor(Storage("0", 1L << 40), 0, [1L << 40], [1]), "s."), ("0", SixFloats)));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 22);
    }

    [Fact]
    public void A_missing_file_and_a_directory_are_named()
    {
        Assert.Throws<FileNotFoundException>(() => TorchArchiveReader.Open(_folder.File("none")));
        Assert.ThrowsAny<IOException>(() => TorchArchiveReader.Open(_folder.Root));
    }

    // official/scores: the ten score files released with the paper; official/keep_counts.json: their facts as the reference reads them.
    [Fact]
    public void The_ten_official_score_files_hold_what_the_reference_reads_in_them()
    {
        using JsonDocument facts = JsonDocument.Parse(System.IO.File.ReadAllBytes(SharedFolder.Require("official", "keep_counts.json")));
        Assert.Equal(10, facts.RootElement.EnumerateObject().Count());
        foreach (JsonProperty file in facts.RootElement.EnumerateObject())
        {
            using TorchArchiveReader reader = TorchArchiveReader.Open(SharedFolder.Require(["official", "scores", .. file.Name.Split('/')]));
            IReadOnlyDictionary<string, object?> root = Root(reader);
            Assert.Equal(file.Value.GetProperty("keys").EnumerateObject().Select(key => key.Name), root.Keys);
            Assert.Equal(file.Value.GetProperty("keys").GetProperty("mlp_scores").GetString(), Description(reader.Tensors["mlp_scores"]));
            Assert.Equal(file.Value.GetProperty("keys").GetProperty("head_scores").GetString(), Description(reader.Tensors["head_scores"]));
            Assert.All(file.Value.GetProperty("scalars").EnumerateObject(), scalar => AssertSame(scalar.Value, root[scalar.Name]));
            AssertSame(file.Value.GetProperty("metadata"), root["metadata"]);
            AssertStatistics(file.Value.GetProperty("stats").GetProperty("mlp"), reader.ReadDoubles("mlp_scores"));
            AssertStatistics(file.Value.GetProperty("stats").GetProperty("head"), reader.ReadDoubles("head_scores"));
        }
    }

    // golden/<family>/importance-scores.pt: written by the reference under Python 3.11, which stores enum members by name; dino.safetensors holds the same scores.
    [Theory]
    [InlineData("timm_vit", "STANDARD")]
    [InlineData("deit_distilled", "STANDARD")]
    [InlineData("deit3", "STANDARD")]
    [InlineData("siglip2", "STANDARD")]
    [InlineData("dinov3_mlp", "STANDARD")]
    [InlineData("dinov3_swiglu", "SWIGLU")]
    public void The_golden_score_files_agree_with_their_safetensors(string family, string architecture)
    {
        using TorchArchiveReader scores = TorchArchiveReader.Open(SharedFolder.Require("golden", family, "importance-scores.pt"));
        using SafetensorsReader golden = SafetensorsReader.Open(SharedFolder.Require("golden", family, "dino.safetensors"));
        Assert.Equal(golden.ReadFloats("mlp_scores"), scores.ReadFloats("mlp_scores"));
        Assert.Equal(golden.ReadFloats("head_scores"), scores.ReadFloats("head_scores"));
        Assert.Equal(golden.Tensors["head_scores"].Shape, scores.Tensors["head_scores"].Shape);
        Assert.Equal(new TorchEnumMember("src.models.enums", "MLPArchitecture", architecture, IsName: true), Root(scores)["mlp_architecture"]);
    }

    // official/deit_tiny_reference_scores.pt: scores of the reference for DeiT-Ti.
    [Fact]
    public void The_reference_scores_of_deit_tiny_open()
    {
        using TorchArchiveReader reader = TorchArchiveReader.Open(SharedFolder.Require("official", "deit_tiny_reference_scores.pt"));
        Assert.Equal(["mlp_scores F32[12, 768]", "head_scores F32[12, 3]"], reader.Tensors.Values.Select(entry => entry.ToString()));
        Assert.Equal(3L, Root(reader)["num_heads"]);
    }

    [Fact]
    public void A_file_cut_at_any_hundredth_or_with_any_byte_of_its_descriptions_changed_is_refused_or_still_readable()
    {
        TensorToWrite[] tensors = [TensorToWrite.From("w", new float[5000], 50, 100), TensorToWrite.From("b", new double[] { 1, 2, 3 }, 3)];
        TorchArchiveWriter.WriteStateDict(_folder.File("a"), tensors);
        byte[] whole = System.IO.File.ReadAllBytes(_folder.File("a"));
        for (int percent = 0; percent < 100; percent++)
        {
            Assert.NotEmpty(Refused(whole[..(whole.Length * percent / 100)]));
        }

        int accepted = 0;
        foreach (int i in Enumerable.Range(0, 700).Concat(Enumerable.Range(whole.Length - 500, 500)))
        {
            byte[] changed = [.. whole];
            changed[i] ^= 0x41;
            accepted += OpensOrIsRefused(changed) ? 1 : 0;
        }

        Assert.InRange(accepted, 1, 1199);
    }

    internal static IReadOnlyDictionary<string, object?> Root(TorchArchiveReader reader) => Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(reader.Root);

    private static string Description(TensorEntry entry) => $"tensor [{string.Join(", ", entry.Shape)}] torch.{(entry.Type == TensorType.Float32 ? "float32" : "?")}";

    private static void AssertStatistics(JsonElement facts, double[] scores)
    {
        Assert.Equal(facts.GetProperty("n").GetInt32(), scores.Length);
        Assert.Equal(facts.GetProperty("n_unique").GetInt32(), scores.Distinct().Count());
        Assert.Equal(facts.GetProperty("n_zero").GetInt32(), scores.Count(score => score == 0));
        Assert.Equal(facts.GetProperty("min").GetDouble(), scores.Min());
        Assert.Equal(facts.GetProperty("max").GetDouble(), scores.Max());
        Assert.Equal(facts.GetProperty("first5").EnumerateArray().Select(value => value.GetDouble()), scores.Take(5));
        double sum = facts.GetProperty("sum").GetDouble();
        Assert.InRange(scores.Sum(), sum * (1 - 1e-12), sum * (1 + 1e-12));
    }

    private static void AssertSame(JsonElement expected, object? found)
    {
        switch (expected.ValueKind)
        {
            case JsonValueKind.Null:
                Assert.Null(found);
                break;
            case JsonValueKind.String:
                Assert.Equal(expected.GetString(), found is TorchEnumMember member ? member.Key : found);
                break;
            case JsonValueKind.Number when found is long number:
                Assert.Equal(expected.GetInt64(), number);
                break;
            case JsonValueKind.Number:
                Assert.Equal(expected.GetDouble(), found);
                break;
            case JsonValueKind.Array:
                IReadOnlyList<object?> items = Assert.IsAssignableFrom<IReadOnlyList<object?>>(found);
                Assert.Equal(expected.GetArrayLength(), items.Count);
                Assert.All(expected.EnumerateArray().Zip(items), pair => AssertSame(pair.First, pair.Second));
                break;
            default:
                IReadOnlyDictionary<string, object?> members = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(found);
                Assert.Equal(expected.EnumerateObject().Select(member => member.Name), members.Keys);
                Assert.All(expected.EnumerateObject(), member => AssertSame(member.Value, members[member.Name]));
                break;
        }
    }

    private bool OpensOrIsRefused(byte[] content)
    {
        try
        {
            using TorchArchiveReader reader = Open(content, isZip: true);
            foreach (string name in reader.Tensors.Keys)
            {
                reader.ReadDoubles(name);
            }

            return true;
        }
        catch (CheckpointFormatException)
        {
            return false;
        }
    }

    private TorchArchiveReader Open(byte[] content, bool isZip = false) =>
        TorchArchiveReader.Open(_folder.Put("a.pt", isZip ? content : File(content, ("0", SixFloats))));

    private string Refused(byte[] content)
    {
        string path = _folder.Put("hostile.pt", content);
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => TorchArchiveReader.Open(path).Dispose());
        Assert.Equal(path, exception.Path);
        return exception.Message;
    }
}
