using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Formats of timm, which gave the canonical names. Files of original DINO, DeiT and DeiT-III have its names as well.</summary>
internal static class TimmFormats
{
    private const string Patch = "patch_embed.proj.weight";
    private const string Source = "timm 1.0: models/vision_transformer.py";

    /// <summary>Other spellings: DeiT-III's own files (<c>gamma_1</c>), and the reference's pruned models, which wrap their classifiers.</summary>
    private static readonly KeyRule[] Spellings =
    [
        Of("blocks.*.ls1.gamma", "blocks.*.gamma_1"), Of("blocks.*.ls2.gamma", "blocks.*.gamma_2"),
        .. Layer("head", "head.linear"), .. Layer("head_dist", "head_dist.linear"),
    ];

    public static StateDictFormat Timm { get; } = new() { Name = "timm", Marker = Patch, Rules = [.. CanonicalRows.All, .. Spellings], Source = Source };

    /// <summary>timm's SwiGLUPacked (DINOv2 giant): <c>fc1</c> holds gate and value.</summary>
    public static StateDictFormat PackedGate { get; } = new()
    {
        Name = "timm-packed",
        Marker = Patch,
        HasPackedGate = true,
        Rules = CanonicalRows.All.Without("blocks.*.mlp.fc1", "blocks.*.mlp.fc2").With(
        [
            .. Packed(["blocks.*.mlp.w1", "blocks.*.mlp.w2"], "blocks.*.mlp.fc1"), .. Layer("blocks.*.mlp.w3", "blocks.*.mlp.fc2"),
        ]),
        Source = Source,
    };

    /// <summary>timm's DINOv3, built on its Eva model. The released ones have no qkv bias; those named <c>qkvb</c> keep queries' and values'.</summary>
    public static StateDictFormat Eva { get; } = new()
    {
        Name = "timm-eva",
        Marker = Patch,
        Signs = ["blocks.0.gamma_1"],
        Lacks = ["pos_embed"],
        Rules = CanonicalRows.All.Without("blocks.*.mlp.w1", "blocks.*.mlp.w2", "blocks.*.mlp.w3").With(EvaAttention),
        LayerNormEpsilon = 1e-5,
        Source = "timm 1.0: models/eva.py",
    };

    /// <summary>The same with SwiGLU.</summary>
    public static StateDictFormat EvaGated { get; } = Eva with
    {
        Name = "timm-eva-gated",
        Signs = ["blocks.0.mlp.fc1_g.weight"],
        Rules = CanonicalRows.All.Without("blocks.*.mlp.fc1", "blocks.*.mlp.fc2").With(
        [
            .. EvaAttention,
            .. Layer("blocks.*.mlp.w1", "blocks.*.mlp.fc1_g"), .. Layer("blocks.*.mlp.w2", "blocks.*.mlp.fc1_x"), .. Layer("blocks.*.mlp.w3", "blocks.*.mlp.fc2"),
        ]),
    };

    private static IEnumerable<KeyRule> EvaAttention =>
    [
        Of("blocks.*.attn.qkv.bias", "blocks.*.attn.q_bias", "blocks.*.attn.k_bias?", "blocks.*.attn.v_bias"),
        Of("blocks.*.ls1.gamma", "blocks.*.gamma_1"), Of("blocks.*.ls2.gamma", "blocks.*.gamma_2"),
    ];
}
