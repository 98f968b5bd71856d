using System.Globalization;
using System.Text.Json;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>A <c>preprocessor_config.json</c> of Hugging Face transformers, or the same inside a <c>processor_config.json</c>.</summary>
internal static class PreprocessorConfig
{
    private const int Bilinear = 2;
    private const int Bicubic = 3;
    private const double ByteScale = 1 / 255.0;

    /// <summary>Names of the filters of Pillow by number.</summary>
    private static readonly string[] Filters = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

    /// <summary>
    /// What processors do where their config leaves it out: whether a plain size is the short side, whether the centre is cropped, the
    /// filter.
    /// </summary>
    private static readonly (string Processor, bool ShortSide, bool Crops, int Filter)[] Defaults =
    [
        ("CLIP", true, true, Bicubic), ("Bit", true, true, Bicubic), ("DeiT", false, true, Bicubic), ("DINOv3", false, false, Bilinear),
        ("Siglip2", true, false, Bilinear), ("Siglip", false, false, Bicubic), ("ViT", false, false, Bilinear),
    ];

    /// <returns>
    /// What it says of images; where it asks for what no <see cref="Preprocessing"/> does, a doubt that names the fact. Null where it says
    /// nothing of images.
    /// </returns>
    /// <exception cref="FormatException">A fact is impossible.</exception>
    public static PublishedConfig? Parse(JsonElement root)
    {
        root = root.Section("image_processor") ?? root;
        if (root.Find("size") is null && root.Find("image_mean") is null && root.Find("resample") is null)
        {
            return null;
        }

        (Preprocessing? images, string? doubt) = Images(root);
        return new PublishedConfig { Preprocessing = images, PreprocessingDoubt = doubt };
    }

    private static (Preprocessing? Images, string? Doubt) Images(JsonElement root)
    {
        string processor = root.Text("image_processor_type") ?? root.Text("feature_extractor_type") ?? "";
        (string _, bool shortSide, bool cropsByDefault, int filter) = Defaults
            .FirstOrDefault(row => processor.StartsWith(row.Processor, StringComparison.Ordinal));
        bool crops = root.Flag("do_center_crop") ?? cropsByDefault;
        int resample = root.Count("resample", least: 0) ?? filter;
        (float[]? mean, float[]? std) = root.Flag("do_normalize") == false
            ? ([0, 0, 0], [1, 1, 1])
            : (root.Channels("image_mean"), root.Channels("image_std", positive: true));
        double scale = root.Positive("rescale_factor") ?? ByteScale;
        if (Doubt() is string doubt)
        {
            return (null, doubt);
        }

        (int to, bool byShortSide) = Size(root.Find("size")!.Value, shortSide);
        int input = crops ? root.Side("crop_size") ?? to : to;
        return to < input ? (null, $"crop_size: expected at most the size {to}, found {input}")
            : byShortSide && !crops ? (null, "do_center_crop: expected true where size is that of the short side, found false")
            : (new Preprocessing
            {
                Side = input,
                ResizeTo = to,
                Mode = byShortSide ? ResizeMode.ShortSideThenCentre : ResizeMode.Squash,
                Interpolation = resample == Bicubic ? Interpolation.Bicubic : Interpolation.Bilinear,
                ResizeInFloat = processor.StartsWith("DINOv3", StringComparison.Ordinal),
                Mean = mean!,
                Std = std!,
            }.Validated(), null);

        string? Doubt() =>
            resample is not (Bilinear or Bicubic)
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"resample: expected 2 (bilinear) or 3 (bicubic), found {(root.Find("resample") is null
                        ? "nothing"
                        : $"{resample}{(resample < Filters.Length ? $" ({Filters[resample]})" : "")}")}")
            : root.Flag("do_resize") == false ? "do_resize: expected true, found false"
            : root.Flag("do_rescale") == false ? "do_rescale: expected true, found false"
            : Math.Abs(scale - ByteScale) > ByteScale / 1000
                ? string.Create(CultureInfo.InvariantCulture, $"rescale_factor: expected 1/255, found {scale}")
            : root.Find("crop_pct") is JsonElement ratio ? $"crop_pct: a resize by it is not known here, found {ratio}"
            : mean is null ? "image_mean is missing"
            : std is null ? "image_std is missing"
            : root.Find("size") is not JsonElement size ? "size is missing"
            : size.ValueKind == JsonValueKind.Object && size.Find("shortest_edge") is null && size.Find("height") is null
                ? $"size: expected shortest_edge, or height and width, found {size.GetRawText().ReplaceLineEndings(" ")}"
            : null;
    }

    private static (int To, bool ByShortSide) Size(JsonElement size, bool shortSide)
    {
        if (size.Count("shortest_edge") is int edge)
        {
            return size.Find("longest_edge") is null
                ? (edge, true)
                : throw JsonFacts.Fault("size", "shortest_edge alone, or height and width", size);
        }

        using JsonDocument holder = JsonDocument.Parse($$"""{"size": {{size.GetRawText()}}}""");
        return (holder.RootElement.Side("size")!.Value, shortSide && size.ValueKind == JsonValueKind.Number);
    }
}
