namespace SnapViT.Data;

/// <summary>How the side of an image is brought to the model's input size.</summary>
public enum ResizeMode
{
    /// <summary>The short side to <see cref="Preprocessing.ResizeTo"/>, then the centre.</summary>
    ShortSideThenCentre,

    /// <summary>Both sides to the input size, whatever the aspect.</summary>
    Squash,
}

/// <summary>How an image becomes a model's input: facts that belong to a model and are stored with it.</summary>
public sealed record Preprocessing
{
    private static readonly float[] ImageNetMean = [0.485f, 0.456f, 0.406f];
    private static readonly float[] ImageNetStd = [0.229f, 0.224f, 0.225f];
    private static readonly float[] Half = [0.5f, 0.5f, 0.5f];

    /// <summary>Resize 256, centre 224, bicubic, ImageNet mean and std: what the reference does for every timm model.</summary>
    public static Preprocessing Reference { get; } = ForCrop(224, 0.875);

    /// <summary>Side of the model's input in pixels.</summary>
    public required int Side { get; init; }

    /// <summary>Length of the short side after resizing, at least <see cref="Side"/>; unused when squashed.</summary>
    public required int ResizeTo { get; init; }

    /// <summary>How both sides are brought to the input size.</summary>
    public ResizeMode Mode { get; init; } = ResizeMode.ShortSideThenCentre;

    /// <summary>Filter; always antialiased.</summary>
    public Interpolation Interpolation { get; init; } = Interpolation.Bicubic;

    /// <summary>Whether the resize works on float pixels and is not rounded to 8 bits (DINOv3).</summary>
    public bool ResizeInFloat { get; init; }

    /// <summary>Subtracted per channel from pixels in 0..1.</summary>
    public IReadOnlyList<float> Mean { get; init; } = ImageNetMean;

    /// <summary>Divides per channel after the mean is subtracted.</summary>
    public IReadOnlyList<float> Std { get; init; } = ImageNetStd;

    /// <summary>The settings by name; sides follow the model's input size.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="side">Side of the model's input in pixels.</param>
    /// <exception cref="ArgumentException">There is no such name.</exception>
    public static Preprocessing Named(string name, int side) => name switch
    {
        "reference" => ForCrop(side, 0.875),
        "dino" or "deit" => ForCrop(side, 0.9),
        "deit3" => ForCrop(side, 1),
        "augreg" => ForCrop(side, 0.9) with { Mean = Half, Std = Half },
        "siglip" => ForCrop(side, 1) with { Mode = ResizeMode.Squash, Mean = Half, Std = Half },
        "dinov3" => ForCrop(side, 1) with { Mode = ResizeMode.Squash, Interpolation = Interpolation.Bilinear, ResizeInFloat = true },
        _ => throw new ArgumentException($"preprocessing: expected one of {string.Join(", ", Names)}, found '{name}'", nameof(name)),
    };

    /// <summary>Names of the published settings that <see cref="Named"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = ["reference", "dino", "deit", "deit3", "augreg", "siglip", "dinov3"];

    /// <summary>Bicubic resize of the short side and centre crop with ImageNet normalisation.</summary>
    /// <param name="side">Side of the input in pixels.</param>
    /// <param name="cropRatio">Share of the resized short side that the crop keeps, above 0 and up to 1.</param>
    public static Preprocessing ForCrop(int side, double cropRatio) => new() { Side = side, ResizeTo = (int)Math.Floor(side / cropRatio) };

    /// <summary>The facts in one line of text.</summary>
    public string Describe() => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"{Mode} {ResizeTo} to {Side}, {Interpolation}{(ResizeInFloat ? " in float" : "")}, mean {string.Join(' ', Mean)}, std {string.Join(' ', Std)}");

    /// <summary>Resizes, crops and normalises one image.</summary>
    /// <param name="image">The decoded image.</param>
    /// <returns>Values [3, Side, Side].</returns>
    public float[] Apply(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        (int width, int height) = ResizedSize(image);
        if (ResizeInFloat)
        {
            float[] resized = Resampler.ResizeFloat(image, width, height, Interpolation);
            return Normalise(i => resized[i]);
        }

        byte[] pixels = ResizeAndCrop(image, width, height).Pixels;
        return Normalise(i => pixels[i]);
    }

    /// <summary>Normalises pixels that already have the input size.</summary>
    /// <param name="image">An image of <see cref="Side"/> x <see cref="Side"/> pixels.</param>
    /// <returns>Values [3, Side, Side].</returns>
    public float[] Normalise(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        byte[] pixels = image.Pixels;
        return Normalise(i => pixels[i]);
    }

    internal RgbImage ResizeAndCrop(RgbImage image)
    {
        (int width, int height) = ResizedSize(image);
        return ResizeAndCrop(image, width, height);
    }

    private RgbImage ResizeAndCrop(RgbImage image, int width, int height)
    {
        RgbImage resized = Resampler.Resize(image, width, height, Interpolation);
        int left = (int)Math.Round((width - Side) / 2.0, MidpointRounding.ToEven);
        int top = (int)Math.Round((height - Side) / 2.0, MidpointRounding.ToEven);
        return resized.Crop(left, top, Side, Side);
    }

    private (int Width, int Height) ResizedSize(RgbImage image)
    {
        if (Mode == ResizeMode.Squash)
        {
            return (Side, Side);
        }

        return image.Width <= image.Height
            ? (ResizeTo, (int)((long)ResizeTo * image.Height / image.Width))
            : ((int)((long)ResizeTo * image.Width / image.Height), ResizeTo);
    }

    private float[] Normalise(Func<int, float> pixel)
    {
        int area = Side * Side;
        float[] values = new float[3 * area];
        for (int channel = 0; channel < 3; channel++)
        {
            float mean = Mean[channel], std = Std[channel];
            for (int i = 0; i < area; i++)
            {
                values[(channel * area) + i] = ((pixel((i * 3) + channel) / 255f) - mean) / std;
            }
        }

        return values;
    }
}
