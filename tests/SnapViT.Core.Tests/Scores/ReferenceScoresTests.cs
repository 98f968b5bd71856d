using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Core.Tests.Checkpoints;
using SnapViT.Tests;

namespace SnapViT.Core.Tests.Scores;

public sealed class ReferenceScoresTests : IDisposable
{
    private const string Enums = "src.models.enums";
    private const long CheckModulus = 1_000_000_007;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Released =>
    [
        "augreg-vit-b-16-in21k-ft-in1k", "augreg-vit-l-16-in21k-ft-in1k", "deit-3-vit-b-16", "deit-3-vit-h-14", "deit-3-vit-l-16", "deit-3-vit-s-16",
        "deit-vit-b-16", "dino_vitb16", "dinov3_vitb16", "siglip2-vit-b16",
    ];

    // official/keep_counts.json: what the reference keeps with its ten released files, counts, heads, and a checksum of the neurons of every block.
    [Theory]
    [MemberData(nameof(Released))]
    public void A_released_file_keeps_what_the_reference_keeps(string model)
    {
        ReferenceScores scores = ReferenceScores.Load(OfficialFile(model));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("official", "keep_counts.json")));
        JsonElement expected = json.RootElement.GetProperty($"imagenet-1k/{model}.pt");
        JsonElement facts = expected.GetProperty("scalars");
        Assert.Equal(model, scores.ModelType);
        Assert.Equal((facts.GetProperty("embed_dim").GetInt32(), facts.GetProperty("head_dim").GetInt32()), (scores.Width, scores.HeadDim));
        SubnetPlanner planner = new(ArchitectureOf(scores), scores.Scores, scores.Floors);
        Assert.Equal(6, expected.GetProperty("keep").GetArrayLength());
        foreach (JsonElement keep in expected.GetProperty("keep").EnumerateArray())
        {
            SubnetPlan plan = planner.Plan(Budget.Ratios(keep.GetProperty("mlp_ratio").GetDouble(), keep.GetProperty("head_ratio").GetDouble()));
            Assert.Equal(Integers(keep, "mlp_keep_counts"), plan.Widths.Select(block => block[Axis.Neurons]));
            Assert.Equal(Integers(keep, "head_keep_counts"), plan.Widths.Select(block => block[Axis.Heads]));
            for (int block = 0; block < plan.Widths.Count; block++)
            {
                Assert.Equal(keep.GetProperty("head_kept")[block].EnumerateArray().Select(head => head.GetInt32()), Sorted(planner.Order.Of(Axis.Heads, block)[..plan.Widths[block][Axis.Heads]]));
                Assert.Equal(keep.GetProperty("mlp_kept_crc")[block].GetInt64(), Check(Sorted(planner.Order.Of(Axis.Neurons, block)[..plan.Widths[block][Axis.Neurons]])));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Released))]
    public void A_released_file_says_its_metadata(string model)
    {
        ElasticScores scores = ElasticScores.Load(OfficialFile(model));
        Assert.Equal(model, scores.Provenance["model_type"]);
        Assert.Equal("0.15 0.35 0.55 0.65", scores.Provenance["metadata.ga_mlp_pruning_ratios"]);
        Assert.Equal("cosine-similarity", scores.Provenance["metadata.ga_loss_types"]);
        Assert.Equal("none", scores.Provenance["metadata.ga_xnes_num_individuals"]);
        Assert.Equal(new KeepFloors(0.05, 0.2), scores.Floors);
    }

    // The reference's keys in its order, float32 tensors, members of enumerations by value, as official/scores has them.
    [Theory]
    [MemberData(nameof(Released))]
    public void A_file_written_again_has_the_same_keys_types_values_and_metadata(string model)
    {
        ReferenceScores.Load(OfficialFile(model)).Save(_folder.File("again"));
        using TorchArchiveReader original = TorchArchiveReader.Open(OfficialFile(model)), again = TorchArchiveReader.Open(_folder.File("again"));
        Assert.Equal(Describe(original), Describe(again));
        Assert.Equal(original.ReadFloats("mlp_scores"), again.ReadFloats("mlp_scores"));
        Assert.Equal(original.ReadFloats("head_scores"), again.ReadFloats("head_scores"));
    }

    // golden/<family>/importance-scores.pt beside dino.safetensors; newer Pythons write members of enumerations by name.
    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void A_golden_file_holds_the_golden_scores(string family)
    {
        ElasticScores read = ElasticScores.Load(SharedFolder.Require("golden", family, "importance-scores.pt"));
        ImportanceScores expected = GoldenFamily.Scores(family);
        for (int block = 0; block < 4; block++)
        {
            Assert.Equal(expected.Of(Axis.Neurons, block).ToArray(), read.Scaled.Of(Axis.Neurons, block).ToArray());
            Assert.Equal(expected.Of(Axis.Heads, block).ToArray(), read.Scaled.Of(Axis.Heads, block).ToArray());
        }

        Assert.Equal(family == "dinov3_swiglu" ? "swiglu" : "standard", read.Provenance["mlp_architecture"]);
    }

    [Fact]
    public void Scores_made_here_are_read_back_with_their_factors_in_them()
    {
        ElasticScores made = new(
            new ImportanceScores(new[,] { { 0.5, 1e-45, 2 }, { 1, 0, 4 } }, new[,] { { 1.0, 2 }, { 3, 4 } }),
            new ScoreCoefficients([2, -4, 1, 0.5, 1, 1], SubnetWidths.Uniform(2, Widths.Block(2, 3))),
            new KeepFloors(0.25, 0.5),
            new Dictionary<string, string> { ["seed"] = "42", ["criterion"] = "ssl" });
        ViTArchitecture architecture = new() { Depth = 2, EmbedDim = 8, Heads = 2, HeadDim = 4, MlpDim = 3, PatchSize = 2, ImageSize = 4 };
        ReferenceScores.From(made, architecture, "dino_vits16").Save(_folder.File("a"));
        ElasticScores read = ElasticScores.Load(_folder.File("a"));
        Assert.Equal([4, 0, 16], read.Scaled.Of(Axis.Neurons, 1).ToArray());
        Assert.Equal([1, 1], read.Scaled.Of(Axis.Heads, 0).ToArray());
        Assert.Equal(float.Epsilon, read.Scaled.Of(Axis.Neurons, 0)[1]);
        Assert.Equal(made.Floors, read.Floors);
        Assert.Equal(("42", "ssl", "8"), (read.Provenance["metadata.seed"], read.Provenance["metadata.criterion"], read.Provenance["embed_dim"]));
    }

    [Theory]
    [InlineData("num_blocks", 3L, "num_blocks: expected 2, as the scores have it, found 3")]
    [InlineData("hidden_dim", 4L, "hidden_dim: expected 3")]
    [InlineData("num_heads", -2L, "num_heads: expected a positive size, found -2")]
    [InlineData("embed_dim", "768", "embed_dim: expected an int, found String")]
    [InlineData("head_dim", null, "head_dim: expected an int, found nothing")]
    [InlineData("min_head_keep_ratio", 1.5, "expected fractions in 0..1")]
    [InlineData("metadata", 1L, "metadata: expected a dict, found an int")]
    [InlineData("surprise", 1L, "a score file of the reference has no 'surprise'")]
    public void Facts_that_are_missing_wrong_or_contradictory_are_refused(string key, object? value, string fault) =>
        Assert.Contains(fault, Refused(root => root[key] = value), StringComparison.Ordinal);

    [Fact]
    public void Unknown_members_and_misshapen_or_impossible_scores_are_refused()
    {
        Assert.Contains("found 'ModelType resnet50'", Refused(root => root["model_type"] = new TorchEnumMember(Enums, "ModelType", "resnet50")), StringComparison.Ordinal);
        Assert.Contains("found 'ModelType dino_vitb16'", Refused(root => root["model_type"] = new TorchEnumMember(Enums, "ModelType", "dino_vitb16", IsName: true)), StringComparison.Ordinal);
        Assert.Contains("expected standard or swiglu, found 'Other standard'", Refused(root => root["mlp_architecture"] = new TorchEnumMember(Enums, "Other", "standard")), StringComparison.Ordinal);
        Assert.Contains("mlp_scores: expected 2 dimensions, none of them empty", Refused(root => root["mlp_scores"] = TensorToWrite.From("", new float[6], 6)), StringComparison.Ordinal);
        Assert.Contains("mlp_scores: expected 2 dimensions, none of them empty", Refused(root => root["mlp_scores"] = TensorToWrite.From("", Array.Empty<float>(), 1L << 40, 0)), StringComparison.Ordinal);
        Assert.Contains("head 1", Refused(root => root["head_scores"] = TensorToWrite.From("", new[] { 0, float.NaN, 0, 0 }, 2, 2)), StringComparison.Ordinal);
        Assert.Contains("expected a score file of the reference, found another PyTorch file", Refused(root => root.Remove("mlp_scores")), StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_reference_cannot_hold_is_not_written()
    {
        ReferenceScores scores = new()
        {
            Scores = new ImportanceScores(new[,] { { 1e300 } }, new[,] { { 1.0 } }),
            Floors = new KeepFloors(),
            ModelType = "dino_vits16",
            Mlp = MlpKind.Standard,
            Width = 1,
            HeadDim = 1,
        };
        Assert.Contains("fit float32", Assert.Throws<SnapViTException>(() => scores.Save(_folder.File("a"))).Message, StringComparison.Ordinal);
        Assert.Contains("found 'vit-z'", Assert.Throws<SnapViTException>(() => (scores with { ModelType = "vit-z" }).Save(_folder.File("a"))).Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names());
    }

    [Fact]
    public void A_file_cut_at_any_hundredth_or_with_any_byte_changed_is_refused_or_read_as_scores()
    {
        ReferenceScores scores = new()
        {
            Scores = new ImportanceScores(new[,] { { 0.5, 2 } }, new[,] { { 1.0, 3 } }),
            Floors = new KeepFloors(),
            ModelType = "dino_vits16",
            Mlp = MlpKind.Standard,
            Width = 4,
            HeadDim = 2,
            Metadata = new Dictionary<string, object?> { ["seed"] = 42L },
        };
        scores.Save(_folder.File("whole"));
        byte[] whole = File.ReadAllBytes(_folder.File("whole"));
        for (int hundredth = 0; hundredth < 100; hundredth++)
        {
            string cut = _folder.Put("cut", whole.AsSpan(0, whole.Length * hundredth / 100));
            Assert.Throws<CheckpointFormatException>(() => ElasticScores.Load(cut));
        }

        for (int at = 0; at < whole.Length; at++)
        {
            byte[] changed = [.. whole];
            changed[at] ^= 0xff;
            string path = _folder.Put("changed", changed);
            try
            {
                Assert.Equal((1, 2, 2), (ElasticScores.Load(path).Local.Depth, ElasticScores.Load(path).Local.Counts[0][Axis.Neurons], ElasticScores.Load(path).Local.Counts[0][Axis.Heads]));
            }
            catch (CheckpointFormatException refusal)
            {
                Assert.DoesNotContain('\n', refusal.Message);
            }
        }
    }

    private static string OfficialFile(string model) => SharedFolder.Require("official", "scores", "imagenet-1k", model + ".pt");

    private static ViTArchitecture ArchitectureOf(ReferenceScores scores) => new ViTArchitecture
    {
        Depth = scores.Scores.Depth,
        EmbedDim = scores.Width,
        Heads = scores.Scores.Counts[0][Axis.Heads],
        HeadDim = scores.HeadDim,
        MlpDim = scores.Scores.Counts[0][Axis.Neurons],
        PatchSize = 16,
        ImageSize = 224,
        Mlp = scores.Mlp,
    }.Validated();

    private static IEnumerable<int> Integers(JsonElement json, string key) => json.GetProperty(key).EnumerateArray().Select(value => value.GetInt32());

    private static int[] Sorted(ReadOnlySpan<int> indices)
    {
        int[] sorted = indices.ToArray();
        Array.Sort(sorted);
        return sorted;
    }

    private static long Check(int[] kept) => kept.Select((neuron, place) => (place + 1L) * neuron).Aggregate(0L, (sum, term) => (sum + term) % CheckModulus);

    /// <summary>Keys in their order, kinds, shapes and plain values, as text.</summary>
    private static string Describe(TorchArchiveReader archive) => Text(archive.Root);

    private static string Text(object? value) => value switch
    {
        IReadOnlyDictionary<string, object?> dictionary => $"{{{string.Join(", ", dictionary.Select(pair => $"{pair.Key}: {Text(pair.Value)}"))}}}",
        IReadOnlyList<object?> list => $"[{string.Join(", ", list.Select(Text))}]",
        TorchTensor tensor => $"{tensor.Type} {string.Join('x', tensor.Shape)}",
        null => "None",
        _ => $"{value.GetType().Name} {value}",
    };

    private string Refused(Action<OrderedDictionary<string, object?>> change)
    {
        OrderedDictionary<string, object?> root = new()
        {
            ["mlp_scores"] = TensorToWrite.From("", new float[6], 2, 3),
            ["head_scores"] = TensorToWrite.From("", new float[4], 2, 2),
            ["model_type"] = new TorchEnumMember(Enums, "ModelType", "DINO_VIT_B_16", IsName: true),
            ["mlp_architecture"] = new TorchEnumMember(Enums, "MLPArchitecture", "standard"),
            ["num_blocks"] = 2L,
            ["hidden_dim"] = 3L,
            ["embed_dim"] = 8L,
            ["num_heads"] = 2L,
            ["head_dim"] = 4L,
            ["min_hidden_dim_keep_ratio"] = 0.05,
            ["min_head_keep_ratio"] = 0L,
            ["metadata"] = new Dictionary<string, object?>(),
        };
        TorchArchiveWriter.Write(_folder.File("right"), root);
        Assert.Equal("dino_vitb16", ReferenceScores.Load(_folder.File("right")).ModelType);
        change(root);
        TorchArchiveWriter.Write(_folder.File("wrong"), root);
        string message = Assert.Throws<CheckpointFormatException>(() => ReferenceScores.Load(_folder.File("wrong"))).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
