using CsCheck;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class ResamplerTests
{
    public static TheoryData<string> Cases => ["53x37_to_24x24", "20x31_to_45x40", "64x48_to_32x32", "17x90_to_17x30", "33x33_to_33x33"];

    // golden/preprocess/resize_unit: PIL's Image.resize of random bytes.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Eight_bit_resizing_is_PILs_byte_for_byte(string name)
    {
        using Golden golden = Golden.Open("preprocess", "resize_unit.safetensors");
        RgbImage source = Image(golden, $"{name}.src");
        foreach ((Interpolation interpolation, string key) in new[] { (Interpolation.Bicubic, "pil_bicubic"), (Interpolation.Bilinear, "pil_bilinear") })
        {
            RgbImage expected = Image(golden, $"{name}.{key}");
            Assert.Equal(expected.Pixels, Resampler.Resize(source, expected.Width, expected.Height, interpolation).Pixels);
        }
    }

    // golden/preprocess/resize_unit: torch 1.13 interpolate(antialias=True) of floats in 0..1, float32.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Float_bilinear_resizing_is_torchs(string name)
    {
        using Golden golden = Golden.Open("preprocess", "resize_unit.safetensors");
        RgbImage source = Image(golden, $"{name}.src");
        float[] expected = golden.Floats($"{name}.torch_bilinear_aa_float01");
        long[] shape = golden.Shape($"{name}.torch_bilinear_aa_float01");
        (int height, int width) = ((int)shape[1], (int)shape[2]);
        float[] actual = Resampler.ResizeFloat(source, width, height, Interpolation.Bilinear);
        for (int channel = 0; channel < 3; channel++)
        {
            for (int i = 0; i < width * height; i++)
            {
                Assert.Equal(expected[(channel * width * height) + i], actual[(i * 3) + channel] / 255, 1e-6f);
            }
        }
    }

    [Fact]
    public void A_part_of_a_resized_image_is_the_crop_of_the_whole()
    {
        Gen<(int, int)> axis = Gen.Select(Gen.Int[1, 40], Gen.Int[1, 40]);
        Gen.Select(axis, axis, Gen.Enum<Interpolation>(), Gen.Int[0, 1000]).Sample((columns, rows, interpolation, where) =>
        {
            RgbImage image = TemporaryImages.Random(columns.Item1, rows.Item1);
            (int width, int height) = (columns.Item2, rows.Item2);
            (int left, int top) = (where % width, where % height);
            CropRectangle part = new(left, top, (where % (width - left)) + 1, (where % (height - top)) + 1);
            RgbImage whole = Resampler.Resize(image, width, height, interpolation);
            RgbImage actual = Resampler.Resize(
                image,
                new ResizedAxis(image.Width, width, left, part.Width),
                new ResizedAxis(image.Height, height, top, part.Height),
                interpolation);
            Assert.Equal(whole.Crop(part).Pixels, actual.Pixels);
        }, iter: 300);
    }

    [Fact]
    public void Eight_bit_and_float_resizing_differ_by_rounding_only()
    {
        RgbImage image = TemporaryImages.Random(61, 47);
        foreach (Interpolation interpolation in Enum.GetValues<Interpolation>())
        {
            byte[] rounded = Resampler.Resize(image, 30, 90, interpolation).Pixels;
            float[] exact = Resampler.ResizeFloat(image, 30, 90, interpolation);
            for (int i = 0; i < exact.Length; i++)
            {
                Assert.Equal(Math.Clamp(exact[i], 0, 255), rounded[i], interpolation == Interpolation.Bilinear ? 1.01f : 1.5f);
            }
        }
    }

    [Fact]
    public void One_colour_stays_that_colour_at_every_size()
    {
        RgbImage gray = new(7, 5, [.. Enumerable.Repeat((byte)201, 7 * 5 * 3)]);
        foreach ((int width, int height) in new[] { (1, 1), (3, 9), (200, 2) })
        {
            Assert.All(Resampler.Resize(gray, width, height, Interpolation.Bicubic).Pixels, value => Assert.Equal(201, value));
        }
    }

    [Theory]
    [InlineData(0, 4)]
    [InlineData(4, -1)]
    public void Sizes_that_are_not_positive_are_refused(int width, int height)
    {
        RgbImage image = TemporaryImages.Random(4, 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => Resampler.Resize(image, width, height, Interpolation.Bilinear));
        Assert.Throws<ArgumentOutOfRangeException>(() => Resampler.ResizeFloat(image, width, height, Interpolation.Bilinear));
    }

    private static RgbImage Image(Golden golden, string name)
    {
        long[] shape = golden.Shape(name);
        return new RgbImage((int)shape[1], (int)shape[0], golden.Bytes(name));
    }
}
