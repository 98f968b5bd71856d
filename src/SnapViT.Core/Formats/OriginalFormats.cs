using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Formats of DINOv2's and DINOv3's own files. (Original DINO, DeiT and DeiT-III are read as timm's.)</summary>
internal static class OriginalFormats
{
    private const string Patch = "patch_embed.proj.weight";

    internal static StateDictFormat DinoV2 { get; } = new()
    {
        Name = "dinov2",
        Marker = Patch,
        Signs = ["mask_token", "register_tokens", "blocks.0.mlp.w12.weight"],
        Lacks = ["storage_tokens", "rope_embed.periods"],
        Rules = CanonicalRows.All.With(
        [
            Of("reg_token", "register_tokens"), .. Packed(["blocks.*.mlp.w1", "blocks.*.mlp.w2"], "blocks.*.mlp.w12"),
        ]),
        Unused = ["mask_token", "decoder_*", "decoder.*"],
        Constants = [new("mask_token", ConstantKind.ZeroRow)],
        Source = "facebookresearch/dinov2: dinov2/models/vision_transformer.py, dinov2/layers/swiglu_ffn.py",
    };

    internal static StateDictFormat DinoV3 { get; } = new()
    {
        Name = "dinov3",
        Marker = Patch,
        Signs = ["rope_embed.periods", "storage_tokens"],
        Rules = CanonicalRows.All.With(
            Of("reg_token", "storage_tokens"),
            Of("blocks.*.attn.qkv.bias", "blocks.*.attn.qkv.bias") with { Mask = "blocks.*.attn.qkv.bias_mask" }),
        Unused = ["mask_token", "rope_embed.periods", "local_cls_norm.*"],
        Constants = [new("mask_token", ConstantKind.ZeroRow), new("rope_embed.periods", ConstantKind.RotaryPeriods)],
        LayerNormEpsilon = 1e-5,
        Source = "facebookresearch/dinov3: dinov3/models/vision_transformer.py, dinov3/layers/attention.py",
    };
}
