using System.Text.Json;
using SnapViT.Core.Errors;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class PreprocessingTests
{
    // Published settings of timm, open_clip and DINOv3; the shorter side after resizing is floor(side / crop ratio).
    [Theory]
    [InlineData("reference", 224, 256)]
    [InlineData("dino", 224, 248)]
    [InlineData("deit", 224, 248)]
    [InlineData("augreg", 224, 248)]
    [InlineData("deit3", 224, 224)]
    [InlineData("reference", 32, 36)]
    [InlineData("dino", 384, 426)]
    public void Named_settings_have_the_published_sizes(string name, int side, int resizeTo)
    {
        Preprocessing settings = Preprocessing.Named(name, side).Validated();
        Assert.Equal((side, resizeTo, ResizeMode.ShortSideThenCentre), (settings.Side, settings.ResizeTo, settings.Mode));
    }

    [Fact]
    public void Every_name_is_known_and_an_unknown_one_is_answered_with_the_list()
    {
        Assert.All(Preprocessing.Names, name => Preprocessing.Named(name, 64).Validated());
        SnapViTException exception = Assert.Throws<SnapViTException>(() => Preprocessing.Named("dino7", 64));
        Assert.Contains("expected one of reference, dino, deit, deit3, augreg, siglip, clip, clip-half, clipa, inception, torchvision, dinov2, dinov2-518, dinov3-sat, dinov3, found 'dino7'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Facts_survive_json_and_compare_by_value()
    {
        foreach (string name in Preprocessing.Names)
        {
            Preprocessing settings = Preprocessing.Named(name, 224);
            Preprocessing? read = JsonSerializer.Deserialize<Preprocessing>(JsonSerializer.Serialize(settings));
            Assert.Equal(settings, read);
            Assert.Equal(settings.GetHashCode(), read!.GetHashCode());
        }

        Assert.NotEqual(Preprocessing.Named("dino", 224), Preprocessing.Named("augreg", 224));
    }

    [Fact]
    public void Impossible_facts_are_refused_all_at_once()
    {
        Preprocessing settings = Preprocessing.Reference with { ResizeTo = 100, Std = [1, 0, 1], Mean = [0, 0] };
        string message = Assert.Throws<SnapViTException>(() => settings.Apply(TemporaryImages.Random(4, 4))).Message;
        Assert.Equal("impossible preprocessing: ResizeTo must be at least Side 224, found 100; Mean must be 3 finite numbers; Std must be 3 positive numbers", message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void Crop_ratios_outside_their_range_are_refused(double ratio) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Preprocessing.ForCrop(224, ratio));

    [Fact]
    public void Pixels_are_scaled_shifted_and_laid_out_by_channel()
    {
        RgbImage image = new(2, 2, [0, 51, 102, 153, 204, 255, 0, 51, 102, 153, 204, 255]);
        Preprocessing settings = Preprocessing.ForCrop(2, 1) with { Mean = [0, 0.2f, 0.5f], Std = [1, 0.5f, 0.25f] };
        Assert.Equal([0, 0.6f, 0, 0.6f, 0, 1.2f, 0, 1.2f, -0.4f, 2, -0.4f, 2], settings.Apply(image), (a, b) => Math.Abs(a - b) < 1e-6f);
    }

    // torchvision's CenterCrop: round half to even of (size - crop) / 2; 337 - 224 = 113 halves to 56.5, so 56.
    [Fact]
    public void The_centre_is_rounded_to_even()
    {
        (ResizedAxis columns, ResizedAxis rows) = Preprocessing.Reference.Window(TemporaryImages.Random(337, 256));
        Assert.Equal((new ResizedAxis(337, 337, 56, 224), new ResizedAxis(256, 256, 16, 224)), (columns, rows));
    }

    [Theory]
    [InlineData(1, 60_000)]
    [InlineData(60_000, 1)]
    [InlineData(1, 1)]
    public void Extreme_shapes_cost_no_more_than_what_is_kept(int width, int height)
    {
        RgbImage image = TemporaryImages.Random(width, height);
        foreach (string name in Preprocessing.Names)
        {
            float[] values = Preprocessing.Named(name, 32).Apply(image);
            Assert.Equal(3 * 32 * 32, values.Length);
            Assert.All(values, value => Assert.True(float.IsFinite(value)));
        }
    }

    [Fact]
    public void The_description_is_one_line()
    {
        Assert.Equal("short side to 256, centre 224, bicubic, mean 0.485 0.456 0.406, std 0.229 0.224 0.225", Preprocessing.Reference.Describe());
        Assert.Equal("squash to 224, bilinear in float, mean 0.485 0.456 0.406, std 0.229 0.224 0.225", Preprocessing.Named("dinov3", 224).Describe());
    }
}
