using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Formats of Hugging Face transformers, which keeps queries, keys and values in separate layers.</summary>
internal static class TransformersFormats
{
    private const string Canonical = "blocks.*.";
    private const string Projection = "embeddings.patch_embeddings.projection.weight";
    private const string Layers = "encoder.layer.*.";

    /// <summary>Tokens, positions, attention and final norm, alike in ViT, DeiT and DINOv2.</summary>
    private static readonly KeyRule[] Common =
    [
        Of("cls_token", "embeddings.cls_token"),
        Of("pos_embed", "embeddings.position_embeddings"),
        .. Layer("patch_embed.proj", "embeddings.patch_embeddings.projection"),
        .. Layer(Canonical + "attn.qkv", [.. new[] { "query", "key", "value" }.Select(part => $"{Layers}attention.attention.{part}")]),
        .. Layer(Canonical + "attn.proj", Layers + "attention.output.dense"),
        .. Layer("norm", "layernorm"),
    ];

    private static readonly KeyRule[] ViTBlocks =
    [
        .. Common,
        .. Layer(Canonical + "norm1", Layers + "layernorm_before"),
        .. Layer(Canonical + "norm2", Layers + "layernorm_after"),
        .. Layer(Canonical + "mlp.fc1", Layers + "intermediate.dense"),
        .. Layer(Canonical + "mlp.fc2", Layers + "output.dense"),
    ];

    internal static StateDictFormat ViT { get; } = new()
    {
        Name = "transformers-vit",
        Marker = Projection,
        Signs = ["encoder.layer.0.layernorm_before.weight"],
        Prefixes = ["", "vit."],
        Rules = [.. ViTBlocks, .. Layer("head", "/classifier")],
        Unused = ["pooler.dense.*", "embeddings.mask_token", "/decoder.*"],
        LayerNormEpsilon = 1e-12,
        Source = "transformers: models/vit/modeling_vit.py, configuration_vit.py",
    };

    internal static StateDictFormat DeiT { get; } = ViT with
    {
        Name = "transformers-deit",
        Signs = ["embeddings.distillation_token"],
        Prefixes = ["", "deit."],
        Rules =
        [
            .. ViTBlocks,
            Of("dist_token", "embeddings.distillation_token"),
            .. Layer("head", "/cls_classifier"),
            .. Layer("head_dist", "/distillation_classifier"),
            .. Layer("head", "/classifier"),
        ],
        Source = "transformers: models/deit/modeling_deit.py, configuration_deit.py",
    };

    /// <summary>
    /// With and without registers; SwiGLU packs gate and value. Its classifier reads class token and patches, so it is none of the
    /// backbone's.
    /// </summary>
    internal static StateDictFormat DinoV2 { get; } = new()
    {
        Name = "transformers-dinov2",
        Marker = Projection,
        Signs = ["encoder.layer.0.layer_scale1.lambda1"],
        Prefixes = ["", "dinov2.", "dinov2_with_registers."],
        Rules =
        [
            .. Common,
            Of("reg_token", "embeddings.register_tokens"),
            .. Layer(Canonical + "norm1", Layers + "norm1"),
            .. Layer(Canonical + "norm2", Layers + "norm2"),
            .. Layer(Canonical + "mlp.fc1", Layers + "mlp.fc1"),
            .. Layer(Canonical + "mlp.fc2", Layers + "mlp.fc2"),
            .. Packed([Canonical + "mlp.w1", Canonical + "mlp.w2"], Layers + "mlp.weights_in"),
            .. Layer(Canonical + "mlp.w3", Layers + "mlp.weights_out"),
            Of(Canonical + "ls1.gamma", Layers + "layer_scale1.lambda1"),
            Of(Canonical + "ls2.gamma", Layers + "layer_scale2.lambda1"),
        ],
        Unused = ["embeddings.mask_token", "/classifier.*"],
        Constants = [new("embeddings.mask_token", ConstantKind.ZeroRow)],
        Source = "transformers: models/dinov2/modeling_dinov2.py, models/dinov2_with_registers/modeling_dinov2_with_registers.py",
    };
}
