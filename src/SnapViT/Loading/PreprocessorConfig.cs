using System.Text.Json;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>A <c>preprocessor_config.json</c> of Hugging Face transformers.</summary>
internal static class PreprocessorConfig
{
    private const int Bilinear = 2;
    private const int Bicubic = 3;

    /// <summary>Processors that take a plain number as the short side; all others take it for both sides.</summary>
    private static readonly string[] ShortSideProcessors = ["CLIP", "Bit", "Siglip2"];

    /// <returns>Null where it says nothing of images, or asks for what no <see cref="Preprocessing"/> does.</returns>
    public static PublishedConfig? Parse(JsonElement root)
    {
        if (root.Find("size") is not JsonElement size || root.Numbers("image_mean") is not float[] mean || root.Numbers("image_std") is not float[] std
            || root.Integer("resample") is not (Bilinear or Bicubic) || root.Flag("do_resize") == false)
        {
            return null;
        }

        string processor = root.Text("image_processor_type") ?? root.Text("feature_extractor_type") ?? "";
        bool crops = root.Flag("do_center_crop") == true;
        bool byShortSide = size.ValueKind == JsonValueKind.Number
            ? ShortSideProcessors.Any(name => processor.StartsWith(name, StringComparison.Ordinal))
            : size.Integer("shortest_edge") is not null;
        int? resized = size.ValueKind == JsonValueKind.Number ? size.GetInt32() : size.Integer("shortest_edge") ?? Square(size);
        int? side = crops ? root.Find("crop_size") is JsonElement crop ? crop.ValueKind == JsonValueKind.Number ? crop.GetInt32() : Square(crop) : resized : resized;
        if (resized is not int to || side is not int input || (!byShortSide && to != input) || (byShortSide && !crops))
        {
            return null;
        }

        return new PublishedConfig
        {
            Preprocessing = new Preprocessing
            {
                Side = input,
                ResizeTo = to,
                Mode = byShortSide ? ResizeMode.ShortSideThenCentre : ResizeMode.Squash,
                Interpolation = root.Integer("resample") == Bicubic ? Interpolation.Bicubic : Interpolation.Bilinear,
                ResizeInFloat = processor.StartsWith("DINOv3", StringComparison.Ordinal),
                Mean = mean,
                Std = std,
            }.Validated(),
        };
    }

    private static int? Square(JsonElement size) => size.Integer("height") is int height && height == size.Integer("width") ? height : null;
}
