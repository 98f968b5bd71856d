using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Tests.Loading;

public sealed class ArchitectureInferenceTests : IDisposable
{
    private static readonly ViTArchitecture Small = new()
    {
        Depth = 2, EmbedDim = 24, Heads = 3, HeadDim = 8, MlpDim = 40, PatchSize = 4, ImageSize = 16, Classes = 5,
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-inference-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Facts as facebook/dinov2-small, google/vit-base-patch16-224, google/siglip-base-patch16-224 and openai/clip-vit-base-patch32 publish theirs.
    [Theory]
    [InlineData("transformers-vit", """{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "image_size": 16}""", 6, Activation.GeluErf, 1e-12)]
    [InlineData("transformers-vit", """{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-5}""", 2, Activation.GeluTanh, 1e-5)]
    [InlineData("transformers-vit", """{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2}""", 12, Activation.GeluErf, 1e-12)]
    [InlineData("timm", """{"model_cfg": {"vision_cfg": {"width": 24, "layers": 2, "head_width": 4, "image_size": 16}, "quick_gelu": true}}""", 6, Activation.QuickGelu, 1e-6)]
    public void A_config_beside_the_file_says_what_no_shape_shows(string format, string json, int heads, Activation activation, double epsilon)
    {
        ModelDescription found = Describe(Small, format, json);
        Assert.Equal((heads, activation, epsilon), (found.Architecture.Heads, found.Architecture.Activation, found.Architecture.LayerNormEpsilon));
        Assert.Contains(found.Sources, source => source.Fact == $"heads {heads}" && source.Source.EndsWith("config.json", StringComparison.Ordinal));
    }

    [Fact]
    public void The_tower_of_a_two_tower_config_is_read_with_its_defaults()
    {
        ViTArchitecture clip = Small with { Classes = 0, HasPreNorm = true, HasPatchBias = false, ProjectionDim = 6, LayerNormEpsilon = 1e-5, Activation = Activation.QuickGelu };
        ModelDescription found = Describe(clip, "transformers-clip", """{"model_type": "clip", "projection_dim": 6, "vision_config": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}}""");
        Assert.Equal(clip, found.Architecture);
    }

    [Fact]
    public void What_timm_says_of_images_is_read()
    {
        ModelDescription found = Describe(Small, "timm", """
            {"architecture": "vit_tiny_patch4_16", "num_features": 24, "pretrained_cfg": {"input_size": [3, 16, 16], "crop_pct": 0.5, "interpolation": "bilinear", "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 0.5]}}
            """);
        Assert.Equal(new Preprocessing { Side = 16, ResizeTo = 32, Interpolation = Interpolation.Bilinear, Mean = [0.5f, 0.5f, 0.5f], Std = [0.25f, 0.5f, 0.5f] }, found.Preprocessing);
        Assert.Contains(found.Sources, source => source.Fact.StartsWith("preprocessing", StringComparison.Ordinal) && source.Source == "config.json");
    }

    [Theory]
    [InlineData("""{"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 20}, "crop_size": {"height": 16, "width": 16}, "do_center_crop": true, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""", ResizeMode.ShortSideThenCentre, 20, Interpolation.Bicubic, false)]
    [InlineData("""{"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}, "resample": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""", ResizeMode.Squash, 16, Interpolation.Bilinear, false)]
    [InlineData("""{"feature_extractor_type": "CLIPFeatureExtractor", "size": 16, "crop_size": 16, "do_center_crop": true, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""", ResizeMode.ShortSideThenCentre, 16, Interpolation.Bicubic, false)]
    [InlineData("""{"image_processor_type": "DINOv3ViTImageProcessorFast", "size": {"height": 16, "width": 16}, "resample": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""", ResizeMode.Squash, 16, Interpolation.Bilinear, true)]
    public void What_transformers_says_of_images_is_read(string json, ResizeMode mode, int resizeTo, Interpolation filter, bool inFloat)
    {
        File.WriteAllText(Path.Combine(_folder, "preprocessor_config.json"), json);
        Preprocessing found = Describe(Small, "timm", null).Preprocessing!;
        Assert.Equal((16, resizeTo, mode, filter, inFloat), (found.Side, found.ResizeTo, found.Mode, found.Interpolation, found.ResizeInFloat));
        Assert.Equal([0.5f, 0.5f, 0.5f], found.Mean);
    }

    // facebook/dinov2-small: positions for 518 pixels, images of 224.
    [Fact]
    public void A_preprocessing_for_another_size_is_brought_to_the_model_s()
    {
        File.WriteAllText(Path.Combine(_folder, "preprocessor_config.json"), """{"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 10}, "crop_size": {"height": 8, "width": 8}, "do_center_crop": true, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""");
        Assert.Equal((16, 20), (Describe(Small, "timm", null).Preprocessing!.Side, Describe(Small, "timm", null).Preprocessing!.ResizeTo));
        Preprocessing asked = Describe(Small, "timm", null, new ModelHints { Heads = 3, ImageSize = 8 }).Preprocessing!;
        Assert.Equal((8, 10), (asked.Side, asked.ResizeTo));
    }

    [Fact]
    public void Families_with_one_published_setting_have_it_without_a_config()
    {
        ViTArchitecture deit3 = Small with { Position = PositionEmbedding.PatchesOnly, HasLayerScale = true };
        Assert.Equal(Preprocessing.Named("deit3", 16), Describe(deit3, "timm", null).Preprocessing);
        Assert.Equal(
            Preprocessing.Named("dinov3", 224),
            Describe(Small with { Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true }, "dinov3", null).Preprocessing);
        Assert.Null(Describe(Small, "timm", null).Preprocessing);
    }

    // Resizing to a square and cropping that, as DeiT's processor does, is no preprocessing here: nothing is said rather than something like it.
    [Fact]
    public void A_preprocessing_that_cannot_be_done_is_not_guessed()
    {
        File.WriteAllText(Path.Combine(_folder, "preprocessor_config.json"), """{"image_processor_type": "DeiTImageProcessor", "size": 20, "crop_size": 16, "do_center_crop": true, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""");
        Assert.Null(Describe(Small, "timm", null).Preprocessing);
    }

    [Theory]
    [InlineData("""{"model_type": "vit", "hidden_size": 768}""", "config.json beside it is of another model: expected hidden_size 24, as the tensors have it, found 768")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 12}""", "expected num_hidden_layers 2")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 5}""", "expected heads that divide the width 24, found 5")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "hidden_act": "relu"}""", "expected an activation gelu, gelu_pytorch_tanh or quick_gelu, found 'relu'")]
    [InlineData("""{"model_type": "llama"}""", "model_type 'llama'; expected one of vit, deit")]
    [InlineData("""{"model_type": "vit", "hidden_size": "many"}""", "hidden_size is no integer")]
    [InlineData("""{"model_type": 7}""", "model_type is no text")]
    [InlineData("{", "expected the config of a model")]
    public void A_config_that_is_wrong_or_of_another_model_is_refused(string json, string fault) =>
        Assert.Contains(fault, Refused(() => Describe(Small, "timm", json)), StringComparison.Ordinal);

    [Fact]
    public void A_json_file_that_is_no_config_is_passed_over() =>
        Assert.Equal(3, Describe(Small, "timm", """{"family": "timm_vit", "kind": "timm"}""", new ModelHints { Heads = 3 }).Architecture.Heads);

    [Fact]
    public void A_doubt_is_an_error_that_says_what_to_pass()
    {
        ViTArchitecture clip = Small with { Classes = 0, HasPreNorm = true, HasPatchBias = false, ProjectionDim = 6 };
        Assert.Contains("pass --num-heads", Refused(() => Describe(Small, "timm", null, ModelHints.None)), StringComparison.Ordinal);
        Assert.Contains("pass --activation", Refused(() => Describe(clip, "open_clip", null, new ModelHints { Heads = 3 })), StringComparison.Ordinal);
        Assert.Contains("expected heads that divide the width 24, found 7", Refused(() => Describe(Small, "timm", null, new ModelHints { Heads = 7 })), StringComparison.Ordinal);
    }

    [Fact]
    public void A_flag_that_contradicts_a_config_is_refused()
    {
        const string Json = """{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}""";
        Assert.Contains("--num-heads: expected 3, which config.json says, found 6", Refused(() => Describe(Small, "timm", Json, new ModelHints { Heads = 6 })), StringComparison.Ordinal);
        Assert.Contains("--activation: expected gelu-erf, which config.json says, found quick-gelu", Refused(() => Describe(Small, "timm", Json, new ModelHints { Activation = Activation.QuickGelu })), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(9, "9 positions can be of 2x2 patches or of 3x3 patches")]
    [InlineData(11, "expected positions of a square of patches and of up to 5 tokens before them, found 11")]
    public void Positions_that_fit_two_readings_or_none_are_refused(long positions, string fault)
    {
        TensorEntry[] file = [.. Entries(Small with { RegisterTokens = 4 }, "timm").Select(entry => entry.Name == "pos_embed" ? new TensorEntry("pos_embed", entry.Type, [1, positions, 24]) : entry)];
        using ShapesOnly archive = new(file);
        Assert.Contains(fault, Refused(() => ModelFile.Describe(archive, new ModelHints { Heads = 3 })), StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_and_unexpected_tensors_are_listed_with_the_names_of_the_file()
    {
        using ShapesOnly incomplete = new(Entries(Small, "transformers-vit").Where(entry => !entry.Name.Contains("layernorm_after", StringComparison.Ordinal)));
        Assert.Contains(
            "tensor 'vit.encoder.layer.0.layernorm_after.weight': expected shape [24], found no such tensor (nor vit.encoder.layer.0.layernorm_after.bias, vit.encoder.layer.1.layernorm_after.weight",
            Refused(() => ModelFile.Describe(incomplete, new ModelHints { Heads = 3 })),
            StringComparison.Ordinal);
        using ShapesOnly more = new([.. Entries(Small, "timm"), new TensorEntry("head_dist.weight", TensorType.Float32, [5, 24])]);
        Assert.Contains("tensor 'head_dist.weight': this architecture has no such tensor", Refused(() => ModelFile.Describe(more, new ModelHints { Heads = 3 })), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pruned_block_that_is_no_number_of_heads_is_refused()
    {
        using ShapesOnly file = new(Entries(Small, "timm").Select(entry => entry.Name == "blocks.1.attn.proj.weight" ? new TensorEntry(entry.Name, entry.Type, [24, 12]) : entry));
        Assert.Contains("tensor 'blocks.1.attn.proj.weight': expected a multiple of the head width 8 up to 24, found 12 columns", Refused(() => ModelFile.Describe(file, new ModelHints { Heads = 3 })), StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_patches_are_refused()
    {
        using ShapesOnly file = new(Entries(Small, "timm").Select(entry => entry.Name == "patch_embed.proj.weight" ? new TensorEntry(entry.Name, entry.Type, [24, 3, 0, 0]) : entry));
        Assert.Contains("expected square patches, found shape [24, 3, 0, 0]", Refused(() => ModelFile.Describe(file, new ModelHints { Heads = 3 })), StringComparison.Ordinal);
    }

    private static IEnumerable<TensorEntry> Entries(ViTArchitecture architecture, string format)
    {
        using ShapesOnly file = ShapesOnly.Of(architecture, format);
        return file.Tensors.Values;
    }

    private static string Refused(Action action)
    {
        string message = Assert.Throws<CheckpointFormatException>(action).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    private ModelDescription Describe(ViTArchitecture architecture, string format, string? config, ModelHints? hints = null)
    {
        string path = Path.Combine(_folder, "model.safetensors");
        IEnumerable<TensorToWrite> zeros = ParameterTable.For(architecture, architecture.FullWidths)
            .Select(parameter => new TensorToWrite(parameter.Name, TensorType.Float32, parameter.Shape, stream => stream.Write(new byte[parameter.Elements * sizeof(float)])));
        SafetensorsWriter.Write(path, StateDictWriter.ToFormat(StateDictFormats.Named(format), architecture, zeros));
        if (config is not null)
        {
            bool openClip = config.Contains("model_cfg", StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(_folder, openClip ? "open_clip_config.json" : "config.json"), config);
        }

        using CanonicalArchive archive = ModelFile.OpenCanonical(path);
        return ModelFile.Describe(archive, hints ?? new ModelHints { Heads = config is null || config.Contains("architecture", StringComparison.Ordinal) ? 3 : null });
    }
}
