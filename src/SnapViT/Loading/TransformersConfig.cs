using System.Globalization;
using System.Text.Json;

namespace SnapViT.Loading;

/// <summary>A <c>config.json</c> of Hugging Face transformers, which leaves out what is the default of its model type.</summary>
internal static class TransformersConfig
{
    /// <summary>transformers' wrapper of timm's models.</summary>
    private const string TimmWrapper = "timm_wrapper";

    /// <summary>Defaults of transformers' configuration classes, by model type.</summary>
    private static readonly (string Type, int Width, int Heads, string Activation, double Epsilon)[] Defaults =
    [
        ("vit", 768, 12, "gelu", 1e-12),
        ("vit_mae", 768, 12, "gelu", 1e-12),
        ("vit_msn", 768, 12, "gelu", 1e-6),
        ("ijepa", 768, 12, "gelu", 1e-12),
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
    /// <exception cref="FormatException">
    /// It is of a model that is no Vision Transformer here, or a fact is impossible; the message names its key.
    /// </exception>
    public static PublishedConfig? Parse(JsonElement root)
    {
        if (root.Text("model_type") is not string type)
        {
            return null;
        }

        if (type == TimmWrapper)
        {
            return TimmConfig.Parse(root) ?? throw new FormatException("architecture: expected the name of a model of timm, found nothing");
        }

        IReadOnlyList<string> classNames = ClassNamesOf(root);
        if (root.Section("vision_config") is JsonElement tower)
        {
            (root, type) = (tower, tower.Text("model_type") ?? $"{type}_vision_model");
        }

        foreach ((string name, int width, int heads, string activation, double epsilon) in Defaults)
        {
            if (name == type)
            {
                return new PublishedConfig
                {
                    Width = root.Count("hidden_size") ?? width,
                    Depth = root.Count("num_hidden_layers") ?? DefaultDepth,
                    Heads = root.Count("num_attention_heads") ?? heads,
                    PatchSize = root.Side("patch_size"),
                    MlpDim = root.Count("intermediate_size"),
                    Activation = root.Text("hidden_act") ?? activation,
                    LayerNormEpsilon = root.Positive("layer_norm_eps") ?? epsilon,
                    ImageSize = root.Side("image_size") ?? DefaultImageSize,
                    StatesImageSize = root.Find("image_size") is not null,
                    RotaryBase = RotaryBase(root) ?? DefaultRotaryBase,
                    ClassNames = classNames,
                };
            }
        }

        throw new FormatException(
            $"model_type: expected one of {string.Join(", ", Defaults.Select(row => row.Type))}, {TimmWrapper}, found '{type}'");
    }

    /// <summary>The names of the classes in their order; none where <c>id2label</c> is absent or says no more than their numbers.</summary>
    /// <exception cref="FormatException">It is no table of 0, 1, 2 and so on to names.</exception>
    public static IReadOnlyList<string> ClassNamesOf(JsonElement root)
    {
        if (root.Section("id2label") is not JsonElement table)
        {
            return [];
        }

        JsonProperty[] rows = [.. table.EnumerateObject()];
        string[] names = new string[rows.Length];
        foreach (JsonProperty row in rows)
        {
            if (!int.TryParse(row.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                || index >= names.Length
                || names[index] is not null)
            {
                throw new FormatException($"id2label: expected the numbers 0 to {names.Length - 1} as keys, found '{row.Name}'");
            }

            names[index] = row.Value.ValueKind == JsonValueKind.String
                ? row.Value.GetString()!
                : throw JsonFacts.Fault($"id2label {index}", "a name", row.Value);
        }

        return names.Index().All(row => row.Item == $"LABEL_{row.Index}") ? [] : names;
    }

    /// <summary>Configs since transformers 5 say it inside <c>rope_parameters</c>.</summary>
    private static double? RotaryBase(JsonElement root)
    {
        foreach (string key in new[] { "rope_parameters", "rope_scaling" })
        {
            if (root.Section(key) is JsonElement rope && (rope.Text("rope_type") ?? rope.Text("type")) is string kind and not "default")
            {
                throw new FormatException($"{key} rope_type: expected default, found '{kind}'");
            }
        }

        (double? outer, double? inner) = (root.Positive("rope_theta"), root.Section("rope_parameters")?.Positive("rope_theta"));
        return outer is double one && inner is double other && one != other
            ? throw new FormatException(
                string.Create(CultureInfo.InvariantCulture, $"rope_theta: expected {other}, which rope_parameters says, found {one}"))
            : inner ?? outer;
    }
}
