using CsCheck;
using SnapViT.Core.Randomness;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class MultiCropTests
{
    private static readonly Preprocessing Small = Preprocessing.Named("reference", 16);
    private const string Name = "a.jpg";

    [Theory]
    [InlineData(CropProtocol.Reference, 2)]
    [InlineData(CropProtocol.Independent, 12)]
    public void A_protocol_has_its_number_of_views(CropProtocol protocol, int views)
    {
        MultiCrop crops = new(protocol, Small, seed: 1);
        Assert.Equal(views, crops.Views);
        Assert.Equal(views, crops.Rectangles(Name, 500, 375).Distinct().Count());
        Assert.Equal(views * 3 * 16 * 16, crops.Apply(Name, TemporaryImages.Random(50, 40)).Length);
    }

    [Fact]
    public void Every_view_is_its_rectangle_resized_and_normalised_with_the_models_own_mean_and_std()
    {
        Preprocessing augreg = Preprocessing.Named("augreg", 16);
        MultiCrop crops = new(CropProtocol.Independent, augreg, seed: 3);
        RgbImage image = TemporaryImages.Random(70, 50);
        float[] values = crops.Apply(Name, image);
        IReadOnlyList<CropRectangle> rectangles = crops.Rectangles(Name, 70, 50);
        for (int view = 0; view < crops.Views; view++)
        {
            byte[] pixels = MultiCrop.Resized(image, rectangles[view], 16).Pixels;
            for (int i = 0; i < pixels.Length; i++)
            {
                Assert.Equal((pixels[i] / 127.5f) - 1, values[(((view * 3) + (i % 3)) * 256) + (i / 3)], 1e-6f);
            }
        }
    }

    [Fact]
    public void Draws_depend_on_seed_and_name_and_on_nothing_else()
    {
        MultiCrop crops = new(CropProtocol.Independent, Small, seed: 7);
        IReadOnlyList<CropRectangle> first = crops.Rectangles(Name, 300, 200);
        crops.Rectangles("b.jpg", 300, 200);
        Assert.Equal(first, crops.Rectangles(Name, 300, 200));
        Assert.Equal(first, new MultiCrop(CropProtocol.Independent, Small, seed: 7).Rectangles(Name, 300, 200));
        Assert.NotEqual(first, crops.Rectangles("b.jpg", 300, 200));
        Assert.NotEqual(first, new MultiCrop(CropProtocol.Independent, Small, seed: 8).Rectangles(Name, 300, 200));
    }

    [Fact]
    public void Rectangles_lie_inside_images_of_any_shape()
    {
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300], Gen.ULong, Gen.Bool).Sample((width, height, seed, global) =>
        {
            CropRectangle drawn = MultiCrop.Draw(width, height, global ? MultiCrop.GlobalArea : MultiCrop.LocalArea, new SeededRandom(seed));
            Assert.InRange(drawn.Left, 0, width - drawn.Width);
            Assert.InRange(drawn.Top, 0, height - drawn.Height);
            Assert.True(drawn is { Width: > 0, Height: > 0 });
        });
    }

    // torchvision's RandomResizedCrop: area uniform in its range, aspect log-uniform in 3/4..4/3; sides are rounded to whole pixels.
    [Theory]
    [InlineData(true, 0.25, 1)]
    [InlineData(false, 0.05, 0.25)]
    public void Areas_and_aspects_fill_their_ranges(bool global, double least, double most)
    {
        const int Side = 2000, Draws = 4000;
        SeededRandom random = new(11);
        CropRectangle[] drawn = [.. Enumerable.Range(0, Draws)
            .Select(_ => MultiCrop.Draw(Side, Side, global ? MultiCrop.GlobalArea : MultiCrop.LocalArea, random))];
        double[] areas = [.. drawn.Select(crop => crop.Width * (double)crop.Height / (Side * (double)Side))];
        double[] aspects = [.. drawn.Select(crop => Math.Log(crop.Width / (double)crop.Height))];
        Assert.All(areas, area => Assert.InRange(area, least - 0.001, most + 0.001));
        Assert.All(aspects, aspect => Assert.InRange(aspect, Math.Log(0.749), Math.Log(1.336)));
        Assert.InRange(aspects.Average(), -0.015, 0.015);
        if (!global)
        {
            // Nothing this small is ever refused, so the mean is that of the uniform distribution (standard error 0.0009).
            Assert.InRange(areas.Average(), 0.147, 0.153);
        }
    }

    // torchvision's fallback: the whole of the side that limits, aspect clamped to 3/4..4/3, centred.
    [Theory]
    [InlineData(1000, 10, 493, 0, 13, 10)]
    [InlineData(10, 1000, 0, 493, 10, 13)]
    public void Where_no_try_fits_the_centre_is_taken(int width, int height, int left, int top, int cropWidth, int cropHeight)
    {
        CropRectangle drawn = MultiCrop.Draw(width, height, MultiCrop.GlobalArea, new SeededRandom(1));
        Assert.Equal(new CropRectangle(left, top, cropWidth, cropHeight), drawn);
    }
}
