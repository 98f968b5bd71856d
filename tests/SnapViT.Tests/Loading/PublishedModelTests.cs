using SnapViT.Core.Architecture;
using SnapViT.Loading;

namespace SnapViT.Tests.Loading;

/// <summary>Every published model in full size, names and shapes only, through every format that it is published in.</summary>
public sealed class PublishedModelTests
{
    private static readonly ViTArchitecture B16 = new() { Depth = 12, EmbedDim = 768, Heads = 12, HeadDim = 64, MlpDim = 3072, PatchSize = 16, ImageSize = 224 };
    private static readonly ViTArchitecture S16 = B16 with { EmbedDim = 384, Heads = 6, MlpDim = 1536 };
    private static readonly ViTArchitecture L16 = B16 with { Depth = 24, EmbedDim = 1024, Heads = 16, MlpDim = 4096 };
    private static readonly ViTArchitecture H14 = B16 with { Depth = 32, EmbedDim = 1280, Heads = 16, HeadDim = 80, MlpDim = 5120, PatchSize = 14 };

    private static readonly Func<ViTArchitecture, ViTArchitecture> DinoV3 = a => a with
    {
        RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true, LayerNormEpsilon = 1e-5,
    };

    private static readonly Func<ViTArchitecture, ViTArchitecture> DinoV2 = a => a with { PatchSize = 14, ImageSize = 518, HasLayerScale = true };

    private static readonly Func<ViTArchitecture, ViTArchitecture> SigLip = a => a with { HasClassToken = false, Position = PositionEmbedding.PatchesOnly, Pooling = Pooling.Attention };

    private static readonly Func<ViTArchitecture, ViTArchitecture> Clip = a => a with { HasPreNorm = true, HasPatchBias = false, LayerNormEpsilon = 1e-5, Activation = Activation.QuickGelu };

