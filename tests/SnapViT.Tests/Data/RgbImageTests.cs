using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class RgbImageTests
{
    [Fact]
    public void A_crop_holds_the_rectangles_pixels()
    {
        RgbImage image = new(3, 2, [.. Enumerable.Range(0, 18).Select(value => (byte)value)]);
        RgbImage crop = image.Crop(new CropRectangle(1, 1, 2, 1));
        Assert.Equal((2, 1), (crop.Width, crop.Height));
        Assert.Equal([12, 13, 14, 15, 16, 17], crop.Pixels);
    }

    [Fact]
    public void Mirrored_exchanges_left_and_right_of_every_row()
    {
        RgbImage image = new(3, 2, [.. Enumerable.Range(0, 18).Select(value => (byte)value)]);
        Assert.Equal([6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11], image.Mirrored().Pixels);
        Assert.Equal(image.Pixels, image.Mirrored().Mirrored().Pixels);
    }

    [Theory]
    [InlineData(-1, 0, 1, 1)]
    [InlineData(0, 0, 4, 1)]
    [InlineData(2, 0, 2, 1)]
    [InlineData(0, 1, 1, 2)]
    [InlineData(0, 0, 0, 1)]
    [InlineData(1, 0, int.MaxValue, 1)]
    public void Rectangles_beyond_the_image_are_refused(int left, int top, int width, int height)
    {
        RgbImage image = TemporaryImages.Random(3, 2);
        Assert.Throws<ArgumentOutOfRangeException>(() => image.Crop(new CropRectangle(left, top, width, height)));
    }

    [Fact]
    public void Bytes_must_fit_the_size()
    {
        Assert.Throws<ArgumentException>(() => new RgbImage(3, 2, new byte[17]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RgbImage(0, 2, []));
    }
}
