using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Formats;
using SnapViT.Loading;

namespace SnapViT.Tests.Loading;

public sealed class TransformersConfigWriterTests : IDisposable
{
    private static readonly ViTArchitecture Vit = new()
    {
        Depth = 12, EmbedDim = 768, Heads = 12, HeadDim = 64, MlpDim = 3072, PatchSize = 16, ImageSize = 224, LayerNormEpsilon = 1e-12, Classes = 2,
    };

    private static readonly ViTArchitecture DinoV2 = Vit with
    {
        Classes = 0, PatchSize = 14, ImageSize = 518, Position = PositionEmbedding.ClassAndPatches, HasLayerScale = true, LayerNormEpsilon = 1e-6,
    };

    private static readonly ViTArchitecture DinoV3 = Vit with
    {
        Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true, LayerNormEpsilon = 1e-5,
    };

    private static readonly ViTArchitecture SigLip = Vit with
    {
        Classes = 0, HasClassToken = false, Position = PositionEmbedding.PatchesOnly, Pooling = Pooling.Attention,
        Activation = Activation.GeluTanh, LayerNormEpsilon = 1e-6,
    };

    private static readonly ViTArchitecture Clip = Vit with
    {
        Classes = 0, HasPreNorm = true, HasPatchBias = false, ProjectionDim = 512, Activation = Activation.QuickGelu, LayerNormEpsilon = 1e-5,
    };

