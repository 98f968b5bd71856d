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
            Preprocessing.Named("torchvision", 16),
            Describe(Small, "torchvision", null).Preprocessing);
        Assert.Equal(Preprocessing.Named("dinov3", 224), Describe(Small with { Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true }, "dinov3", null).Preprocessing);
        Assert.Null(Describe(Small, "timm", null).Preprocessing);
    }

    // CLIP's two normalisations: mlfoundations/open_clip, pretrained.py.
    [Fact]
    public void A_family_with_several_published_settings_is_a_doubt_that_a_config_or_the_publisher_ends()
    {
        ViTArchitecture clip = Small with { Classes = 0, HasPreNorm = true, HasPatchBias = false, ProjectionDim = 6 };
        ModelHints hints = new() { Heads = 3, Activation = Activation.GeluErf };
        ModelDescription found = Describe(clip, "open_clip", null, hints);
        Assert.Null(found.Preprocessing);
        Assert.Contains("pass --preprocess clip ", found.PreprocessingDoubt, StringComparison.Ordinal);
        Assert.Contains("clip-half", found.PreprocessingDoubt, StringComparison.Ordinal);

        using ShapesOnly openAi = new([.. Entries(clip, "open_clip"), new TensorEntry("input_resolution", TensorType.Int64, [])]);
        Assert.Equal(Preprocessing.Named("clip", 16), ModelFile.Describe(openAi, hints).Preprocessing);
        File.WriteAllText(Path.Combine(_folder, "preprocessor_config.json"), """{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 16}, "crop_size": 16, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""");
        Assert.Equal(Preprocessing.Named("clip-half", 16), Describe(clip, "open_clip", null, hints).Preprocessing);
    }

    [Theory]
    [InlineData("dinov3_vitl16_pretrain_sat493m-eadcf0ff.safetensors", "dinov3-sat")]
    [InlineData("dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.safetensors", "dinov3")]
    [InlineData("model.safetensors", null)]
    public void The_name_of_a_published_file_decides_dinov3_s_normalisation(string name, string? setting)
    {
        ViTArchitecture dinov3 = Small with
        {
            Depth = 24, EmbedDim = 1024, Heads = 16, HeadDim = 64, MlpDim = 4096, PatchSize = 16, ImageSize = 224,
            Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true,
        };
        using ShapesOnly file = new(Entries(dinov3, "dinov3")) { Path = name };
        ModelDescription found = ModelFile.Describe(file);
        Assert.Equal(setting is null ? null : Preprocessing.Named(setting, 224), found.Preprocessing);
        Assert.Equal(setting is null, found.PreprocessingDoubt?.Contains("pass --preprocess dinov3", StringComparison.Ordinal) ?? false);
    }

    // facebookresearch/moco-v3, vits.py: a ViT-S of 12 heads.
    [Theory]
    [InlineData("model.safetensors", "", null)]
    [InlineData("vit-s-300ep.safetensors", "", 12)]
    [InlineData("dino_deitsmall16_pretrain.safetensors", "", 6)]
    [InlineData("model.safetensors", "module.base_encoder.", 12)]
    public void A_plain_ViT_S_without_a_name_is_a_doubt(string name, string prefix, int? heads)
    {
        ViTArchitecture small = Small with { Depth = 12, EmbedDim = 384, Heads = 6, HeadDim = 64, MlpDim = 1536, PatchSize = 16, ImageSize = 224, Classes = 0 };
        using ShapesOnly file = new(Entries(small, "timm").Select(entry => new TensorEntry(prefix + entry.Name, entry.Type, entry.Shape))) { Path = Path.Combine("nowhere", name) };
        if (heads is int known)
        {
            Assert.Equal(known, ModelFile.Describe(file).Architecture.Heads);
        }
        else
        {
            Assert.Contains("pass --num-heads 6 or --num-heads 12", Refused(() => ModelFile.Describe(file)), StringComparison.Ordinal);
            Assert.Equal(12, ModelFile.Describe(file, heads: 12).Architecture.Heads);
        }
    }

    [Fact]
    public void The_rotary_base_is_read_in_its_old_and_its_new_place()
    {
        ViTArchitecture dinov3 = Small with { Classes = 0, Position = PositionEmbedding.Rotary, HasLayerScale = true };
        const string Start = """{"model_type": "dinov3_vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, """;
        Assert.Equal(10000, Describe(dinov3, "transformers-dinov3", Start + """ "rope_theta": 10000}""").Architecture.RotaryBase);
        Assert.Equal(10000, Describe(dinov3, "transformers-dinov3", Start + """ "rope_parameters": {"rope_type": "default", "rope_theta": 10000}}""").Architecture.RotaryBase);
        Assert.Equal(100, Describe(dinov3, "transformers-dinov3", Start + """ "patch_size": 4}""").Architecture.RotaryBase);
    }

    // CLIPA: pool_type avg, then the norm (open_clip, transformer.py).
    [Theory]
    [InlineData("\"pool_type\": \"avg\", \"final_ln_after_pool\": true", Pooling.AveragePatches, true)]
    [InlineData("\"pool_type\": \"avg\"", Pooling.AveragePatches, false)]
    [InlineData("\"global_average_pool\": true", Pooling.AveragePatches, false)]
    [InlineData("\"pool_type\": \"tok\", \"final_ln_after_pool\": true", Pooling.ClassToken, false)]
    [InlineData("\"no_ln_pre\": true", Pooling.ClassToken, false)]
    public void The_pooling_of_a_config_is_used(string facts, Pooling pooling, bool after)
    {
        ViTArchitecture clipa = Small with { Classes = 0, HasPatchBias = false, ProjectionDim = 6 };
        ViTArchitecture found = Describe(clipa, "open_clip", $$$"""{"model_cfg": {"vision_cfg": {"image_size": 16, "layers": 2, "width": 24, "head_width": 8, "patch_size": 4, {{{facts}}} } } }""").Architecture;
        Assert.Equal((pooling, after), (found.Pooling, found.NormAfterPool));
    }

    [Fact]
    public void Names_of_classes_are_kept_in_their_order()
    {
        const string Start = """{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": [16, 16], """;
        Assert.Equal(
            ["a", "b", "c", "d", "e"],
            Describe(Small, "transformers-vit", Start + """ "id2label": {"1": "b", "0": "a", "2": "c", "4": "e", "3": "d"}}""").ClassNames);
        Assert.Empty(Describe(Small, "transformers-vit", Start + """ "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2", "3": "LABEL_3", "4": "LABEL_4"}}""").ClassNames);
        Assert.Equal(
            ["a", "b", "c", "d", "e"],
            Describe(Small, "timm", """{"model_type": "timm_wrapper", "architecture": "vit_x", "model_args": {"num_heads": 3}, "label_names": ["a", "b", "c", "d", "e"]}""").ClassNames);
    }

    [Fact]
    public void A_config_may_begin_with_a_byte_order_mark()
    {
        const string Json = """{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6}""";
        foreach (System.Text.Encoding encoding in new System.Text.Encoding[] { new System.Text.UTF8Encoding(true), System.Text.Encoding.Unicode, System.Text.Encoding.BigEndianUnicode })
        {
            File.WriteAllText(Path.Combine(_folder, "config.json"), Json, encoding);
            Assert.Equal(6, Describe(Small, "timm", null, ModelHints.None).Architecture.Heads);
        }
    }

    [Theory]
    [InlineData("resample", "1", "resample: expected 2 (bilinear) or 3 (bicubic), found 1 (lanczos)")]
    [InlineData("resample", "0", "found 0 (nearest)")]
    [InlineData("do_resize", "false", "do_resize: expected true, found false")]
    [InlineData("do_rescale", "false", "do_rescale: expected true, found false")]
    [InlineData("rescale_factor", "0.5", "rescale_factor: expected 1/255, found 0.5")]
    [InlineData("crop_pct", "0.9", "crop_pct: a resize by it is not known here, found 0.9")]
    [InlineData("size", "{\"longest_edge\": 16}", "size: expected shortest_edge, or height and width")]
    [InlineData("size", "{\"shortest_edge\": 16}", "do_center_crop: expected true where size is that of the short side, found false")]
    public void A_preprocessing_that_cannot_be_done_is_a_doubt_that_names_the_fact(string key, string value, string doubt)
    {
        Dictionary<string, string> facts = new()
        {
            ["image_processor_type"] = "\"ViTImageProcessor\"", ["size"] = "16", ["resample"] = "2", ["image_mean"] = "[0.1, 0.2, 0.3]", ["image_std"] = "[0.5, 0.5, 0.5]",
        };
        facts[key] = value;
        File.WriteAllText(Path.Combine(_folder, "preprocessor_config.json"), $"{{{string.Join(", ", facts.Select(fact => $"\"{fact.Key}\": {fact.Value}"))}}}");
        ModelDescription found = Describe(Small with { Position = PositionEmbedding.PatchesOnly, HasLayerScale = true }, "timm", null);
        Assert.Null(found.Preprocessing);
        Assert.StartsWith("preprocessor_config.json: ", found.PreprocessingDoubt, StringComparison.Ordinal);
        Assert.Contains(doubt, found.PreprocessingDoubt, StringComparison.Ordinal);
    }

    [Fact]
    public void Pixels_that_are_not_normalised_stay_as_they_are_and_a_processor_config_is_read()
    {
        File.WriteAllText(Path.Combine(_folder, "processor_config.json"), """{"image_processor": {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}, "do_normalize": false}}""");
        Preprocessing found = Describe(Small, "timm", null).Preprocessing!;
        Assert.Equal([0f, 0f, 0f], found.Mean);
        Assert.Equal([1f, 1f, 1f], found.Std);
        Assert.Equal(Interpolation.Bilinear, found.Interpolation);
    }

    // DeiT's processor resizes to a square and crops the centre of that.
    [Fact]
    public void A_square_may_be_larger_than_the_crop()
    {
        File.WriteAllText(Path.Combine(_folder, "preprocessor_config.json"), """{"image_processor_type": "DeiTImageProcessor", "size": 20, "crop_size": 16, "do_center_crop": true, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""");
        Preprocessing found = Describe(Small, "timm", null).Preprocessing!;
        Assert.Equal((ResizeMode.Squash, 20, 16), (found.Mode, found.ResizeTo, found.Side));
        Assert.Equal(16 * 16 * 3, found.Apply(new RgbImage(30, 40, new byte[30 * 40 * 3])).Length);
    }

    [Theory]
    [InlineData("""{"model_type": "vit", "hidden_size": 768}""", "config.json beside it is of another model: expected hidden_size 24, as the tensors have it, found 768")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 12}""", "expected num_hidden_layers 2")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 5}""", "expected heads that divide the width 24, found 5")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "hidden_act": "relu"}""", "expected an activation gelu, gelu_pytorch_tanh or quick_gelu, found 'relu'")]
    [InlineData("""{"model_type": "llama"}""", "model_type: expected one of vit, vit_mae")]
    [InlineData("""{"model_type": "vit", "hidden_size": "many"}""", "hidden_size: expected an integer from 1 to 1048576, found \"many\"")]
    [InlineData("""{"model_type": 7}""", "model_type: expected text, found 7")]
    [InlineData("{", "expected the config of a model")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 0}""", "num_attention_heads: expected an integer from 1 to 1048576, found 0")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": -3}""", "num_attention_heads: expected an integer")]
    [InlineData("""{"model_type": "vit", "hidden_size": 99999999999999999999}""", "hidden_size: expected an integer")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "layer_norm_eps": 0}""", "layer_norm_eps: expected a number above 0, found 0")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "layer_norm_eps": 1e999}""", "layer_norm_eps: expected a number above 0")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "image_size": [64, 16]}""", "image_size: expected the side of square images of 3 channels, which are the only ones that can be read, found [64, 16]")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 64}""", "expected image_size 16, as the positions have it, found 64")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "patch_size": 8}""", "expected patch_size 4")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "intermediate_size": 96}""", "expected intermediate_size 40")]
    [InlineData("""{"model_type": "vit", "rope_parameters": {"rope_type": "yarn"}}""", "rope_parameters rope_type: expected default, found 'yarn'")]
    [InlineData("""{"model_type": "vit", "rope_theta": 100, "rope_parameters": {"rope_theta": 10000}}""", "rope_theta: expected 10000, which rope_parameters says, found 100")]
    [InlineData("""{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "id2label": {"0": "cat", "1": "dog"}}""", "expected names of 5 classes, as the classifier has them, found 2 (id2label)")]
    [InlineData("""{"model_type": "vit", "id2label": {"0": "cat", "7": "dog"}}""", "id2label: expected the numbers 0 to 1 as keys, found '7'")]
    [InlineData("""{"model_type": "timm_wrapper"}""", "architecture: expected the name of a model of timm, found nothing")]
    [InlineData("""{"architecture": "vit_x", "global_pool": "avgmax"}""", "global_pool: expected token, avg or map, found \"avgmax\"")]
    [InlineData("""{"architecture": "vit_x", "pretrained_cfg": {"input_size": [3, 64, 16]}}""", "input_size: expected the side of square images")]
    [InlineData("""{"architecture": "vit_x", "pretrained_cfg": {"input_size": [1, 16, 16]}}""", "input_size: expected the side of square images of 3 channels")]
    [InlineData("""{"architecture": "vit_x", "pretrained_cfg": {"input_size": [3, 16, 16], "mean": [0.5, 0.5, 0.5], "std": [0, 1, 1]}}""", "std: expected 3 numbers above 0, found [0, 1, 1]")]
    [InlineData("""{"model_cfg": {"vision_cfg": {"width": 24, "layers": 2, "head_width": 0}}}""", "head_width: expected an integer from 1 to 1048576, found 0")]
    [InlineData("""{"model_cfg": {"vision_cfg": {"width": -2147483648, "layers": 2, "head_width": -1}}}""", "expected an integer from 1 to 1048576, found -")]
    [InlineData("""{"model_cfg": {"vision_cfg": {"width": 24, "layers": 2, "head_width": 7}}}""", "head_width: expected a divisor of the width 24, found 7")]
    [InlineData("""{"model_cfg": {"vision_cfg": {"width": 24, "layers": [2, 2, 6, 2], "head_width": 8}}}""", "layers: expected the number of blocks of a Vision Transformer")]
    [InlineData("""{"model_cfg": {"vision_cfg": {"width": 24, "layers": 2, "head_width": 8, "pool_type": "none"}}}""", "pool_type: expected tok or avg, found \"none\"")]
    [InlineData("""{"model_cfg": {"vision_cfg": {"width": 24, "layers": 2, "head_width": 8, "attentional_pool": true}}}""", "attentional_pool: expected false")]
    [InlineData("""{"model_cfg": []}""", "model_cfg: expected an object, found []")]
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

    // lucidrains/vit-pytorch #61: 8x2 patches are as many as 4x4, and no tensor tells them apart.
    [Theory]
    [InlineData(16, null, null, "image size: 16 x 16 is assumed, a square of 4x4 patches")]
    [InlineData(16, 24, null, "image size: 16 x 16 is assumed, a square of 4x4 patches")]
    [InlineData(16, 16, null, null)]
    [InlineData(12, null, null, null)]
    [InlineData(16, null, """{"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 16}""", null)]
    public void A_square_of_patches_that_nothing_confirms_is_an_assumption(int side, int? imageSize, string? config, string? assumption)
    {
        ModelDescription found = Describe(Small with { ImageSize = side }, "timm", config, new ModelHints { Heads = 3, ImageSize = imageSize });
        if (assumption is null)
        {
            Assert.Empty(found.Assumptions);
        }
        else
        {
            Assert.StartsWith(assumption, Assert.Single(found.Assumptions), StringComparison.Ordinal);
        }

        using ShapesOnly published = ShapesOnly.Of(Small with { Depth = 12, EmbedDim = 192, Heads = 3, HeadDim = 64, MlpDim = 768, ImageSize = side });
        Assert.Empty(ModelFile.Describe(published).Assumptions);
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
        using ShapesOnly file = new(Entries(Small, "timm").Select(entry => entry.Name switch
        {
            "blocks.1.attn.proj.weight" => new TensorEntry(entry.Name, entry.Type, [24, 12]),
            "blocks.1.attn.qkv.weight" => new TensorEntry(entry.Name, entry.Type, [36, 24]),
            _ => entry,
        }));
        Assert.Contains("tensor 'blocks.1.attn.proj.weight': expected a multiple of the head width 8 up to 24, found 12 columns", Refused(() => ModelFile.Describe(file, new ModelHints { Heads = 3 })), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(24, 36)]
    [InlineData(24, 64)]
    [InlineData(12, 60)]
    public void A_block_with_fewer_dimensions_in_its_heads_is_refused_without_the_config_that_says_how_many(int columns, int rows)
    {
        using ShapesOnly file = new(Entries(Small, "timm").Select(entry => entry.Name switch
        {
            "blocks.1.attn.proj.weight" => new TensorEntry(entry.Name, entry.Type, [24, columns]),
            "blocks.1.attn.qkv.weight" => new TensorEntry(entry.Name, entry.Type, [rows, 24]),
            _ => entry,
        }));
        string refused = Refused(() => ModelFile.Describe(file, new ModelHints { Heads = 3 }));
        Assert.Contains($"tensor 'blocks.1.attn.qkv.weight': expected {3 * columns} rows", refused, StringComparison.Ordinal);
        Assert.Contains($"found {rows}: dimensions inside heads were cut", refused, StringComparison.Ordinal);
        Assert.Contains("model.config.json", refused, StringComparison.Ordinal);
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
