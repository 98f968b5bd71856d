using System.Security.Cryptography;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Tests.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Loading;

[LeakCheck]
public sealed class ModelFileTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    private string Path => System.IO.Path.Combine(_folder.Root, "model.safetensors");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(SmallModels.Families), MemberType = typeof(SmallModels))]
    public void A_model_comes_back_bit_for_bit(string family) => AssertRoundTrip(family, pruned: false);

    [Theory]
    [MemberData(nameof(SmallModels.Families), MemberType = typeof(SmallModels))]
    public void A_pruned_model_comes_back_bit_for_bit(string family) => AssertRoundTrip(family, pruned: true);

    [Fact]
    public void The_same_model_gives_the_same_bytes()
    {
        byte[] first = File.ReadAllBytes(SmallModels.Save(Path, SmallModels.Vit));
        Assert.Equal(first, File.ReadAllBytes(SmallModels.Save(Path, SmallModels.Vit)));
        Assert.NotEqual(first, File.ReadAllBytes(SmallModels.Save(Path, SmallModels.Vit, seed: 2)));
    }

    [Fact]
    public void The_hash_of_a_model_is_the_sha256_of_its_file()
    {
        SmallModels.Save(Path, SmallModels.Vit);
        using LoadedModel model = ModelFile.Load(Path);
        string expected = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path)));
        Assert.Equal(expected, model.Sha256);
        Assert.Equal(expected, ModelFile.Hash(Path));
    }

    [Fact]
    public void What_a_file_says_about_its_model_comes_back()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        ModelConfig config = SmallModels.Config(model) with { Provenance = new Dictionary<string, string> { ["seed"] = "7" } };
        ModelFile.Save(Path, model, config);
        using LoadedModel loaded = ModelFile.Load(Path);
        Assert.Equal(config.Architecture, loaded.Description.Architecture);
        Assert.Equal(config.Preprocessing!.Describe(), loaded.Preprocessing!.Describe());
        Assert.Equal(config.Provenance, loaded.Description.Provenance);
    }

    // Names that are lost make folders of classes be matched by their order.
    [Fact]
    public void Names_of_classes_come_back_also_of_a_cut_and_of_a_cut_of_it_and_go_with_another_classifier()
    {
        string[] names = [.. Enumerable.Range(0, SmallModels.Vit.Classes).Select(index => $"class {index}")];
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        ModelFile.Save(Path, model, SmallModels.Config(model) with { ClassNames = names });
        ElasticScores scores = new(
            SmallModels.Scores(SmallModels.Vit), ScoreCoefficients.Initial(SmallModels.Vit.FullWidths), new KeepFloors(), new Dictionary<string, string>());
        using LoadedModel loaded = ModelFile.Load(Path);
        using (ElasticViT elastic = ElasticViT.Open(loaded, scores))
        using (Subnet small = elastic.Cut(Budget.Flops(0.7)))
        {
            small.Save(Path + ".small.safetensors");
        }

        Assert.Equal(names, loaded.ClassNames);
        using LoadedModel cut = ModelFile.Load(Path + ".small.safetensors");
        Assert.Equal(names, cut.ClassNames);
        CheckpointEdits.WithTensors(Path, tensors => tensors.Remove("head.weight"));
        CheckpointEdits.WithTensors(Path, tensors => tensors.Remove("head.bias"));
        using SafetensorsReader headless = SafetensorsReader.Open(Path);
        Assert.Empty(ModelFile.Describe(headless).ClassNames);
        Assert.Throws<FormatException>(() => ModelConfig.FromJson((SmallModels.Config(model) with { ClassNames = ["one"] }).ToJson()));
    }

    [Fact]
    public void A_published_checkpoint_with_the_heads_said_is_the_same_model()
    {
        SmallModels.Save(Path, SmallModels.Vit);
        CheckpointEdits.WithTensors(Path, _ => { }, keepMetadata: false);
        using LoadedModel loaded = ModelFile.Load(Path, heads: 4);
        using VisionTransformer original = SmallModels.Create(SmallModels.Vit);
        Assert.Equal(SmallModels.Vit, loaded.Model.Architecture);
        AssertSameBits(original, loaded.Model);
    }

    // timm 0.4, models from ImageNet-21k: the classifier reads a layer of its own behind the feature.
    [Fact]
    public void A_model_with_pre_logits_is_the_backbone_and_its_classifier_is_said_to_be_left_out()
    {
        SmallModels.Save(Path, SmallModels.Vit);
        CheckpointEdits.WithTensors(
            Path,
            tensors =>
            {
                tensors["pre_logits.fc.weight"] = TensorToWrite.From("pre_logits.fc.weight", new float[16 * 16], 16, 16);
                tensors["pre_logits.fc.bias"] = TensorToWrite.From("pre_logits.fc.bias", new float[16], 16);
            },
            keepMetadata: false);
        using LoadedModel loaded = ModelFile.Load(Path, new ModelHints { Heads = 4, ImageSize = SmallModels.Vit.ImageSize });
        using VisionTransformer original = SmallModels.Create(SmallModels.Vit);
        using Tensor images = SmallModels.Images(SmallModels.Vit, 2);
        using Tensor expected = original.Embed(images), features = loaded.Model.Embed(images);
        Assert.Equal(expected.data<float>().ToArray(), features.data<float>().ToArray());
        Assert.Equal(0, loaded.Model.Architecture.Classes);
        Assert.Equal(["head.bias", "head.weight", "pre_logits.fc.bias", "pre_logits.fc.weight"], loaded.Description.UnusedTensors.Order());
        string said = Assert.Single(loaded.Doubts(loaded.PreprocessingOrReference));
        Assert.StartsWith("classes: the file has a classifier that is left out", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_precision_in_a_file_becomes_float32()
    {
        SmallModels.Save(Path, SmallModels.Vit);
        CheckpointEdits.WithTensors(Path, tensors => tensors["norm.bias"] =
            new TensorToWrite("norm.bias", TensorType.BFloat16, [16], stream => stream.Write(Enumerable.Repeat<byte[]>([0xc0, 0x3f], 16).SelectMany(pair => pair).ToArray())));
        using LoadedModel loaded = ModelFile.Load(Path);
        Assert.Equal(Enumerable.Repeat(1.5f, 16), loaded.Model.Weights["norm.bias"].data<float>());
    }

    [Fact]
    public void A_model_is_described_without_reading_a_weight()
    {
        SmallModels.Save(Path, SmallModels.Vit, SmallModels.Uneven(SmallModels.Vit));
        using SafetensorsReader file = SafetensorsReader.Open(Path);
        using ShapesOnly archive = new(file.Tensors.Values) { Path = file.Path, Metadata = file.Metadata };
        ModelDescription description = ModelFile.Describe(archive);
        Assert.Equal(SmallModels.Vit, description.Architecture);
        Assert.Equal(SmallModels.Uneven(SmallModels.Vit), description.Widths);
    }

    [Theory]
    [InlineData(192, 12, 3)]
    [InlineData(768, 12, 12)]
    [InlineData(1024, 24, 16)]
    [InlineData(1280, 32, 16)]
    public void A_published_size_is_known_by_its_shapes_alone(int width, int depth, int heads)
    {
        ViTArchitecture known = new()
        {
            Depth = depth, EmbedDim = width, Heads = heads, HeadDim = width / heads, MlpDim = 4 * width, PatchSize = 16, ImageSize = 224, Classes = 1000,
        };
        using ShapesOnly archive = ShapesOnly.Of(known);
        Assert.Equal(known, ModelFile.Describe(archive).Architecture);
    }

    private void AssertRoundTrip(string family, bool pruned)
    {
        ViTArchitecture architecture = SmallModels.Architecture(family);
        using VisionTransformer original = SmallModels.Create(architecture, pruned ? SmallModels.Uneven(architecture) : null);
        ModelFile.Save(Path, original, SmallModels.Config(original));
        using LoadedModel loaded = ModelFile.Load(Path);
        Assert.Equal(pruned, loaded.IsPruned);
        Assert.Equal(architecture, loaded.Model.Architecture);
        AssertSameBits(original, loaded.Model);
        using Tensor images = SmallModels.Images(architecture, 2);
        using Tensor expected = original.Embed(images);
        using Tensor features = loaded.Model.Embed(images);
        Assert.Equal(expected.data<float>().ToArray(), features.data<float>().ToArray());
    }

    private static void AssertSameBits(VisionTransformer expected, VisionTransformer actual)
    {
        Assert.Equal(expected.Widths, actual.Widths);
        Assert.Equal(expected.Weights.Tensors.Keys.Order(), actual.Weights.Tensors.Keys.Order());
        foreach ((string name, Tensor tensor) in expected.Weights.Tensors)
        {
            Assert.Equal(tensor.shape, actual.Weights[name].shape);
            Assert.True(tensor.bytes.SequenceEqual(actual.Weights[name].bytes), name);
        }
    }
}
