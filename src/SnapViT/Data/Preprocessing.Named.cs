namespace SnapViT.Data;

public sealed partial record Preprocessing
{
    private static readonly float[] ImageNetMean = [0.485f, 0.456f, 0.406f];
    private static readonly float[] ImageNetStd = [0.229f, 0.224f, 0.225f];
    private static readonly float[] ClipMean = [0.48145466f, 0.4578275f, 0.40821073f];
    private static readonly float[] ClipStd = [0.26862954f, 0.26130258f, 0.27577711f];
    private static readonly float[] Half = [0.5f, 0.5f, 0.5f];

    private static readonly (string Name, Func<int, Preprocessing> For)[] Published =
    [
        ("reference", side => ForCrop(side, 0.875)),
        ("dino", side => ForCrop(side, 0.9)),
        ("deit", side => ForCrop(side, 0.9)),
        ("deit3", side => ForCrop(side, 1)),
        ("augreg", side => ForCrop(side, 0.9) with { Mean = Half, Std = Half }),
        ("siglip", side => ForCrop(side, 1) with { Mode = ResizeMode.Squash, Mean = Half, Std = Half }),
        ("clip", side => ForCrop(side, 1) with { Mean = ClipMean, Std = ClipStd }),
        ("dinov3", side => ForCrop(side, 1) with { Mode = ResizeMode.Squash, Interpolation = Interpolation.Bilinear, ResizeInFloat = true }),
    ];

    /// <summary>Resize 256, centre 224, bicubic, ImageNet mean and std: what the reference does for every timm model.</summary>
    public static Preprocessing Reference { get; } = ForCrop(224, 0.875);

    /// <summary>Names of the published settings that <see cref="Named"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Published.Select(row => row.Name)];

    /// <summary>The settings by name; sides follow the model's input size.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="side">Side of the model's input in pixels.</param>
    /// <exception cref="ArgumentException">There is no such name, or the side is not positive.</exception>
    public static Preprocessing Named(string name, int side)
    {
        Func<int, Preprocessing>? settings = Published.FirstOrDefault(row => row.Name == name).For;
        return settings is null
            ? throw new ArgumentException($"preprocessing: expected one of {string.Join(", ", Names)}, found '{name}'", nameof(name))
            : settings(side);
    }

    /// <summary>Bicubic resize of the short side and centre crop with ImageNet normalisation.</summary>
    /// <param name="side">Side of the input in pixels.</param>
    /// <param name="cropRatio">Share of the resized short side that the crop keeps, above 0 and up to 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public static Preprocessing ForCrop(int side, double cropRatio)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(side);
        if (cropRatio is not (> 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(cropRatio), $"expected a crop ratio above 0 and up to 1, found {cropRatio}");
        }

        return new Preprocessing { Side = side, ResizeTo = (int)Math.Floor(side / cropRatio) };
    }
}
