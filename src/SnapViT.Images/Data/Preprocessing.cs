using System.Globalization;
using System.Runtime.ExceptionServices;
using SnapViT.Core.Errors;

namespace SnapViT.Data;

/// <summary>How pixels between pixels are found; always with antialiasing when shrinking.</summary>
public enum Interpolation
{
    /// <summary>Triangle filter.</summary>
    Bilinear,

    /// <summary>Keys' cubic filter with a = -1/2.</summary>
    Bicubic,
}

/// <summary>How the side of an image is brought to the model's input size.</summary>
public enum ResizeMode
{
    /// <summary>The short side to <see cref="Preprocessing.ResizeTo"/>, then the centre.</summary>
    ShortSideThenCentre,

    /// <summary>Both sides to <see cref="Preprocessing.ResizeTo"/>, whatever the aspect, then the centre.</summary>
    Squash,
}

/// <summary>How an image becomes a model's input: facts that belong to a model and are stored with it; compared by value.</summary>
public sealed record Preprocessing
{
    /// <summary>Side of the model's input in pixels, S.</summary>
    public required int Side { get; init; }

    /// <summary>Length of the short side after resizing, of both sides when squashed; at least <see cref="Side"/>.</summary>
    public required int ResizeTo { get; init; }

    /// <summary>How both sides are brought to the input size.</summary>
    public ResizeMode Mode { get; init; } = ResizeMode.ShortSideThenCentre;

    /// <summary>Filter; always antialiased.</summary>
    public Interpolation Interpolation { get; init; } = Interpolation.Bicubic;

    /// <summary>Whether the resize works on float pixels and is not rounded to 8 bits (DINOv3).</summary>
    public bool ResizeInFloat { get; init; }

    /// <summary>Subtracted per channel from pixels in 0..1; red, green, blue.</summary>
    public IReadOnlyList<float> Mean { get; init; } = ImageNetMean;

    /// <summary>Divides per channel after the mean is subtracted; positive; red, green, blue.</summary>
    public IReadOnlyList<float> Std { get; init; } = ImageNetStd;

    /// <summary>Checks the facts against each other.</summary>
    /// <returns>This preprocessing.</returns>
    /// <exception cref="SnapViTException">A fact is impossible; the message lists all violations.</exception>
    public Preprocessing Validated()
    {
        List<string> faults = [];
        Require(Side > 0, $"{nameof(Side)} must be positive, found {Side}");
        Require(ResizeTo >= Side, $"{nameof(ResizeTo)} must be at least {nameof(Side)} {Side}, found {ResizeTo}");
        Require(
            Enum.IsDefined(Mode) && Enum.IsDefined(Interpolation),
            $"unknown {nameof(Mode)} {Mode} or {nameof(Interpolation)} {Interpolation}");
        Require(Mean is { Count: 3 } && Mean.All(float.IsFinite), $"{nameof(Mean)} must be 3 finite numbers");
        Require(Std is { Count: 3 } && Std.All(value => float.IsFinite(value) && value > 0), $"{nameof(Std)} must be 3 positive numbers");
        return faults.Count == 0
            ? this
            : throw new SnapViTException(ErrorKind.Option, $"impossible preprocessing: {string.Join("; ", faults)}");

        void Require(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }

    /// <summary>The facts in one line of text.</summary>
    public string Describe()
    {
        string resize = Mode == ResizeMode.Squash
            ? $"squash to {ResizeTo}{(ResizeTo == Side ? "" : $", centre {Side}")}"
            : $"short side to {ResizeTo}, centre {Side}";
        string filter = Interpolation == Interpolation.Bicubic ? "bicubic" : "bilinear";
        return FormattableString.Invariant(
            $"{resize}, {filter}{(ResizeInFloat ? " in float" : "")}, mean {Numbers(Mean)}, std {Numbers(Std)}");

        static string Numbers(IEnumerable<float> values) =>
            string.Join(' ', values.Select(value => value.ToString(CultureInfo.InvariantCulture)));
    }

    /// <inheritdoc/>
    public bool Equals(Preprocessing? other) =>
        other is not null
        && (Side, ResizeTo, Mode, Interpolation, ResizeInFloat)
            == (other.Side, other.ResizeTo, other.Mode, other.Interpolation, other.ResizeInFloat)
        && Mean.SequenceEqual(other.Mean)
        && Std.SequenceEqual(other.Std);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Side, ResizeTo, Mode, Interpolation, ResizeInFloat, Mean[0], Std[0]);

    private const int Channels = 3;

    /// <summary>A JPEG so many times as large as what is made of it is decoded at a smaller size.</summary>
    private const int ReducedFrom = 4;

    /// <summary>
    /// How long the short side of a decoded image must be, in pixels: longer ones change the result by less than a level of 255 on average.
    /// </summary>
    internal int LeastSide => (int)Math.Min(int.MaxValue, (long)ReducedFrom * ResizeTo);

    /// <summary>
    /// The values that the bytes of each channel become, ascending, [3][256]; null where pixels between bytes occur.
    /// </summary>
    internal float[][]? Levels => ResizeInFloat
        ? null
        : [.. Enumerable.Range(0, Channels).Select(channel =>
            Enumerable.Range(0, byte.MaxValue + 1).Select(value => Normalised(value, channel)).ToArray())];

