using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Names of torchvision's Vision Transformers.</summary>
internal static class TorchvisionFormats
{
    private const string Canonical = "blocks.*.";
    private const string Layers = "encoder.layers.encoder_layer_*.";

    internal static StateDictFormat ViT { get; } = new()
    {
        Name = "torchvision",
        Marker = "conv_proj.weight",
        Signs = ["encoder.pos_embedding"],
        Rules =
        [
            Of("cls_token", "class_token"),
            Of("pos_embed", "encoder.pos_embedding"),
            .. Layer("patch_embed.proj", "conv_proj"),
            .. Layer(Canonical + "norm1", Layers + "ln_1"),
            Of(Canonical + "attn.qkv.weight", Layers + "self_attention.in_proj_weight"),
            Of(Canonical + "attn.qkv.bias", Layers + "self_attention.in_proj_bias"),
            .. Layer(Canonical + "attn.proj", Layers + "self_attention.out_proj"),
            .. Layer(Canonical + "norm2", Layers + "ln_2"),
            .. Layer(Canonical + "mlp.fc1", Layers + "mlp.0"),
            .. Layer(Canonical + "mlp.fc2", Layers + "mlp.3"),
            .. Layer("norm", "encoder.ln"),
            .. Layer("head", "heads.head"),

            // torchvision before 0.12 named the layers of its MLP.
            .. Layer(Canonical + "mlp.fc1", Layers + "mlp.linear_1"),
            .. Layer(Canonical + "mlp.fc2", Layers + "mlp.linear_2"),
        ],
        Source = "torchvision: models/vision_transformer.py",
    };
}
