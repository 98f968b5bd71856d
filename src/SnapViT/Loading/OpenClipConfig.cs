using System.Text.Json;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>An <c>open_clip_config.json</c> of open_clip.</summary>
internal static class OpenClipConfig
{
    private const int DefaultHeadWidth = 64;

    /// <returns>Null where it is no config of open_clip.</returns>
    public static PublishedConfig? Parse(JsonElement root)
    {
        if (root.Find("model_cfg") is not JsonElement model || model.Find("vision_cfg") is not JsonElement vision)
        {
            return null;
        }

        int? side = vision.Integer("image_size");
        PublishedConfig config = new()
        {
            ImageSize = side,
            Preprocessing = root.Find("preprocess_cfg") is JsonElement images && side is int size ? Images(images, size) : null,
        };
        return vision.Text("timm_model_name") is string trunk
            ? config with { Activation = TimmConfig.ActivationOf(trunk) }
            : config with
            {
                Width = vision.Integer("width"),
                Depth = vision.Integer("layers"),
                Heads = vision.Integer("width") / (vision.Integer("head_width") ?? DefaultHeadWidth),
                Activation = model.Flag("quick_gelu") == true ? "quick_gelu" : vision.Find("act_kwargs")?.Text("approximate") == "tanh" ? "gelu_tanh" : "gelu",
            };
    }

    private static Preprocessing? Images(JsonElement images, int side)
    {
        if (images.Numbers("mean") is not float[] mean || images.Numbers("std") is not float[] std || images.Text("resize_mode") is "longest")
        {
            return null;
        }

        return (Preprocessing.ForCrop(side, 1) with
        {
            Mode = images.Text("resize_mode") == "squash" ? ResizeMode.Squash : ResizeMode.ShortSideThenCentre,
            Interpolation = images.Text("interpolation") == "bilinear" ? Interpolation.Bilinear : Interpolation.Bicubic,
            Mean = mean,
            Std = std,
        }).Validated();
    }
}
