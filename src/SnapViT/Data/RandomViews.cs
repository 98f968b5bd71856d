using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;

namespace SnapViT.Data;

/// <summary>
/// Random views of an image for second moments: crops of 8 to 100 % of its area (aspect 3/4 to 4/3, as torchvision's RandomResizedCrop by
/// default), half of them mirrored, most of them at a lower resolution, down to an eighth of the model's input, and enlarged again.
/// </summary>
/// <remarks>
/// Moments of sharp whole photos alone are over-fitted: what structures give on small or blurred images looks as if the others could
/// replace it.
/// </remarks>
internal sealed class RandomViews
{
    private const double LeastScale = 1.0 / 8;
    private static readonly (double Least, double Most) Area = (0.08, 1);

    private readonly Preprocessing _preprocessing;
    private readonly ulong _seed;

    /// <summary>Views for one model.</summary>
    /// <param name="count">Views of every image, V, at least 1.</param>
    /// <param name="preprocessing">Side, filter and normalisation of the model's input.</param>
    /// <param name="seed">Seed; every image has its own stream by name, whatever the order and the threads.</param>
    /// <exception cref="ArgumentException">There is no view.</exception>
    /// <exception cref="SnapViTException">The preprocessing is impossible.</exception>
    public RandomViews(int count, Preprocessing preprocessing, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentNullException.ThrowIfNull(preprocessing);
        (Count, _preprocessing, _seed) = (count, preprocessing.Validated(), seed);
    }

    /// <summary>Views of one image, V.</summary>
    public int Count { get; }

    /// <summary>Share of the views that are of a lower resolution, 0..1; default 0.7.</summary>
    public double CoarseShare { get; init; } = 0.7;

    /// <summary>Side of every view in pixels, S: the model's input.</summary>
    public int Side => _preprocessing.Side;

    /// <summary>Makes the views of one image.</summary>
    /// <param name="name">The image's name, which seeds the draw.</param>
    /// <param name="image">The decoded image.</param>
    /// <returns>Normalised values [V, 3, S, S].</returns>
    public float[] Apply(string name, RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(image);
        SeededRandom random = SeededRandom.ForPurpose(_seed, $"views/{name}");
        int length = 3 * Side * Side;
        float[] values = new float[Count * length];
        for (int view = 0; view < Count; view++)
        {
            _preprocessing.Normalise(Draw(image, random), values.AsSpan(view * length, length));
        }

        return values;
    }

    /// <summary>One view, S x S pixels.</summary>
    private RgbImage Draw(RgbImage image, SeededRandom random)
    {
        RgbImage crop = image.Crop(MultiCrop.Draw(image.Width, image.Height, Area, random));
        if (random.NextDouble() < CoarseShare)
        {
            // Log-uniform: as many views between an eighth and a quarter of the side as between a half and the whole.
            int coarse = Math.Max(1, (int)Math.Round(Side * Math.Pow(LeastScale, random.NextDouble())));
            crop = Resampler.Resize(crop, coarse, coarse, _preprocessing.Interpolation);
        }

        RgbImage view = Resampler.Resize(crop, Side, Side, _preprocessing.Interpolation);
        return random.NextDouble() < 0.5 ? view.Mirrored() : view;
    }
}
