using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class RandomViewsTests
{
    private const int Side = 32;

    private static readonly Preprocessing Small = Preprocessing.Named("reference", Side);
    private const string Name = "a.jpg";

    [Fact]
    public void Views_depend_on_seed_and_name_and_on_nothing_else()
    {
        RgbImage image = TemporaryImages.Random(90, 70);
        float[] first = new RandomViews(3, Small, 7).Apply(Name, image);
        Assert.Equal(3 * 3 * Side * Side, first.Length);
        Assert.Equal(first, new RandomViews(3, Small, 7).Apply(Name, image));
        Assert.NotEqual(first, new RandomViews(3, Small, 8).Apply(Name, image));
        Assert.NotEqual(first, new RandomViews(3, Small, 7).Apply("b.jpg", image));
    }

    [Fact]
    public void More_views_of_an_image_begin_with_the_same_ones()
    {
        RgbImage image = TemporaryImages.Random(90, 70);
        float[] two = new RandomViews(2, Small, 7).Apply(Name, image);
        Assert.Equal(two, new RandomViews(5, Small, 7).Apply(Name, image)[..two.Length]);
    }

    // Noise loses its high frequencies at a lower resolution: 7 of 10 views, but for those whose resolution was drawn near the full one.
    [Fact]
    public void Most_views_are_seen_at_a_lower_resolution_and_some_at_the_full_one()
    {
        float[] values = new RandomViews(400, Small, 3).Apply(Name, TemporaryImages.Random(2 * Side, 2 * Side));
        double[] roughness = [.. Enumerable.Range(0, 400).Select(view => Roughness(values.AsSpan(view * 3 * Side * Side, Side * Side))).Order()];
        double sharp = roughness[^20];
        Assert.InRange(roughness.Count(value => value < 0.5 * sharp) / 400.0, 0.3, 0.75);
        Assert.True(roughness[40] < 0.2 * sharp, $"a tenth of the views is coarse: {roughness[40]} against {sharp}");
    }

    // A ramp from dark on the left to bright on the right stays one in every crop and at every resolution, or is mirrored.
    [Fact]
    public void Half_of_the_views_are_mirrored()
    {
        byte[] ramp = new byte[100 * 80 * 3];
        for (int i = 0; i < ramp.Length; i++)
        {
            ramp[i] = (byte)(2 * (i / 3 % 100));
        }

        float[] values = new RandomViews(200, Small, 5).Apply(Name, new RgbImage(100, 80, ramp));
        int mirrored = Enumerable.Range(0, 200).Count(view => values[view * 3 * Side * Side] > values[(view * 3 * Side * Side) + Side - 1]);
        Assert.InRange(mirrored, 75, 125);
    }

    [Fact]
    public void An_image_of_one_pixel_has_views_too()
    {
        float[] values = new RandomViews(4, Small, 1).Apply(Name, new RgbImage(1, 1, [10, 20, 30]));
        Assert.All(values, value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void No_view_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => new RandomViews(0, Small, 1));

    /// <summary>Mean square of the differences of neighbours in a row.</summary>
    private static double Roughness(ReadOnlySpan<float> plane)
    {
        double sum = 0;
        for (int i = 1; i < plane.Length; i++)
        {
            double step = i % Side == 0 ? 0 : plane[i] - plane[i - 1];
            sum += step * step;
        }

        return sum / plane.Length;
    }
}