    private static readonly Dictionary<string, ViTArchitecture> Models = new()
    {
        ["ViT-Ti/16"] = S16 with { EmbedDim = 192, Heads = 3, MlpDim = 768, Classes = 1000 },
        ["AugReg ViT-L/16"] = L16 with { Classes = 1000 },
        ["AugReg ViT-S/16"] = S16 with { Classes = 1000 },
        ["AugReg ViT-B/16"] = B16 with { Classes = 1000 },
        ["DINO ViT-S/16"] = S16,
        ["DINO ViT-B/16"] = B16,
        ["DeiT-Ti/16 distilled"] = S16 with { EmbedDim = 192, Heads = 3, MlpDim = 768, Classes = 1000, HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation },
        ["DeiT-III S/16"] = S16 with { Classes = 1000, Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
        ["DeiT-III B/16"] = B16 with { Classes = 1000, Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
        ["DeiT-III L/16"] = L16 with { Classes = 1000, Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
        ["DeiT-B/16 distilled"] = B16 with { Classes = 1000, HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation },
        ["DeiT-III H/14"] = H14 with { Classes = 1000, Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
        ["DINOv2 S/14"] = DinoV2(S16),
        ["DINOv2 B/14 with registers"] = DinoV2(B16) with { RegisterTokens = 4, Position = PositionEmbedding.ClassAndPatches },
        ["DINOv2 B/14 with registers, timm"] = DinoV2(B16) with { RegisterTokens = 4, Position = PositionEmbedding.PatchesOnly },
        ["DINOv2 B/14"] = DinoV2(B16),
        ["DINOv2 L/14"] = DinoV2(L16),
        ["DINOv2 g/14"] = DinoV2(B16) with { Depth = 40, EmbedDim = 1536, Heads = 24, MlpDim = 4096, Mlp = MlpKind.SwiGlu },
        ["DINOv3 B/16"] = DinoV3(B16),
        ["DINOv3 L/16"] = DinoV3(L16),
        ["DINOv3 H+/16"] = DinoV3(B16) with { Depth = 32, EmbedDim = 1280, Heads = 20, MlpDim = 5120, Mlp = MlpKind.SwiGlu },
        ["SigLIP2 B/16"] = SigLip(B16),
        ["SigLIP2 gopt/16"] = SigLip(B16) with { Depth = 40, EmbedDim = 1536, Heads = 16, HeadDim = 96, MlpDim = 6144, ImageSize = 256, Activation = Activation.GeluTanh },
        ["CLIP B/16"] = Clip(B16) with { ProjectionDim = 512 },
        ["CLIP L/14"] = Clip(L16) with { PatchSize = 14, ProjectionDim = 768 },
    };

    /// <summary>
    /// Parameters as timm, DINOv2 and open_clip state them, without DINOv2's mask token (22,056,576 - 384 and so on). DINOv3: transformers has a mask
    /// token more and no bias of the keys, 85,660,416 = 85,668,864 + 768 - 12 * 768. Of DINOv2 with registers timm adds the class token's position
    /// to the class token and keeps positions of the patches only, 768 numbers less.
    /// </summary>
    public static TheoryData<string, long, string[]> Published => new()
    {
        { "ViT-Ti/16", 5_717_416, ["timm", "transformers-vit"] },
        { "AugReg ViT-L/16", 304_326_632, ["timm", "transformers-vit"] },
        { "AugReg ViT-S/16", 22_050_664, ["timm", "transformers-vit"] },
        { "AugReg ViT-B/16", 86_567_656, ["timm", "transformers-vit"] },
        { "DINO ViT-S/16", 21_665_664, ["timm", "transformers-vit"] },
        { "DINO ViT-B/16", 85_798_656, ["timm", "transformers-vit"] },
        { "DeiT-Ti/16 distilled", 5_910_800, ["timm", "transformers-deit"] },
        { "DeiT-III S/16", 22_059_496, ["timm"] },
        { "DeiT-III B/16", 86_585_320, ["timm"] },
        { "DeiT-III L/16", 304_374_760, ["timm"] },
        { "DeiT-B/16 distilled", 87_338_192, ["timm", "transformers-deit"] },
        { "DeiT-III H/14", 632_126_440, ["timm"] },
        { "DINOv2 S/14", 22_056_192, ["timm", "dinov2", "transformers-dinov2"] },
        { "DINOv2 B/14 with registers", 86_582_784, ["dinov2", "transformers-dinov2"] },
        { "DINOv2 B/14 with registers, timm", 86_582_016, ["timm"] },
        { "DINOv2 B/14", 86_579_712, ["timm", "dinov2", "transformers-dinov2"] },
        { "DINOv2 L/14", 304_367_616, ["timm", "dinov2", "transformers-dinov2"] },
        { "DINOv2 g/14", 1_136_479_232, ["timm-packed", "dinov2", "transformers-dinov2"] },
        { "DINOv3 B/16", 85_668_864, ["dinov3", "transformers-dinov3", "timm-eva"] },
        { "DINOv3 L/16", 303_153_152, ["dinov3", "transformers-dinov3", "timm-eva"] },
        { "DINOv3 H+/16", 840_632_320, ["dinov3", "transformers-dinov3-gated", "timm-eva-gated"] },
        { "SigLIP2 B/16", 92_884_224, ["timm", "open_clip-trunk", "transformers-siglip"] },
        { "SigLIP2 gopt/16", 1_163_168_256, ["timm", "open_clip-trunk", "transformers-siglip"] },
        { "CLIP B/16", 86_192_640, ["open_clip", "transformers-clip"] },
        { "CLIP L/14", 303_966_208, ["open_clip", "transformers-clip"] },
    };

    [Theory]
    [MemberData(nameof(Published))]
    public void A_published_model_is_recognised_in_every_format_it_comes_in(string model, long parameters, string[] formats)
    {
        ViTArchitecture expected = Models[model].Validated();
        Assert.Equal(parameters, CostModel.Parameters(expected, expected.FullWidths));
        foreach (string format in formats)
        {
            using ShapesOnly file = ShapesOnly.Of(expected, format);
            ModelDescription found = ModelFile.Describe(file, new ModelHints { Activation = expected.HasPreNorm ? Activation.QuickGelu : null, Heads = expected.EmbedDim == 384 ? 6 : null });
            ViTArchitecture same = expected with
            {
                // transformers' own defaults: 1e-12 for ViT and DeiT, the tanh form for SigLIP of every size.
                LayerNormEpsilon = format is "transformers-vit" or "transformers-deit" ? 1e-12 : expected.LayerNormEpsilon,
                Activation = format == "transformers-siglip" ? Activation.GeluTanh : expected.Activation,
            };
            Assert.Equal(same, found.Architecture);
            Assert.Equal(expected.FullWidths, found.Widths);
        }
    }

    // hub names: dino_deitsmall16_pretrain_full_checkpoint.pth, {"teacher": {"backbone.…"}}; DeiT: {"model": …}; DataParallel: module.
    [Theory]
    [InlineData("teacher.backbone.")]
    [InlineData("model.")]
    [InlineData("state_dict.module.")]
    public void A_wrapped_model_is_recognised(string wrapper)
    {
        using ShapesOnly file = ShapesOnly.Of(S16, "timm", name => wrapper + name);
        Assert.Equal(S16, ModelFile.Describe(file, heads: 6).Architecture);
    }
}
