using SkiaSharp;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

/// <summary>Large JPEG files, which are decoded at a smaller size for models whose input is smaller still.</summary>
public sealed class ReducedDecodingTests
{
    private const int Across = 8, TileWidth = 500, TileHeight = 375;

    /// <summary>Values of one level of 255, by the smallest standard deviation of the preprocessing's channels.</summary>
    private const double Level = 255 * 0.224;

    private static readonly Preprocessing Preprocessing = Preprocessing.Reference;

    [Fact]
    public void Values_change_by_less_than_half_a_level_on_average_and_by_sixteen_at_most()
    {
        ImageEntry large = ImageEntry.FromBytes("large.jpg", Mosaic(SKEncodedImageFormat.Jpeg));
        RgbImage whole = large.Decode(), reduced = large.Decode(leastSide: Preprocessing.LeastSide);

        Assert.Equal((4000, 3000), (whole.Width, whole.Height));
        Assert.Equal((1500, 1125), (reduced.Width, reduced.Height));
        double[] differences =
            [.. Preprocessing.Apply(whole).Zip(Preprocessing.Apply(reduced), (one, other) => Math.Abs(one - other) * Level)];
        Assert.InRange(differences.Average(), 0.01, 0.5);
        Assert.InRange(differences.Max(), 0.1, 16);
    }

    [Fact]
    public void Other_formats_and_smaller_files_are_decoded_as_they_are()
    {
        ImageEntry png = ImageEntry.FromBytes("large.png", Mosaic(SKEncodedImageFormat.Png));
        Assert.Equal(4000, png.Decode(leastSide: Preprocessing.LeastSide).Width);

        string photo = Photos()[0];
        ImageEntry small = ImageEntry.FromFile(photo);
        Assert.Equal(small.Decode().Pixels, small.Decode(leastSide: Preprocessing.LeastSide).Pixels);
    }

    [Fact]
    public void Who_needs_the_whole_image_gets_it_for_all_consumers_of_the_pass()
    {
        using TemporaryImages folder = new();
        folder.Put("large.jpg", Mosaic(SKEncodedImageFormat.Jpeg));
        ImageSet images = ImageSet.FromFolder(folder.Root);
        List<int> widths = [];
        ImagePreparation Seen(int leastSide) => new([1], (_, image) =>
        {
            widths.Add(image.Width);
            return [0f];
        }) { LeastSide = leastSide };

        new ImageReader(images, Taking(images, Seen(1024))).Run(TestContext.Current.CancellationToken);
        new ImageReader(images, Taking(images, Seen(1024)), Taking(images, Seen(int.MaxValue))).Run(TestContext.Current.CancellationToken);

        Assert.Equal([1500, 4000, 4000], widths);
    }

    private static ImageConsumer Taking(ImageSet images, ImagePreparation preparation) => new(images, preparation, 1, take: _ => { });

    private static string[] Photos() => [.. Directory.GetFiles(SharedFolder.Require("images", "imagenet-sample")).Order(StringComparer.Ordinal)];

    /// <summary>Real photos side by side, a picture of 4000 x 3000 pixels.</summary>
    private static byte[] Mosaic(SKEncodedImageFormat format)
    {
        string[] photos = Photos();
        using SKBitmap bitmap = new(Across * TileWidth, Across * TileHeight, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKCanvas canvas = new(bitmap);
        for (int i = 0; i < Across * Across; i++)
        {
            using SKBitmap photo = SKBitmap.Decode(photos[i * photos.Length / (Across * Across)]);
            canvas.DrawBitmap(
                photo, SKRect.Create(i % Across * TileWidth, i / Across * TileHeight, TileWidth, TileHeight), SKSamplingOptions.Default);
        }

        using SKData data = bitmap.Encode(format, 92);
        return data.ToArray();
    }
}
