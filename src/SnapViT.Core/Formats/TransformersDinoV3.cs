using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Formats of DINOv3 in Hugging Face transformers. Keys have no bias: what it would be is zero.</summary>
internal static class TransformersDinoV3
{
    private const string Canonical = "blocks.*.";
    private const string Attention = "layer.*.attention.";

    private static readonly KeyRule[] Common =
    [
        Of("cls_token", "embeddings.cls_token"),
        Of("reg_token", "embeddings.register_tokens"),
        .. Layer("patch_embed.proj", "embeddings.patch_embeddings"),
        .. Layer(Canonical + "norm1", "layer.*.norm1"),
        Of(Canonical + "attn.qkv.weight", Attention + "q_proj.weight", Attention + "k_proj.weight", Attention + "v_proj.weight"),
        Of(Canonical + "attn.qkv.bias", Attention + "q_proj.bias", Attention + "k_proj.bias?", Attention + "v_proj.bias"),
        .. Layer(Canonical + "attn.proj", Attention + "o_proj"),
        Of(Canonical + "ls1.gamma", "layer.*.layer_scale1.lambda1"),
        .. Layer(Canonical + "norm2", "layer.*.norm2"),
        Of(Canonical + "ls2.gamma", "layer.*.layer_scale2.lambda1"),
        .. Layer("norm", "norm"),
    ];

    internal static StateDictFormat Plain { get; } = new()
    {
        Name = "transformers-dinov3",
        Marker = "embeddings.patch_embeddings.weight",
        Lacks = ["layer.0.mlp.gate_proj.weight", "model.layer.0.mlp.gate_proj.weight"],
        FurtherPrefixes = ["dinov3_vit."],
        Rules = AlsoOfVersion5(
            [.. Common, .. Layer(Canonical + "mlp.fc1", "layer.*.mlp.up_proj"), .. Layer(Canonical + "mlp.fc2", "layer.*.mlp.down_proj")]),
        Unused = ["embeddings.mask_token", "rope_embeddings.*"],
        Constants = [new("embeddings.mask_token", ConstantKind.ZeroToken)],
        LayerNormEpsilon = 1e-5,
        Source = "transformers: models/dinov3_vit/modeling_dinov3_vit.py, configuration_dinov3_vit.py",
    };

    internal static StateDictFormat Gated { get; } = Plain with
    {
        Name = "transformers-dinov3-gated",
        Signs = ["layer.0.mlp.gate_proj.weight", "model.layer.0.mlp.gate_proj.weight"],
        Lacks = [],
        Rules = AlsoOfVersion5(
        [
            .. Common,
            .. Layer(Canonical + "mlp.w1", "layer.*.mlp.gate_proj"),
            .. Layer(Canonical + "mlp.w2", "layer.*.mlp.up_proj"),
            .. Layer(Canonical + "mlp.w3", "layer.*.mlp.down_proj"),
        ]),
    };

    /// <summary>Whether the tensors of a file give keys a bias.</summary>
    public static bool HasKeyBias(IEnumerable<string> names) => names.Any(name => name.EndsWith(".k_proj.bias", StringComparison.Ordinal));

    /// <summary>transformers 5 puts the blocks into an encoder of their own, <c>model.layer.0</c>.</summary>
    private static KeyRule[] AlsoOfVersion5(KeyRule[] rows) =>
    [
        .. rows, .. rows.Where(row => row.IsPerBlock).Select(row => row with { File = [.. row.File.Select(name => "model." + name)] }),
    ];
}
