using SnapViT.Data;

namespace SnapViT.Tests.Data;

/// <summary>golden/preprocess: what PIL, torchvision and torch make of five images in the reference's pipelines; of bytes, digests of every row.</summary>
public sealed class PreprocessingGoldenTests
{
    public static TheoryData<string> Files => ["a_317x241.jpg", "b_500x375.jpg", "c_123x387.png", "d_64x48.png", "e_289x300_gray.jpg"];

    // PIL: Image.open(f).convert("RGB").
    [Theory]
    [MemberData(nameof(Files))]
    public void Decoded_bytes_are_PILs(string file)
    {
        using Golden golden = Golden.Open("preprocess", "preprocess.safetensors");
        RgbImage image = Decode(file);
        Assert.Equal($"{image.Width}x{image.Height}", file.Split('_', '.')[1]);
        Assert.Equal(golden.Longs($"{file}.decoded_rgb.rows"), GoldenSet.RowDigests(image.Pixels, image.Height));
    }

    // PIL bicubic resize and torchvision's centre crop, before /255.
    [Theory]
    [MemberData(nameof(Files))]
    public void Resized_and_cropped_bytes_are_PILs(string file)
    {
        using Golden golden = Golden.Open("preprocess", "preprocess.safetensors");
        RgbImage image = Decode(file);
        foreach ((string name, string key) in new[] { ("reference", "timm_ref256"), ("dino", "timm_dino248"), ("deit3", "deit3_224"), ("siglip", "siglip_squash") })
        {
            Preprocessing settings = Preprocessing.Named(name, 224);
            (ResizedAxis columns, ResizedAxis rows) = settings.Window(image);
            long[] expected = golden.Longs($"{file}.{key}.u8.rows");
            long[] found = GoldenSet.RowDigests(Resampler.Resize(image, columns, rows, settings.Interpolation).Pixels, 224);
            Assert.Equal(224, expected.Length);
            Assert.All(expected.Zip(found).Index(), row => Assert.True(row.Item.First == row.Item.Second, $"{key}: row {row.Index}"));
        }
    }

    // The pipelines' output tensors, every eighth row and column, float32.
    [Theory]
    [MemberData(nameof(Files))]
    public void Normalised_values_are_the_reference_pipelines(string file)
    {
        using Golden golden = Golden.Open("preprocess", "preprocess.safetensors");
        RgbImage image = Decode(file);
        foreach ((string name, string key) in new[] { ("reference", "timm_ref256"), ("siglip", "siglip_squash") })
        {
            float[] expected = golden.Floats($"{file}.{key}.normalised_stride8");
            float[] actual = Preprocessing.Named(name, 224).Apply(image);
            for (int i = 0; i < expected.Length; i++)
            {
                (int channel, int row, int column) = (i / (28 * 28), i / 28 % 28 * 8, i % 28 * 8);
                Assert.Equal(expected[i], actual[(((channel * 224) + row) * 224) + column], 1e-6f);
            }
        }
    }

    // DINOv3: torch antialiased bilinear squash of the float image, then normalisation, float32.
    [Theory]
    [MemberData(nameof(Files))]
    public void Float_resized_values_are_torchs(string file)
    {
        using Golden golden = Golden.Open("preprocess", "preprocess.safetensors");
        float[] expected = golden.Floats($"{file}.dinov3.normalised_stride4");
        float[] actual = Preprocessing.Named("dinov3", 224).Apply(Decode(file));
        for (int i = 0; i < expected.Length; i++)
        {
            (int channel, int row, int column) = (i / (56 * 56), i / 56 % 56 * 4, i % 56 * 4);
            Assert.Equal(expected[i], actual[(((channel * 224) + row) * 224) + column], 2e-6f);
        }
    }

    // DINODataAgumentation(crops_size=96) with the rectangles of preprocess.json, given there as top, left, height, width. The golden crops were
    // resized in float and rounded once; PIL and torchvision's native kernel, and so this library, round after each of the two passes.
    [Theory]
    [InlineData("a_317x241.jpg", "global", 4, 19, 234, 297)]
    [InlineData("a_317x241.jpg", "local", 64, 212, 96, 102)]
    [InlineData("b_500x375.jpg", "global", 85, 76, 280, 301)]
    [InlineData("b_500x375.jpg", "local", 83, 250, 130, 158)]
    [InlineData("c_123x387.png", "global", 111, 0, 164, 123)]
    [InlineData("c_123x387.png", "local", 12, 13, 97, 102)]
    public void Crops_are_the_references_up_to_rounding_of_bytes(string file, string kind, int top, int left, int height, int width)
    {
        using Golden golden = Golden.Open("preprocess", "preprocess.safetensors");
        Preprocessing settings = Preprocessing.Named("reference", 96);
        RgbImage image = Decode(file);
        CropRectangle rectangle = new(left, top, width, height);
        float[] actual = new float[3 * 96 * 96];
        settings.Normalise(MultiCrop.Resized(image, rectangle, 96), actual);
        float[] exact = Resampler.ResizeFloat(image.Crop(rectangle), 96, 96, Interpolation.Bilinear);
        float[] expected = golden.Floats($"{file}.dino_crops96.{kind}");
        for (int i = 0; i < expected.Length; i++)
        {
            int channel = i / (96 * 96);
            double expectedByte = ((expected[i] * settings.Std[channel]) + settings.Mean[channel]) * 255;
            double actualByte = ((actual[i] * settings.Std[channel]) + settings.Mean[channel]) * 255;
            Assert.Equal(expectedByte, actualByte, 1.001);
            Assert.Equal(expectedByte, exact[(i % (96 * 96) * 3) + channel], 0.501);
        }
    }

    private static RgbImage Decode(string file) => TemporaryImages.Decode(SharedFolder.Require("golden", "preprocess", "images", file));
}
