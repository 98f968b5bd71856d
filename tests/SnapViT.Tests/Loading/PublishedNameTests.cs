using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Tests.Loading;

/// <summary>A checkpoint in the cache of the hub, without any config beside it: its name is all that says how images become its input.</summary>
public sealed class PublishedNameTests
{
    private const string Augreg = "timm--vit_small_patch16_224.augreg_in21k_ft_in1k";

    private static readonly ViTArchitecture S16 = new() { Depth = 12, EmbedDim = 384, Heads = 6, HeadDim = 64, MlpDim = 1536, PatchSize = 16, ImageSize = 224, Classes = 1000 };

    [Fact]
    public void A_name_of_timm_maps_to_the_table_of_known_models()
    {
        ModelDescription found = Describe(S16, Augreg);
        Assert.Equal(S16, found.Architecture);
        Assert.Equal(Preprocessing.Named("augreg", 224), found.Preprocessing);
        string source = "table of known models (timm/vit_small_patch16_224.augreg_in21k_ft_in1k)";
        Assert.Equal([source, source, source], found.Sources.Where(row => row.Fact.Split(' ')[0] is "heads" or "activation" or "preprocessing").Select(row => row.Source));
    }

    [Fact]
    public void The_same_file_elsewhere_leaves_the_preprocessing_open() => Assert.Null(Describe(S16, "org--vit_small_patch16_224.augreg_in21k_ft_in1k").Preprocessing);

    [Fact]
    public void Another_image_size_keeps_the_share_of_the_image() =>
        Assert.Equal((384, 248 * 384 / 224), Describe(S16, Augreg, new ModelHints { ImageSize = 384 }).Preprocessing is { } images ? (images.Side, images.ResizeTo) : default);

    [Fact]
    public void A_file_that_is_not_what_its_name_says_is_refused() => Assert.Contains(
        "the name timm/vit_small_patch16_224.augreg_in21k_ft_in1k is of another model: expected width 768, as the tensors have it, found 384",
        Assert.Throws<CheckpointFormatException>(() => Describe(S16 with { EmbedDim = 768, Heads = 12, MlpDim = 3072 }, Augreg)).Message,
        StringComparison.Ordinal);

    [Fact]
    public void A_flag_that_contradicts_the_name_is_refused()
    {
        Assert.Contains("--num-heads: expected 6, which table of known models", Refused(new ModelHints { Heads = 12 }), StringComparison.Ordinal);
        Assert.Contains("--activation: expected gelu-erf, which table of known models", Refused(new ModelHints { Activation = Activation.QuickGelu }), StringComparison.Ordinal);

        static string Refused(ModelHints hints) => Assert.Throws<CheckpointFormatException>(() => Describe(S16, Augreg, hints)).Message;
    }

    // golden/real_models.json: timm's own configurations. Of SigLIP2 they say a crop that open_clip, which the reference runs it by, does not do.
    [Theory]
    [MemberData(nameof(RealModelTests.Names), MemberType = typeof(RealModelTests))]
    public void The_settings_of_the_table_are_those_that_timm_publishes(string model)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "real_models.json")));
        JsonElement timm = json.RootElement.GetProperty("timm_cfgs").GetProperty(model);
        PublishedModel known = KnownModels.Named(timm.GetProperty("hf_hub_id").GetString()!)!;
        int side = timm.GetProperty("input_size")[1].GetInt32();
        Preprocessing images = Preprocessing.Named(known.Preprocessing!, side);
        Assert.Equal(Floats("mean"), images.Mean);
        Assert.Equal(Floats("std"), images.Std);
        Assert.Equal(known.Preprocessing == "siglip" ? side : (int)(side / timm.GetProperty("crop_pct").GetDouble()), images.ResizeTo);

        float[] Floats(string name) => [.. timm.GetProperty(name).EnumerateArray().Select(value => value.GetSingle())];
    }

    private static ModelDescription Describe(ViTArchitecture architecture, string folder, ModelHints? hints = null)
    {
        using ShapesOnly file = ShapesOnly.Of(architecture.Validated());
        using ShapesOnly cached = new(file.Tensors.Values) { Path = $"/cache/models--{folder}/snapshots/{new string('a', 40)}/model.safetensors" };
        return ModelFile.Describe(cached, hints ?? ModelHints.None);
    }
}
