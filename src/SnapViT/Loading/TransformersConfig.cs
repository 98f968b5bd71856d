using System.Text.Json;

namespace SnapViT.Loading;

/// <summary>A <c>config.json</c> of Hugging Face transformers, which leaves out what is the default of its model type.</summary>
internal static class TransformersConfig
{
    /// <summary>Defaults of transformers' configuration classes, by model type.</summary>
    private static readonly (string Type, int Width, int Heads, string Activation, double Epsilon)[] Defaults =
    [
        ("vit", 768, 12, "gelu", 1e-12),
        ("deit", 768, 12, "gelu", 1e-12),
        ("dinov2", 768, 12, "gelu", 1e-6),
        ("dinov2_with_registers", 768, 12, "gelu", 1e-6),
        ("dinov3_vit", 384, 6, "gelu", 1e-5),
        ("siglip_vision_model", 768, 12, "gelu_pytorch_tanh", 1e-6),
        ("siglip2_vision_model", 768, 12, "gelu_pytorch_tanh", 1e-6),
        ("clip_vision_model", 768, 12, "quick_gelu", 1e-5),
    ];

    private const int DefaultDepth = 12;
    private const int DefaultImageSize = 224;
    private const double DefaultRotaryBase = 100;

    /// <returns>Null where it is no config of transformers.</returns>
    /// <exception cref="FormatException">It is of a model that is no Vision Transformer here.</exception>
    public static PublishedConfig? Parse(JsonElement root)
    {
        if (root.Text("model_type") is not string type)
        {
            return null;
        }

        if (root.Find("vision_config") is JsonElement tower)
        {
            (root, type) = (tower, tower.Text("model_type") ?? $"{type}_vision_model");
        }

        foreach ((string name, int width, int heads, string activation, double epsilon) in Defaults)
        {
            if (name == type)
            {
                return new PublishedConfig
                {
                    Width = root.Integer("hidden_size") ?? width,
                    Depth = root.Integer("num_hidden_layers") ?? DefaultDepth,
                    Heads = root.Integer("num_attention_heads") ?? heads,
                    Activation = root.Text("hidden_act") ?? activation,
                    LayerNormEpsilon = root.Number("layer_norm_eps") ?? epsilon,
                    ImageSize = root.Integer("image_size") ?? DefaultImageSize,
                    RotaryBase = root.Number("rope_theta") ?? DefaultRotaryBase,
                };
            }
        }

        throw new FormatException($"model_type '{type}'; expected one of {string.Join(", ", Defaults.Select(row => row.Type))}");
    }
}