    /// <summary>Resizes, crops and normalises one image.</summary>
    /// <param name="image">The decoded image.</param>
    /// <returns>Values [3, S, S].</returns>
    /// <exception cref="SnapViTException">A fact of this preprocessing is impossible.</exception>
    internal float[] Apply(RgbImage image)
    {
        (ResizedAxis columns, ResizedAxis rows) = Window(image);
        float[] values = new float[Channels * Side * Side];
        if (ResizeInFloat)
        {
            Normalise(Resampler.ResizeFloat(image, columns, rows, Interpolation), values);
        }
        else
        {
            Normalise(Resampler.Resize(image, columns, rows, Interpolation), values);
        }

        return values;
    }

    /// <summary>Decodes, resizes, crops and normalises several images, on all cores.</summary>
    /// <param name="images">The images.</param>
    /// <param name="cancellation">Stops between two images.</param>
    /// <returns>Values [B, 3, S, S].</returns>
    /// <exception cref="SnapViTException">An image is none, or damaged; or a fact of this preprocessing is impossible.</exception>
    /// <exception cref="IOException">An image cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal float[] Prepare(IReadOnlyList<ImageEntry> images, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentOutOfRangeException.ThrowIfZero(images.Count);
        int size = Channels * Side * Side;
        float[] values = new float[images.Count * size];
        try
        {
            Parallel.For(
                0, images.Count, new ParallelOptions { CancellationToken = cancellation },
                image => Apply(images[image].Decode(leastSide: LeastSide)).CopyTo(values, image * size));
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.InnerExceptions[0]);
        }

        return values;
    }

    /// <summary>Normalises pixels that already have the input size.</summary>
    /// <param name="image">An image of S x S pixels.</param>
    /// <param name="values">Receives [3, S, S].</param>
    internal void Normalise(RgbImage image, Span<float> values)
    {
        ReadOnlySpan<byte> pixels = image.Pixels;
        Span<float> ofByte = stackalloc float[byte.MaxValue + 1];
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int value = 0; value < ofByte.Length; value++)
            {
                ofByte[value] = Normalised(value, channel);
            }

            for (int target = channel * Side * Side, source = channel; source < pixels.Length; target++, source += Channels)
            {
                values[target] = ofByte[pixels[source]];
            }
        }
    }

    /// <summary>What remains after resize and centre crop: S pixels of both axes.</summary>
    internal (ResizedAxis Columns, ResizedAxis Rows) Window(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        Validated();
        long shortSide = Math.Min(image.Width, image.Height);
        return (Axis(image.Width), Axis(image.Height));

        ResizedAxis Axis(int length)
        {
            long resized = Mode == ResizeMode.Squash ? ResizeTo : (long)ResizeTo * length / shortSide;
            return new ResizedAxis(length, resized, (long)Math.Round((resized - Side) / 2.0, MidpointRounding.ToEven), Side);
        }
    }

    private void Normalise(float[] pixels, Span<float> values)
    {
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int target = channel * Side * Side, source = channel; source < pixels.Length; target++, source += Channels)
            {
                values[target] = Normalised(pixels[source], channel);
            }
        }
    }

    private float Normalised(float value, int channel) => ((value / 255f) - Mean[channel]) / Std[channel];

    private static readonly float[] ImageNetMean = [0.485f, 0.456f, 0.406f];
    private static readonly float[] ImageNetStd = [0.229f, 0.224f, 0.225f];
    private static readonly float[] ClipMean = [0.48145466f, 0.4578275f, 0.40821073f];
    private static readonly float[] ClipStd = [0.26862954f, 0.26130258f, 0.27577711f];
    private static readonly float[] SatelliteMean = [0.430f, 0.411f, 0.296f];
    private static readonly float[] SatelliteStd = [0.213f, 0.156f, 0.143f];
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
        ("clip-half", side => ForCrop(side, 1) with { Mean = Half, Std = Half }),
        ("clipa", side => ForCrop(side, 1) with { Mode = ResizeMode.Squash, Interpolation = Interpolation.Bilinear }),
        ("inception", side => ForCrop(side, 0.875) with { Mean = Half, Std = Half }),
        ("torchvision", side => ForCrop(side, 0.875) with { Interpolation = Interpolation.Bilinear }),
        ("dinov2", side => ForCrop(side, 0.875)),
        ("dinov2-518", side => ForCrop(side, 1)),
        ("dinov3-sat", side => ForCrop(side, 1) with
        {
            Mode = ResizeMode.Squash, Interpolation = Interpolation.Bilinear, ResizeInFloat = true,
            Mean = SatelliteMean, Std = SatelliteStd,
        }),
        ("dinov3", side => ForCrop(side, 1) with
        {
            Mode = ResizeMode.Squash,
            Interpolation = Interpolation.Bilinear,
            ResizeInFloat = true,
        }),
    ];

    /// <summary>Resize 256, centre 224, bicubic, ImageNet mean and std: what the reference does for every timm model.</summary>
    public static Preprocessing Reference { get; } = ForCrop(224, 0.875);

    /// <summary>Names of the published settings that <see cref="Named"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Published.Select(row => row.Name)];

    /// <summary>The settings by name; sides follow the model's input size.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="side">Side of the model's input in pixels.</param>
    /// <exception cref="SnapViTException">There is no such name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The side is not positive.</exception>
    public static Preprocessing Named(string name, int side)
    {
        Func<int, Preprocessing>? settings = Published.FirstOrDefault(row => row.Name == name).For;
        return settings is null
            ? throw new SnapViTException(ErrorKind.Option, $"preprocessing: expected one of {string.Join(", ", Names)}, found '{name}'")
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
