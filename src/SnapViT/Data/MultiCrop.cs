using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;

namespace SnapViT.Data;

/// <summary>Which crops of an image the self-supervised loss compares (paper, section 3.1).</summary>
public enum CropProtocol
{
    /// <summary>
    /// One global and one local crop: what the reference's twelve crops amount to, since it draws one rectangle for all of a kind.
    /// </summary>
    Reference,

    /// <summary>Two global and ten local crops, all independent, as the paper means it.</summary>
    Independent,
}

/// <summary>
/// Random crops of an image as torchvision's RandomResizedCrop draws them: area 25 to 100 % (global) or 5 to 25 % (local), aspect 3/4 to
/// 4/3, resized to the model's full input by antialiased bilinear interpolation. No flips, no colour changes.
/// </summary>
/// <remarks>The reference normalises crops with the ImageNet mean and std for every model; here they are the model's own.</remarks>
internal sealed class MultiCrop
{
    private const int Attempts = 10;
    private const double LeastAspect = 3.0 / 4, MostAspect = 4.0 / 3;

    private readonly Preprocessing _preprocessing;
    private readonly ulong _seed;
    private readonly int _globals;
    private readonly int _locals;

    /// <summary>Crops for one model.</summary>
    /// <param name="protocol">How many crops of which kind.</param>
    /// <param name="preprocessing">Side and normalisation of the model's input.</param>
    /// <param name="seed">Seed; every image has its own stream by name, whatever the order and the threads.</param>
    /// <exception cref="SnapViTException">The preprocessing is impossible.</exception>
    public MultiCrop(CropProtocol protocol, Preprocessing preprocessing, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        _preprocessing = preprocessing.Validated();
        _seed = seed;
        (_globals, _locals) = protocol == CropProtocol.Reference ? (1, 1) : (2, 10);
    }

    /// <summary>Crops of one image, V: global ones first.</summary>
    public int Views => _globals + _locals;

    /// <summary>Side of every crop in pixels, S: the model's input.</summary>
    public int Side => _preprocessing.Side;

    internal static (double Least, double Most) GlobalArea { get; } = (0.25, 1);

    internal static (double Least, double Most) LocalArea { get; } = (0.05, 0.25);

    /// <summary>Makes the crops of one image.</summary>
    /// <param name="name">The image's name, which seeds the draw.</param>
    /// <param name="image">The decoded image.</param>
    /// <returns>Normalised values [V, 3, S, S].</returns>
    public float[] Apply(string name, RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        int length = 3 * Side * Side;
        float[] values = new float[Views * length];
        IReadOnlyList<CropRectangle> rectangles = Rectangles(name, image.Width, image.Height);
        for (int view = 0; view < Views; view++)
        {
            _preprocessing.Normalise(Resized(image, rectangles[view], Side), values.AsSpan(view * length, length));
        }

        return values;
    }

    /// <summary>Draws the rectangles of one image's crops.</summary>
    /// <param name="name">The image's name, which seeds the draw.</param>
    /// <param name="width">Width of the decoded image in pixels.</param>
    /// <param name="height">Height of the decoded image in pixels.</param>
    /// <returns>V rectangles, global ones first.</returns>
    public IReadOnlyList<CropRectangle> Rectangles(string name, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(name);
        SeededRandom random = SeededRandom.ForPurpose(_seed, $"crops/{name}");
        return [.. Enumerable.Range(0, Views).Select(view => Draw(width, height, view < _globals ? GlobalArea : LocalArea, random))];
    }

    /// <summary>A rectangle of an image at the size of the model's input.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The rectangle reaches beyond the image, or the side is not positive.</exception>
    internal static RgbImage Resized(RgbImage image, CropRectangle rectangle, int side)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Resampler.Resize(image.Crop(rectangle), side, side, Interpolation.Bilinear);
    }

    /// <summary>Ten tries for a rectangle that fits, then the largest centred one of a legal aspect (torchvision's rule).</summary>
    internal static CropRectangle Draw(int width, int height, (double Least, double Most) area, SeededRandom random)
    {
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double target = width * (double)height * Between(area.Least, area.Most);
            double aspect = Math.Exp(Between(Math.Log(LeastAspect), Math.Log(MostAspect)));
            int w = Rounded(Math.Sqrt(target * aspect)), h = Rounded(Math.Sqrt(target / aspect));
            if (w > 0 && w <= width && h > 0 && h <= height)
            {
                return new CropRectangle(random.NextInt(width - w + 1), random.NextInt(height - h + 1), w, h);
            }
        }

        double legal = Math.Clamp(width / (double)height, LeastAspect, MostAspect);
        int legalWidth = Math.Clamp(Rounded(height * legal), 1, width), legalHeight = Math.Clamp(Rounded(width / legal), 1, height);
        return new CropRectangle((width - legalWidth) / 2, (height - legalHeight) / 2, legalWidth, legalHeight);

        double Between(double least, double most) => least + ((most - least) * random.NextDouble());
    }

    private static int Rounded(double value) => (int)Math.Round(value, MidpointRounding.ToEven);
}
