using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Formats of timm, which gave the canonical names. Files of original DINO, DeiT and DeiT-III have its names as well.</summary>
internal static class TimmFormats
{
    private const string Patch = "patch_embed.proj.weight";
    private const string Source = "timm 1.0: models/vision_transformer.py";

    /// <summary>What a user is told of a classifier that is left out.</summary>
    public const string PreLogitsRemark =
        "a classifier that is left out, since it reads a hidden layer of its own (pre_logits), which is no part of the backbone";

    /// <summary>
    /// Heads and decoders of pre-training in the model itself: MoCo-v3's projection (<c>head.0</c> and so on), MAE's decoder. A classifier
    /// is <c>head.weight</c>.
    /// </summary>
    private static readonly string[] Training =
    [
        .. Enumerable.Range(0, 10).Select(i => $"head.{i}.*"),
        "decoder_*", "decoder.*", "projector.*", "predictor.*", "prediction_head.*", "projection_head.*",
        "head.mlp.*", "head.last_layer.*",
    ];

    /// <summary>
    /// Other spellings: DeiT-III's own files (<c>gamma_1</c>), the norm after pooling (<c>fc_norm</c>: MAE fine-tuned, timm with average
    /// pooling), blocks built on <c>nn.MultiheadAttention</c> and <c>nn.Sequential</c>, and the reference's pruned models, which wrap their
    /// classifiers.
    /// </summary>
    private static readonly KeyRule[] Spellings =
    [
        .. Layer("norm", "fc_norm").Select(row => row with { AfterPooling = true }),
        Of("blocks.*.attn.qkv.weight", "blocks.*.attn.in_proj_weight"), Of("blocks.*.attn.qkv.bias", "blocks.*.attn.in_proj_bias"),
        .. Layer("blocks.*.attn.proj", "blocks.*.attn.out_proj"),
        .. Layer("blocks.*.mlp.fc1", "blocks.*.mlp.0"),
        .. Layer("blocks.*.mlp.fc2", "blocks.*.mlp.3"),
        .. Layer("blocks.*.mlp.fc2", "blocks.*.mlp.2"),
        Of("blocks.*.ls1.gamma", "blocks.*.gamma_1"), Of("blocks.*.ls2.gamma", "blocks.*.gamma_2"),
        .. Layer("head", "head.linear"), .. Layer("head_dist", "head_dist.linear"),
    ];

    internal static StateDictFormat Timm { get; } = new()
    {
        Name = "timm",
        Marker = Patch,
        Rules = [.. CanonicalRows.All, .. Spellings],
        Unused = Training,
        Source = Source,
    };

    /// <summary>With a representation layer between feature and classifier (timm 0.4, from ImageNet-21k).</summary>
    internal static StateDictFormat PreLogits { get; } = Timm with
    {
        Name = "timm-pre-logits",
        Signs = ["pre_logits.fc.weight"],
        Rules = [.. Timm.Rules.Without("head", "head_dist")],
        Unused = [.. Training, "pre_logits.*", "head.*", "head_dist.*"],
        IsReadOnly = true,
        Remark = PreLogitsRemark,
    };

    /// <summary>timm's SwiGLUPacked (DINOv2 giant): <c>fc1</c> holds gate and value.</summary>
    internal static StateDictFormat PackedGate { get; } = new()
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

    /// <summary>
    /// timm's DINOv3, built on its Eva model. The released ones have no qkv bias; those named <c>qkvb</c> keep queries' and values'.
    /// </summary>
    internal static StateDictFormat Eva { get; } = new()
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
    internal static StateDictFormat EvaGated { get; } = Eva with
    {
        Name = "timm-eva-gated",
        Signs = ["blocks.0.mlp.fc1_g.weight"],
        Rules = CanonicalRows.All.Without("blocks.*.mlp.fc1", "blocks.*.mlp.fc2").With(
        [
            .. EvaAttention,
            .. Layer("blocks.*.mlp.w1", "blocks.*.mlp.fc1_g"),
            .. Layer("blocks.*.mlp.w2", "blocks.*.mlp.fc1_x"),
            .. Layer("blocks.*.mlp.w3", "blocks.*.mlp.fc2"),
        ]),
    };

    private static IEnumerable<KeyRule> EvaAttention =>
    [
        Of("blocks.*.attn.qkv.bias", "blocks.*.attn.q_bias", "blocks.*.attn.k_bias?", "blocks.*.attn.v_bias"),
        Of("blocks.*.ls1.gamma", "blocks.*.gamma_1"), Of("blocks.*.ls2.gamma", "blocks.*.gamma_2"),
    ];
}
