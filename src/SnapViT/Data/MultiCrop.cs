using SnapViT.Core.Randomness;

namespace SnapViT.Data;

/// <summary>
/// Random crops of an image as torchvision's RandomResizedCrop draws them: area 25 to 100 % (global) or 5 to 25 % (local), aspect 3/4 to 4/3,
/// resized to the model's full input by antialiased bilinear interpolation. No flips, no colour changes.
/// </summary>
public sealed class MultiCrop
{
    private const int Attempts = 10;
    private static readonly (double Least, double Most) GlobalArea = (0.25, 1);
    private static readonly (double Least, double Most) LocalArea = (0.05, 0.25);

    private readonly Preprocessing _preprocessing;
    private readonly ulong _seed;
    private readonly int _globals;
    private readonly int _locals;

    /// <summary>Crops for one model.</summary>
    /// <param name="protocol">How many crops of which kind.</param>
    /// <param name="preprocessing">Side and normalisation of the model's input.</param>
    /// <param name="seed">Seed; every image has its own stream by name, whatever the order and the threads.</param>
    public MultiCrop(CropProtocol protocol, Preprocessing preprocessing, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        _preprocessing = preprocessing;
        _seed = seed;
        (_globals, _locals) = protocol == CropProtocol.Reference ? (1, 1) : (2, 10);
    }

    /// <summary>Crops of one image, V: global ones first.</summary>
    public int Views => _globals + _locals;

    /// <summary>Draws the crops of one image.</summary>
    /// <param name="file">Its name seeds the draw.</param>
    /// <param name="image">The decoded image.</param>
    /// <returns>Normalised values [V, 3, Side, Side].</returns>
    public float[] Apply(ImageFile file, RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(image);
        SeededRandom random = SeededRandom.ForPurpose(_seed, $"crops/{file.Name}");
        List<float> values = new(Views * 3 * _preprocessing.Side * _preprocessing.Side);
        for (int view = 0; view < Views; view++)
        {
            CropRectangle rectangle = Draw(image.Width, image.Height, view < _globals ? GlobalArea : LocalArea, random);
            values.AddRange(_preprocessing.Normalise(Resized(image, rectangle, _preprocessing.Side)));
        }

        return [.. values];
    }

    /// <summary>A rectangle of an image at the size of the model's input.</summary>
    public static RgbImage Resized(RgbImage image, CropRectangle rectangle, int side)
    {
        ArgumentNullException.ThrowIfNull(image);
        RgbImage crop = image.Crop(rectangle.Left, rectangle.Top, rectangle.Width, rectangle.Height);
        return Resampler.Resize(crop, side, side, Interpolation.Bilinear);
    }

    /// <summary>Ten tries for a rectangle that fits, then the largest centred one of a legal aspect (torchvision's rule).</summary>
    internal static CropRectangle Draw(int width, int height, (double Least, double Most) area, SeededRandom random)
    {
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double target = width * (double)height * (area.Least + ((area.Most - area.Least) * random.NextDouble()));
            double aspect = Math.Exp(Math.Log(3.0 / 4) + (Math.Log(16.0 / 9) * random.NextDouble()));
            int w = (int)Math.Round(Math.Sqrt(target * aspect), MidpointRounding.ToEven);
            int h = (int)Math.Round(Math.Sqrt(target / aspect), MidpointRounding.ToEven);
            if (w > 0 && w <= width && h > 0 && h <= height)
            {
                return new CropRectangle(random.NextInt(width - w + 1), random.NextInt(height - h + 1), w, h);
            }
        }

        double ratio = Math.Clamp(width / (double)height, 3.0 / 4, 4.0 / 3);
        int fallbackWidth = Math.Clamp((int)Math.Round(height * ratio, MidpointRounding.ToEven), 1, width);
        int fallbackHeight = Math.Clamp((int)Math.Round(width / ratio, MidpointRounding.ToEven), 1, height);
        return new CropRectangle((width - fallbackWidth) / 2, (height - fallbackHeight) / 2, fallbackWidth, fallbackHeight);
    }
}