    private static readonly Dictionary<string, ViTArchitecture> Models = new()
    {
        ["vit"] = Vit,
        ["deit"] = Vit with { HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation },
        ["dinov2"] = DinoV2,
        ["dinov2 giant"] = DinoV2 with { Depth = 2, EmbedDim = 1536, Heads = 24, MlpDim = 4096, Mlp = MlpKind.SwiGlu },
        ["dinov2 with registers"] = DinoV2 with { RegisterTokens = 4 },
        ["dinov3"] = DinoV3,
        ["dinov3 plus"] = DinoV3 with { Depth = 2, EmbedDim = 384, Heads = 6, MlpDim = 1536, Mlp = MlpKind.SwiGlu },
        ["siglip"] = SigLip,
        ["clip"] = Clip,
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-transformers-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Facts of the configs of google/vit-base-patch16-224, facebook/deit-base-distilled-patch16-224, facebook/dinov2-base, facebook/dinov2-giant,
    // facebook/dinov2-with-registers-base, facebook/dinov3-vitb16-pretrain-lvd1689m, facebook/dinov3-vits16plus-pretrain-lvd1689m,
    // google/siglip-base-patch16-224 and of a CLIP tower, by the names of transformers' configuration classes.
    [Theory]
    [InlineData("vit", "transformers-vit", "vit ViTForImageClassification", """{"hidden_size": 768, "intermediate_size": 3072, "image_size": 224, "qkv_bias": true, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}}""")]
    [InlineData("deit", "transformers-deit", "deit DeiTForImageClassificationWithTeacher", """{"num_attention_heads": 12, "num_hidden_layers": 12, "patch_size": 16}""")]
    [InlineData("dinov2", "transformers-dinov2", "dinov2 Dinov2Model", """{"mlp_ratio": 4, "use_swiglu_ffn": false, "image_size": 518, "patch_size": 14, "qkv_bias": true}""")]
    [InlineData("dinov2 giant", "transformers-dinov2", "dinov2 Dinov2Model", """{"mlp_ratio": 4, "use_swiglu_ffn": true, "hidden_size": 1536}""")]
    [InlineData("dinov2 with registers", "transformers-dinov2", "dinov2_with_registers Dinov2WithRegistersModel", """{"num_register_tokens": 4, "mlp_ratio": 4}""")]
    [InlineData("dinov3", "transformers-dinov3", "dinov3_vit DINOv3ViTModel", """{"intermediate_size": 3072, "rope_theta": 100, "query_bias": true, "key_bias": false, "value_bias": true, "use_gated_mlp": false, "num_register_tokens": 4, "hidden_act": "gelu"}""")]
    [InlineData("dinov3 plus", "transformers-dinov3-gated", "dinov3_vit DINOv3ViTModel", """{"intermediate_size": 1536, "use_gated_mlp": true, "hidden_act": "silu"}""")]
    [InlineData("siglip", "transformers-siglip", "siglip_vision_model SiglipVisionModel", """{"hidden_act": "gelu_pytorch_tanh", "image_size": 224, "layer_norm_eps": 1e-06}""")]
    [InlineData("siglip", "transformers-siglip2", "siglip2_vision_model Siglip2VisionModel", """{"num_patches": 196}""")]
    [InlineData("clip", "transformers-clip", "clip_vision_model CLIPVisionModelWithProjection", """{"projection_dim": 512, "hidden_act": "quick_gelu"}""")]
    public void A_config_has_the_facts_of_its_class_by_the_names_of_transformers(string model, string format, string type, string facts)
    {
        using JsonDocument found = JsonDocument.Parse(Write(Models[model], format)!), expected = JsonDocument.Parse(facts);
        Assert.Equal(type, $"{found.RootElement.GetProperty("model_type")} {found.RootElement.GetProperty("architectures")[0]}");
        foreach (JsonProperty fact in expected.RootElement.EnumerateObject())
        {
            Assert.True(JsonElement.DeepEquals(fact.Value, found.RootElement.GetProperty(fact.Name)), $"{fact} but {found.RootElement.GetProperty(fact.Name)}");
        }
    }

    [Theory]
    [InlineData("vit", "transformers-vit")]
    [InlineData("deit", "transformers-deit")]
    [InlineData("dinov2", "transformers-dinov2")]
    [InlineData("dinov2 giant", "transformers-dinov2")]
    [InlineData("dinov2 with registers", "transformers-dinov2")]
    [InlineData("dinov3", "transformers-dinov3")]
    [InlineData("dinov3 plus", "transformers-dinov3-gated")]
    [InlineData("siglip", "transformers-siglip")]
    [InlineData("siglip", "transformers-siglip2")]
    [InlineData("clip", "transformers-clip")]
    public void A_model_is_the_same_by_its_config_alone(string name, string format)
    {
        ViTArchitecture model = Models[name];
        File.WriteAllText(Path.Combine(_folder, "config.json"), Write(model, format));
        using ShapesOnly file = ShapesOnly.Of(model, format);
        using ShapesOnly here = new(file.Tensors.Values) { Path = Path.Combine(_folder, "model.safetensors") };
        ModelDescription found = ModelFile.Describe(here);

        // Without registers both positions are the same.
        PositionEmbedding position = model is { Position: PositionEmbedding.ClassAndPatches, RegisterTokens: 0 } ? PositionEmbedding.AllTokens : model.Position;
        Assert.Equal(model with { Position = position }, found.Architecture with { Position = found.Architecture.Position == model.Position ? position : found.Architecture.Position });
        Assert.Equal(model.Classes == 0 ? [] : ["cat", "dog"], found.ClassNames);
    }

    [Fact]
    public void A_ratio_that_is_no_whole_number_gives_the_neurons_when_it_is_rounded_down()
    {
        foreach (int neurons in new[] { 1, 40, 683, 767, 1001, 3071 })
        {
            using JsonDocument config = JsonDocument.Parse(Write(DinoV2 with { MlpDim = neurons }, "transformers-dinov2")!);
            Assert.Equal(neurons, (int)(768 * config.RootElement.GetProperty("mlp_ratio").GetDouble()));
        }
    }

    [Fact]
    public void A_model_that_transformers_has_no_class_for_has_no_config()
    {
        AssertFault("its blocks have not all heads, or differ in neurons", Vit, "transformers-vit", SubnetWidths.Uniform(12, Vit.FullBlock.With(Axis.Heads, 11)));
        AssertFault("its feature is made of the tokens in another way", Vit with { Pooling = Pooling.AveragePatches }, "transformers-vit");
        AssertFault("its positions are of other tokens", Vit with { Position = PositionEmbedding.PatchesOnly }, "transformers-vit");
        AssertFault("its layers are others", Vit with { HasLayerScale = true }, "transformers-vit");
        Assert.NotNull(Write(Vit, "transformers-vit", SubnetWidths.Uniform(12, Vit.FullBlock.With(Axis.Neurons, 100))));
    }

    private static void AssertFault(string fault, ViTArchitecture a, string format, SubnetWidths? widths = null)
    {
        Assert.Null(TransformersConfigWriter.Write(StateDictFormats.Named(format), a, widths ?? a.FullWidths, [], [], out string? found));
        Assert.Equal(fault, found);
    }

    private static string? Write(ViTArchitecture a, string format, SubnetWidths? widths = null) =>
        TransformersConfigWriter.Write(StateDictFormats.Named(format), a, widths ?? a.FullWidths, [], a.Classes == 0 ? [] : ["cat", "dog"], out _);
}
