using System.Text.Json;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>A <c>config.json</c> of timm: the name of the architecture, and how its images are prepared.</summary>
internal static class TimmConfig
{
    private const double DefaultCropRatio = 0.875;

    /// <returns>Null where it is no config of timm.</returns>
    public static PublishedConfig? Parse(JsonElement root) => root.Text("architecture") is not string architecture ? null : new PublishedConfig
    {
        Width = root.Integer("num_features"),
        Activation = root.Find("model_args")?.Text("act_layer") ?? ActivationOf(architecture),
        ImageSize = root.Find("pretrained_cfg") is JsonElement trained ? Side(trained) : null,
        AveragesPatches = root.Text("global_pool") == "avg",
        Preprocessing = root.Find("pretrained_cfg") is JsonElement images ? Images(images) : null,
    };

    /// <summary>What timm's model definitions say (models/vision_transformer.py); null where its models of that name differ.</summary>
    public static string? ActivationOf(string architecture) =>
        Has(architecture, "siglip") ? Has(architecture, "giantopt") ? "gelu_tanh" : Has(architecture, "vit_base_") ? "gelu" : null
        : Has(architecture, "quickgelu") ? "quick_gelu"
        : "gelu";

    private static bool Has(string name, string part) => name.Contains(part, StringComparison.Ordinal);

    private static int? Side(JsonElement trained) => trained.Numbers("input_size") is [_, float height, float width] && height == width ? (int)height : null;

    private static Preprocessing? Images(JsonElement trained)
    {
        if (Side(trained) is not int side || trained.Numbers("mean") is not float[] mean || trained.Numbers("std") is not float[] std)
        {
            return null;
        }

        string? mode = trained.Text("crop_mode"), filter = trained.Text("interpolation");
        if (mode is not (null or "center" or "squash") || filter is not (null or "bicubic" or "bilinear"))
        {
            return null;
        }

        return (Preprocessing.ForCrop(side, trained.Number("crop_pct") ?? DefaultCropRatio) with
        {
            Mode = mode == "squash" ? ResizeMode.Squash : ResizeMode.ShortSideThenCentre,
            Interpolation = filter == "bilinear" ? Interpolation.Bilinear : Interpolation.Bicubic,
            Mean = mean,
            Std = std,
        }).Validated();
    }
}
