using CsCheck;
using SkiaSharp;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class ImageDecoderTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Lossless_images_come_back_byte_for_byte()
    {
        RgbImage image = TemporaryImages.Random(37, 23);
        Assert.Equal(image.Pixels, TemporaryImages.Decode(_folder.Put("a.png", image)).Pixels);
    }

    [Theory]
    [InlineData("a.jpg", SKEncodedImageFormat.Jpeg)]
    [InlineData("a.webp", SKEncodedImageFormat.Webp)]
    public void Lossy_formats_are_read_by_content_whatever_the_extension(string name, SKEncodedImageFormat format)
    {
        RgbImage gray = new(40, 24, [.. Enumerable.Repeat((byte)77, 40 * 24 * 3)]);
        foreach (string path in new[] { _folder.Put(name, gray, format), _folder.Put("b.bmp", gray, format) })
        {
            RgbImage decoded = TemporaryImages.Decode(path);
            Assert.Equal((40, 24), (decoded.Width, decoded.Height));
            Assert.All(decoded.Pixels, value => Assert.InRange(value, 75, 79));
        }
    }

    [Fact]
    public void Bmp_is_read_bottom_up_as_blue_green_red()
    {
        byte[] bmp = [.. "BM"u8, 70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 24, 0, .. new byte[24], 7, 8, 9, 10, 11, 12, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0];
        Assert.Equal([3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10], TemporaryImages.Decode(_folder.Put("a.bmp", bmp)).Pixels);
    }

    // PIL's convert("RGB") takes the colours as they are stored and forgets alpha; premultiplied, 200 at alpha 10 would come back as 204 or so.
    [Fact]
    public void Alpha_is_dropped_and_leaves_colours_alone()
    {
        byte[] rgba = [200, 100, 50, 10, 1, 2, 3, 0, 255, 254, 253, 128, 9, 8, 7, 255];
        byte[] png = PngBytes.Write(2, 2, PngBytes.Rgba, rgba);
        Assert.Equal([200, 100, 50, 1, 2, 3, 255, 254, 253, 9, 8, 7], TemporaryImages.Decode(_folder.Put("a.png", png)).Pixels);
    }

    [Fact]
    public void Gray_with_and_without_alpha_becomes_three_equal_channels()
    {
        byte[] gray = PngBytes.Write(2, 1, PngBytes.Gray, [5, 250]);
        byte[] grayAlpha = PngBytes.Write(2, 1, PngBytes.GrayAlpha, [5, 0, 250, 77]);
        Assert.Equal([5, 5, 5, 250, 250, 250], TemporaryImages.Decode(_folder.Put("gray.png", gray)).Pixels);
        Assert.Equal([5, 5, 5, 250, 250, 250], TemporaryImages.Decode(_folder.Put("alpha.png", grayAlpha)).Pixels);
    }

    [Fact]
    public void Palettes_are_looked_up_and_their_transparency_is_dropped()
    {
        byte[] png = PngBytes.Write(3, 1, PngBytes.Palette, [2, 0, 1], ("PLTE", [10, 20, 30, 40, 50, 60, 70, 80, 90]), ("tRNS", [0, 128]));
        Assert.Equal([70, 80, 90, 10, 20, 30, 40, 50, 60], TemporaryImages.Decode(_folder.Put("a.png", png)).Pixels);
    }

    [Fact]
    public void Gamma_in_the_file_is_ignored()
    {
        byte[] png = PngBytes.Write(1, 1, PngBytes.Rgb, [200, 100, 50], ("gAMA", [0, 0, 0x27, 0x10]));
        Assert.Equal([200, 100, 50], TemporaryImages.Decode(_folder.Put("a.png", png)).Pixels);
    }

    // PIL: CMYK to RGB is nk - round(c * nk / 255) with nk = 255 - k.
    [Fact]
    public void Cmyk_is_converted_as_PIL_does()
    {
        RgbImage image = TemporaryImages.Decode(_folder.Put("a.jpg", JpegBytes.Cmyk(cyan: 20, magenta: 200, yellow: 90, black: 60)));
        Assert.Equal((8, 8), (image.Width, image.Height));
        for (int i = 0; i < image.Pixels.Length; i++)
        {
            int ink = new[] { 20, 200, 90 }[i % 3];
            Assert.Equal(195 - (int)Math.Round(ink * 195 / 255.0), image.Pixels[i]);
        }
    }

    [Fact]
    public void Images_are_not_turned_by_their_exif_orientation()
    {
        RgbImage image = TemporaryImages.Random(48, 16);
        RgbImage plain = TemporaryImages.Decode(_folder.Put("plain.jpg", image, SKEncodedImageFormat.Jpeg));
        RgbImage turned = TemporaryImages.Decode(_folder.Put("turned.jpg", JpegBytes.Turned(image)));
        Assert.Equal((48, 16), (turned.Width, turned.Height));
        Assert.Equal(plain.Pixels, turned.Pixels);
    }

    [Theory]
    [InlineData("empty.jpg", "")]
    [InlineData("text.jpg", "this is a text file that somebody named .jpg, long enough to look into")]
    [InlineData("gif.png", "GIF89a\u0001\0\u0001\0\0\0\0")]
    public void Files_that_are_no_images_are_refused_by_name(string name, string content)
    {
        string path = _folder.Put(name, System.Text.Encoding.ASCII.GetBytes(content));
        ImageException exception = Assert.Throws<ImageException>(() => TemporaryImages.Decode(path));
        Assert.Equal($"{path}: expected a JPEG, PNG, WebP, BMP or TIFF image, found no usable header in {content.Length} bytes", exception.Message);
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Webp)]
    public void Images_cut_short_anywhere_are_refused_by_name(SKEncodedImageFormat format)
    {
        byte[] whole = TemporaryImages.Encode(TemporaryImages.Random(64, 64), format);
        foreach (int length in new[] { 1, 20, whole.Length / 4, whole.Length / 2, whole.Length * 9 / 10 })
        {
            string path = _folder.Put("cut.img", whole.AsSpan(0, length));
            ImageException exception = Assert.Throws<ImageException>(() => TemporaryImages.Decode(path));
            Assert.StartsWith(path, exception.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', exception.Message);
        }
    }

    [Theory]
    [InlineData(100_000, 100)]
    [InlineData(60_000, 60_000)]
    public void Absurd_dimensions_are_refused_before_memory_is_taken(int width, int height)
    {
        string path = _folder.Put("bomb.png", PngBytes.Write(width, height, PngBytes.Rgb, []));
        long before = GC.GetAllocatedBytesForCurrentThread();
        ImageException exception = Assert.Throws<ImageException>(() => TemporaryImages.Decode(path));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
        Assert.EndsWith($"found {width} x {height}", exception.Message, StringComparison.Ordinal);
    }

    // The header promises 177 million pixels, which the limit allows and the few bytes behind it cannot hold.
    [Fact]
    public void A_file_too_short_for_the_pixels_it_promises_is_refused_before_memory_is_taken()
    {
        byte[] bmp = [.. "BM"u8, 70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 0xF4, 0x33, 0, 0, 0xF4, 0x33, 0, 0, 1, 0, 24, 0, .. new byte[24], 7, 8];
        foreach (byte[] file in new[] { PngBytes.Write(13300, 13300, PngBytes.Gray, []), PngBytes.Write(13300, 13300, PngBytes.Rgba, []), bmp })
        {
            string path = _folder.Put("promises.png", file);
            long before = GC.GetAllocatedBytesForCurrentThread();
            ImageException exception = Assert.Throws<ImageException>(() => TemporaryImages.Decode(path));
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
            Assert.Contains("the image is cut short: 133", exception.Message, StringComparison.Ordinal);
        }
    }

    // Pixels that deflate shrinks as far as it can must not be taken for a file cut short.
    [Theory]
    [InlineData(PngBytes.Gray, 1)]
    [InlineData(PngBytes.Rgb, 3)]
    public void The_plainest_large_image_is_read_and_takes_four_bytes_per_pixel(byte colourType, int channels)
    {
        const int Side = 3000;
        byte[] file = PngBytes.Write(Side, Side, colourType, new byte[Side * Side * channels]);
        long before = GC.GetAllocatedBytesForCurrentThread(), reserved = 0;
        RgbImage image = ImageDecoder.Decode(file, "plain", bytes => reserved = bytes);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (4 * Side * Side) + 100_000);
        Assert.Equal((4 * Side * Side) + file.Length, reserved);
        Assert.Equal((Side, Side), (image.Width, image.Height));
        Assert.All(new[] { 0, Side - 1 }, row => Assert.Equal(-1, image.Row(row).IndexOfAnyExcept((byte)0)));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(37, 16)]
    [InlineData(16, 33)]
    [InlineData(300, 61)]
    public void A_jpeg_is_decoded_by_rows_to_the_pixels_that_it_has_as_a_whole(int width, int height)
    {
        byte[] file = TemporaryImages.Encode(TemporaryImages.Random(width, height), SKEncodedImageFormat.Jpeg);
        using SKBitmap whole = SKBitmap.Decode(file);
        RgbImage rows = ImageDecoder.Decode(file, "rows");
        Assert.Equal(whole.Pixels.SelectMany(pixel => new[] { pixel.Red, pixel.Green, pixel.Blue }), rows.Pixels);
    }

    [Fact]
    public void A_large_jpeg_takes_three_bytes_per_pixel()
    {
        const int Side = 2000;
        byte[] file = TemporaryImages.Encode(new RgbImage(Side, Side, new byte[Side * Side * 3]), SKEncodedImageFormat.Jpeg);
        long before = GC.GetAllocatedBytesForCurrentThread(), reserved = 0;
        ImageDecoder.Decode(file, "plain", bytes => reserved = bytes);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (3 * Side * Side) + 300_000);
        Assert.Equal((3 * Side * Side) + file.Length, reserved);
    }

    // Progressive JPEG keeps two bytes for every sample, lossless WebP four for every pixel, interlaced PNG its own pixels: a file of 1 MB took 1.7 GB.
    [Theory]
    [InlineData("progressive", 13376, 1535)]
    [InlineData("progressive", 10000, null)]
    [InlineData("progressive gray", 13376, null)]
    [InlineData("a scan for each component", 13376, 1535)]
    [InlineData("interlaced", 13376, 1366)]
    public void An_image_that_takes_too_much_memory_in_its_form_is_refused_before_it_is_taken(string form, int side, int? mebibytes)
    {
        byte[] file = form == "interlaced"
            ? PngBytes.Interlaced(side, side, PngBytes.Rgba, length: 1 << 20)
            : JpegBytes.Header(side, side, components: form == "progressive gray" ? 1 : 3, form.StartsWith("progressive", StringComparison.Ordinal), length: 1 << 18);
        if (mebibytes is int megabytes)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            string message = Assert.Throws<ImageException>(() => ImageDecoder.Decode(file, "large")).Message;
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
            Assert.Contains($"expected an image that takes at most 1024 MiB while it is decoded, found one of {side} x {side} pixels that takes {megabytes} MiB", message, StringComparison.Ordinal);
        }
        else
        {
            // Asked before the memory is taken, so that the test need not take it.
            Assert.Throws<OperationCanceledException>(() => ImageDecoder.Decode(file, "large", _ => throw new OperationCanceledException()));
        }
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Webp)]
    public void Images_of_one_colour_are_not_taken_for_cut_short(SKEncodedImageFormat format)
    {
        RgbImage image = TemporaryImages.Decode(_folder.Put("plain.img", new RgbImage(2000, 1500, new byte[2000 * 1500 * 3]), format));
        Assert.Equal((2000, 1500), (image.Width, image.Height));
    }

    [Fact]
    public void A_missing_file_is_not_called_a_bad_image() =>
        Assert.Throws<FileNotFoundException>(() => TemporaryImages.Decode(Path.Combine(_folder.Root, "none.jpg")));

    [Fact]
    public void Random_damage_never_does_worse_than_a_named_error()
    {
        byte[] whole = TemporaryImages.Encode(TemporaryImages.Random(40, 30), SKEncodedImageFormat.Jpeg);
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 20].Sample(damage =>
        {
            byte[] bytes = [.. whole];
            foreach ((int where, byte value) in damage)
            {
                bytes[where] = value;
            }

            string path = _folder.Put($"{Guid.NewGuid():N}.jpg", bytes);
            try
            {
                RgbImage image = TemporaryImages.Decode(path);
                Assert.Equal(image.Width * image.Height * 3, image.Pixels.Length);
            }
            catch (ImageException exception)
            {
                Assert.StartsWith(path, exception.Message, StringComparison.Ordinal);
            }
        }, iter: 100);
    }
}
