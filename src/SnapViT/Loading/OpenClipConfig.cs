using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>An <c>open_clip_config.json</c> of open_clip.</summary>
internal static class OpenClipConfig
{
    private const int DefaultHeadWidth = 64;

    /// <returns>Null where it is no config of open_clip.</returns>
    public static PublishedConfig? Parse(JsonElement root)
    {
        if (root.Section("model_cfg") is not JsonElement model || model.Section("vision_cfg") is not JsonElement vision)
        {
            return null;
        }

        int? side = vision.Side("image_size");
        (Preprocessing? images, string? doubt) = root.Section("preprocess_cfg") is JsonElement cfg && side is int size
            ? Images(cfg, size)
            : (null, null);
        PublishedConfig config = new() { ImageSize = side, Preprocessing = images, PreprocessingDoubt = doubt };
        return vision.Text("timm_model_name") is string trunk ? Trunk(config, vision, trunk) : Native(config, model, vision);
    }

    private static PublishedConfig Trunk(PublishedConfig config, JsonElement vision, string trunk) => config with
    {
        Activation = TimmConfig.ActivationOf(trunk),
        IsOfTimm = true,
        Pooling = vision.Text("timm_pool") switch
        {
            "avg" => Pooling.AveragePatches,
            "token" => Pooling.ClassToken,
            null or "" or "map" => null,
            _ => throw JsonFacts.Fault("timm_pool", "avg, token, map or nothing", vision.Find("timm_pool")!.Value),
        },
    };

    private static PublishedConfig Native(PublishedConfig config, JsonElement model, JsonElement vision)
    {
        if (vision.Find("layers") is JsonElement { ValueKind: JsonValueKind.Array } stages)
        {
            throw JsonFacts.Fault("layers", "the number of blocks of a Vision Transformer", stages);
        }

        if (vision.Find("attentional_pool") is JsonElement { ValueKind: not JsonValueKind.False } pool)
        {
            throw JsonFacts.Fault("attentional_pool", "false: this pooling is not known here", pool);
        }

        (int? width, int headWidth) = (vision.Count("width"), vision.Count("head_width") ?? DefaultHeadWidth);
        if (width % headWidth != 0)
        {
            throw new FormatException($"head_width: expected a divisor of the width {width}, found {headWidth}");
        }

        return config with
        {
            Width = width,
            Depth = vision.Count("layers"),
            PatchSize = vision.Side("patch_size"),
            Heads = width / headWidth,
            Activation = model.Flag("quick_gelu") == true ? "quick_gelu"
                : vision.Section("act_kwargs")?.Text("approximate") == "tanh" ? "gelu_tanh"
                : "gelu",
            LayerNormEpsilon = vision.Section("norm_kwargs")?.Positive("eps"),
            Pooling = PoolingOf(vision),
            NormAfterPool = vision.Flag("final_ln_after_pool") == true,
            StatesImageSize = true,
        };
    }

    /// <summary>Older configs say <c>global_average_pool</c>.</summary>
    private static Pooling? PoolingOf(JsonElement vision) => vision.Text("pool_type") switch
    {
        "avg" => Pooling.AveragePatches,
        "tok" => Pooling.ClassToken,
        null => vision.Flag("global_average_pool") == true ? Pooling.AveragePatches : null,
        _ => throw JsonFacts.Fault("pool_type", "tok or avg", vision.Find("pool_type")!.Value),
    };

    private static (Preprocessing? Images, string? Doubt) Images(JsonElement images, int side)
    {
        if (images.Channels("mean") is not float[] mean || images.Channels("std", positive: true) is not float[] std)
        {
            return (null, images.Find("mean") is null ? "mean is missing" : "std is missing");
        }

        ResizeMode? mode = images.Text("resize_mode") switch
        {
            null or "shortest" => ResizeMode.ShortSideThenCentre,
            "squash" => ResizeMode.Squash,
            _ => null,
        };
        Interpolation? filter = images.Text("interpolation") switch
        {
            null or "bicubic" or "random" => Interpolation.Bicubic,
            "bilinear" => Interpolation.Bilinear,
            _ => null,
        };
        return mode is null ? (null, $"resize_mode: expected shortest or squash, found {images.Find("resize_mode")}")
            : filter is null ? (null, $"interpolation: expected bicubic or bilinear, found {images.Find("interpolation")}")
            : (
                (Preprocessing.ForCrop(side, 1) with { Mode = mode.Value, Interpolation = filter.Value, Mean = mean, Std = std })
                    .Validated(),
                null);
    }
}
