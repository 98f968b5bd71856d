using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>
/// A <c>config.json</c> of timm: the name of the architecture, what was changed in it, and how its images are prepared. transformers'
/// TimmWrapper writes the same facts.
/// </summary>
internal static class TimmConfig
{
    private const double DefaultCropRatio = 0.875;

    /// <returns>Null where it is no config of timm.</returns>
    public static PublishedConfig? Parse(JsonElement root)
    {
        if (root.Text("architecture") is not string architecture)
        {
            return null;
        }

        JsonElement? changed = root.Section("model_args"), trained = root.Section("pretrained_cfg");
        (Preprocessing? images, string? doubt) = trained is JsonElement cfg ? Images(cfg) : (null, null);
        return new PublishedConfig
        {
            Width = changed?.Count("embed_dim") ?? root.Count("num_features"),
            Depth = changed?.Count("depth"),
            Heads = changed?.Count("num_heads"),
            PatchSize = changed?.Side("patch_size"),
            Activation = changed?.Text("act_layer") ?? ActivationOf(architecture),
            ImageSize = changed?.Side("img_size") ?? trained?.Side("input_size"),
            Pooling = PoolingOf(changed?.Find("global_pool") is null ? root : changed.Value),
            Preprocessing = images,
            PreprocessingDoubt = doubt,
            IsOfTimm = true,
            ClassNames = root.Find("label_names") is JsonElement names
                ? ClassNamesOf("label_names", names)
                : TransformersConfig.ClassNamesOf(root),
        };
    }

    /// <summary>What timm's model definitions say (models/vision_transformer.py); null where its models of that name differ.</summary>
    public static string? ActivationOf(string architecture) =>
        Has(architecture, "siglip") ? Has(architecture, "giantopt") ? "gelu_tanh" : Has(architecture, "vit_base_") ? "gelu" : null
        : Has(architecture, "quickgelu") ? "quick_gelu"
        : "gelu";

    private static bool Has(string name, string part) => name.Contains(part, StringComparison.Ordinal);

    private static Pooling? PoolingOf(JsonElement json) => json.Text("global_pool") switch
    {
        "avg" => Pooling.AveragePatches,
        "token" => Pooling.ClassToken,
        null or "" or "map" => null,
        _ => throw JsonFacts.Fault("global_pool", "token, avg or map", json.Find("global_pool")!.Value),
    };

    private static string[] ClassNamesOf(string key, JsonElement names) =>
        names.ValueKind == JsonValueKind.Array && names.EnumerateArray().All(name => name.ValueKind == JsonValueKind.String)
            ? [.. names.EnumerateArray().Select(name => name.GetString()!)]
            : throw JsonFacts.Fault(key, "a list of names", names);

    private static (Preprocessing? Images, string? Doubt) Images(JsonElement trained)
    {
        if (trained.Side("input_size") is not int side
            || trained.Channels("mean") is not float[] mean
            || trained.Channels("std", positive: true) is not float[] std)
        {
            return (null, null);
        }

        string? mode = trained.Text("crop_mode"), filter = trained.Text("interpolation");
        double ratio = trained.Positive("crop_pct") ?? DefaultCropRatio;
        return mode is not (null or "center" or "squash") ? (null, $"crop_mode: expected center or squash, found '{mode}'")
            : filter is not (null or "bicubic" or "bilinear") ? (null, $"interpolation: expected bicubic or bilinear, found '{filter}'")
            : ratio > 1 ? throw JsonFacts.Fault("crop_pct", "a number above 0 and up to 1", trained.Find("crop_pct")!.Value)
            : ((Preprocessing.ForCrop(side, ratio) with
            {
                Mode = mode == "squash" ? ResizeMode.Squash : ResizeMode.ShortSideThenCentre,
                Interpolation = filter == "bilinear" ? Interpolation.Bilinear : Interpolation.Bicubic,
                Mean = mean,
                Std = std,
            }).Validated(), null);
    }
}
