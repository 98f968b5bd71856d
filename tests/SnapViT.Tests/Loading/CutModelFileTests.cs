using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Tests.Export;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Loading;

public sealed class CutModelFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-cut-").FullName;

    public static TheoryData<string> Families => [.. TinyModels.Families.Keys];

    public static TheoryData<string, string> Files =>
        [.. TinyModels.Families.Keys.SelectMany(family => new[] { ".safetensors", ".pt" }.Select(extension => (family, extension)))];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, LeakCheck, MemberData(nameof(Files))]
    public void A_model_that_is_smaller_on_every_axis_opens_again_and_gives_the_same_features(string family, string extension)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.EveryAxis(family));
        string path = Save(model, extension);
        using LoadedModel loaded = ModelFile.Load(path);
        Assert.Equal(model.Widths, loaded.Model.Widths);
        Assert.True(loaded.IsPruned);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 2);
        loaded.Model.Embed(images).ShouldBeWithin(0, model.Embed(images));
        loaded.Model.Tokens(images).ShouldBeWithin(0, model.Tokens(images));
    }

    [Fact, LeakCheck]
    public void A_cut_file_that_lost_its_config_is_refused_by_the_layer_that_shows_it()
    {
        using VisionTransformer model = TinyModels.Create("vit", TinyModels.EveryAxis("vit"));
        string path = Save(model, ".pt");
        File.Delete(ModelFile.ConfigPath(path));
        CheckpointFormatException refused = Assert.Throws<CheckpointFormatException>(() => ModelFile.Load(path, heads: 3).Dispose());
        Assert.Contains("'blocks.0.attn.qkv.weight': expected 30 rows", refused.Message, StringComparison.Ordinal);
        Assert.Contains("dimensions inside heads were cut", refused.Message, StringComparison.Ordinal);
        Assert.Contains("cut.config.json", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);

        TorchStateDict.Save(path, model);
        Assert.Throws<CheckpointFormatException>(() => ModelFile.Load(path, heads: 3).Dispose());
    }

    [Theory, LeakCheck]
    [InlineData("timm", null)]
    [InlineData("transformers-vit", "format transformers-vit: expected queries, keys and values of one width, found 6 and 5 dimensions of a head in block 0")]
    public void Heads_of_unequal_widths_are_written_in_formats_that_keep_their_rows_in_one_layer_only(string format, string? fault)
    {
        using VisionTransformer model = TinyModels.Create("vit", TinyModels.EveryAxis("vit"));
        string path = Save(model, ".safetensors"), converted = Path.Combine(_folder, "converted.pt");
        using CanonicalArchive archive = ModelFile.OpenCanonical(path);
        void Convert() => StateDictConversion.Write(archive, model.Architecture, model.Widths, StateDictFormats.Named(format), converted);
        if (fault is null)
        {
            Convert();
            ModelFile.SaveConfig(converted, ModelConfig.Of(model.Architecture, model.Widths, model.Weights.RotaryPairs));
            using LoadedModel loaded = ModelFile.Load(converted);
            using DisposeScope scope = NewDisposeScope();
            Tensor images = TinyModels.Images(model.Architecture, 1);
            loaded.Model.Embed(images).ShouldBeWithin(0, model.Embed(images));
            return;
        }

        Assert.Contains(fault, Assert.Throws<SnapViTException>(Convert).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(converted));
    }

    [Fact]
    public void A_config_names_what_is_kept_of_the_other_axes_only_where_they_are_not_whole()
    {
        ViTArchitecture a = TinyModels.Families["vit"].Validated();
        string heads = ModelConfig.Of(a, TinyModels.Uneven(a)).ToJson(), all = ModelConfig.Of(a, TinyModels.EveryAxis(a)).ToJson();
        Assert.EndsWith("\"Heads\":[2,0,3],\"Neurons\":[17,40,0],\"Preprocessing\":null,\"Provenance\":{}}", heads, StringComparison.Ordinal);
        Assert.Contains(
            "\"Heads\":[2,3,1],\"Neurons\":[17,40,9],\"QueryKeyDims\":[6,3,4],\"ValueDims\":[5,8,4],\"Tokens\":[12,8,1]", all, StringComparison.Ordinal);
        Assert.Equal(TinyModels.EveryAxis(a), ModelConfig.FromJson(all).Widths());
        Assert.Equal(TinyModels.Uneven(a), ModelConfig.FromJson(heads).Widths());
    }

    [Theory]
    [InlineData("[12,8,1]", "[12,8]", "3 of heads and 2 of tokens")]
    [InlineData("[12,8,1]", "[12,13,1]", "block 1: expected 7 to 12 tokens")]
    [InlineData("[12,8,1]", "[12,8,2]", "block 2: expected 8 tokens")]
    [InlineData("[6,3,4]", "[6,9,4]", "at most 8 q/k dims, found 9")]
    [InlineData("[6,3,4]", "[6,0,4]", "heads of at least 1 dimension")]
    [InlineData("[5,8,4]", "[5,8,-4]", "must not be negative")]
    public void Impossible_widths_of_a_config_are_refused(string written, string changed, string fault)
    {
        ViTArchitecture a = TinyModels.Families["vit"].Validated();
        string json = ModelConfig.Of(a, TinyModels.EveryAxis(a)).ToJson().Replace(written, changed, StringComparison.Ordinal);
        Assert.Contains(fault, Assert.Throws<FormatException>(() => ModelConfig.FromJson(json)).Message, StringComparison.Ordinal);
    }

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void Model_layout_and_checkpoint_layout_are_each_other_s_inverse(string family)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.EveryAxis(family));
        using DisposeScope scope = NewDisposeScope();
        foreach (ParameterSpec parameter in model.Weights.Table)
        {
            Tensor inCheckpoint = parameter.ToCheckpoint(model.Weights[parameter]);
            Assert.Equal(parameter.Shape, inCheckpoint.shape);
            Tensor inModel = parameter.ToModel(inCheckpoint);
            Assert.Equal(parameter.ModelShape, inModel.shape);
            parameter.ToCheckpoint(inModel).ShouldBeWithin(0, inCheckpoint);
        }
    }

    private string Save(VisionTransformer model, string extension)
    {
        string path = Path.Combine(_folder, "cut" + extension);
        ModelConfig config = ModelConfig.Of(model.Architecture, model.Widths, model.Weights.RotaryPairs);
        ModelFile.Save(path, model, config);
        ModelFile.SaveConfig(path, config);
        return path;
    }
}
