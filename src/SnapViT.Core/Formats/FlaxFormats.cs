using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>
/// Names of Google's own files (AugReg and the first Vision Transformers, <c>.npz</c>): Flax keeps kernels with the outputs last and heads
/// apart.
/// </summary>
internal static class FlaxFormats
{
    private const string Canonical = "blocks.*.";
    private const string Layers = "Transformer/encoderblock_*/";
    private const string Attention = Layers + "MultiHeadDotProductAttention_1/";
    private static readonly string[] Parts = ["query", "key", "value"];

    private static readonly KeyRule[] Backbone =
    [
        Of("cls_token", "cls"),
        Of("pos_embed", "Transformer/posembed_input/pos_embedding"),
        Of("patch_embed.proj.weight", "embedding/kernel") with { Layout = TensorLayout.ChannelsLast },
        Of("patch_embed.proj.bias", "embedding/bias"),
        .. Norm(Canonical + "norm1", Layers + "LayerNorm_0"),
        new([Canonical + "attn.qkv.weight"], [.. Parts.Select(part => $"{Attention}{part}/kernel")]) { Layout = TensorLayout.InputFirst },
        new([Canonical + "attn.qkv.bias"], [.. Parts.Select(part => $"{Attention}{part}/bias")]) { Layout = TensorLayout.Flat },
        .. Dense(Canonical + "attn.proj", Attention + "out"),
        .. Norm(Canonical + "norm2", Layers + "LayerNorm_2"),
        .. Dense(Canonical + "mlp.fc1", Layers + "MlpBlock_3/Dense_0"),
        .. Dense(Canonical + "mlp.fc2", Layers + "MlpBlock_3/Dense_1"),
        .. Norm("norm", "Transformer/encoder_norm"),
    ];

    internal static StateDictFormat AugReg { get; } = new()
    {
        Name = "augreg",
        Marker = "embedding/kernel",
        Signs = ["Transformer/encoderblock_0/LayerNorm_0/scale"],
        FurtherPrefixes = ["opt/target/", "params/"],
        Rules = [.. Backbone, .. Dense("head", "head")],
        IsReadOnly = true,
        Source = "google-research/vision_transformer: vit_jax/models_vit.py, checkpoint.py",
    };

    /// <summary>With the representation layer of models trained on ImageNet-21k.</summary>
    internal static StateDictFormat PreLogits { get; } = AugReg with
    {
        Name = "augreg-pre-logits",
        Signs = ["pre_logits/kernel"],
        Rules = Backbone,
        Unused = ["pre_logits/*", "head/*"],
        Remark = TimmFormats.PreLogitsRemark,
    };

    private static IEnumerable<KeyRule> Norm(string canonical, string file) =>
        [Of(canonical + ".weight", file + "/scale"), Of(canonical + ".bias", file + "/bias")];

    private static IEnumerable<KeyRule> Dense(string canonical, string file) =>
        [Of(canonical + ".weight", file + "/kernel") with { Layout = TensorLayout.OutputLast }, Of(canonical + ".bias", file + "/bias")];
}
