using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Formats of the image towers of SigLIP, SigLIP 2 and CLIP in Hugging Face transformers.</summary>
internal static class TransformersTowers
{
    private const string Canonical = "blocks.*.";
    private const string Layers = "encoder.layers.*.";
    private const string Patch = "embeddings.patch_embedding.weight";

    private static readonly KeyRule[] Common =
    [
        Of("pos_embed", "embeddings.position_embedding.weight") with { Layout = TensorLayout.Unbatched },
        .. Layer("patch_embed.proj", "embeddings.patch_embedding"),
        .. Layer(Canonical + "norm1", Layers + "layer_norm1"),
        .. Layer(Canonical + "attn.qkv", [.. new[] { "q", "k", "v" }.Select(part => $"{Layers}self_attn.{part}_proj")]),
        .. Layer(Canonical + "attn.proj", Layers + "self_attn.out_proj"),
        .. Layer(Canonical + "norm2", Layers + "layer_norm2"),
        .. Layer(Canonical + "mlp.fc1", Layers + "mlp.fc1"),
        .. Layer(Canonical + "mlp.fc2", Layers + "mlp.fc2"),
        .. Layer("norm", "post_layernorm"),
    ];

    /// <summary>SigLIP, and SigLIP 2 of one fixed size. Its classifier averages patches, so it is none of the backbone's.</summary>
    internal static StateDictFormat SigLip { get; } = new()
    {
        Name = "transformers-siglip",
        Marker = Patch,
        MarkerRank = 4,
        Signs = ["head.probe"],
        Prefixes = ["vision_model."],
        FurtherPrefixes = [""],
        Rules =
        [
            .. Common,
            Of("attn_pool.latent", "head.probe"),
            new(["attn_pool.q.weight", "attn_pool.kv.weight"], ["head.attention.in_proj_weight"]) { Shares = [1, 2] },
            new(["attn_pool.q.bias", "attn_pool.kv.bias"], ["head.attention.in_proj_bias"]) { Shares = [1, 2] },
            .. Layer("attn_pool.proj", "head.attention.out_proj"),
            .. Layer("attn_pool.norm", "head.layernorm"),
            .. Layer("attn_pool.mlp.fc1", "head.mlp.fc1"),
            .. Layer("attn_pool.mlp.fc2", "head.mlp.fc2"),
        ],
        Unused = ["embeddings.position_ids", "/text_model.*", "/logit_scale", "/logit_bias", "/classifier.*"],
        Activation = Architecture.Activation.GeluTanh,
        Source = "transformers: models/siglip/modeling_siglip.py, configuration_siglip.py",
    };

    /// <summary>SigLIP 2 of any aspect (NaFlex), at the square size of its position table.</summary>
    internal static StateDictFormat SigLipNaFlex { get; } = SigLip with
    {
        Name = "transformers-siglip2",
        MarkerRank = 2,
        Rules = [.. SigLip.Rules.With(Of("patch_embed.proj.weight", Patch) with { Layout = TensorLayout.PatchRows })],
        Source = "transformers: models/siglip2/modeling_siglip2.py, image_processing_siglip2.py",
    };

    internal static StateDictFormat Clip { get; } = new()
    {
        Name = "transformers-clip",
        Marker = Patch,
        Signs = ["embeddings.class_embedding"],
        Prefixes = ["vision_model."],
        FurtherPrefixes = [""],
        Rules =
        [
            Of("cls_token", "embeddings.class_embedding") with { Layout = TensorLayout.Unbatched },
            .. Common,
            .. Layer("norm_pre", "pre_layrnorm"),
            Of("projection.weight", "/visual_projection.weight"),
        ],
        Unused = ["embeddings.position_ids", "/text_model.*", "/text_projection.weight", "/logit_scale"],
        LayerNormEpsilon = 1e-5,
        Activation = null,
        Source = "transformers: models/clip/modeling_clip.py, configuration_clip.py",
    };
}
