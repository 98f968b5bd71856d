using BitMiracle.LibTiff.Classic;
using SnapViT.Core.Randomness;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

/// <summary>TIFF in the kinds that people have gives the pixels that were written; other kinds and damage are refused by name.</summary>
public sealed class TiffDecoderTests
{
    private const int Width = 37;
    private const int Height = 23;

    [Theory]
    [InlineData(Compression.NONE, PlanarConfig.CONTIG, 8, false)]
    [InlineData(Compression.LZW, PlanarConfig.CONTIG, 8, false)]
    [InlineData(Compression.ADOBE_DEFLATE, PlanarConfig.SEPARATE, 8, false)]
    [InlineData(Compression.PACKBITS, PlanarConfig.CONTIG, 16, false)]
    [InlineData(Compression.NONE, PlanarConfig.SEPARATE, 16, false)]
    [InlineData(Compression.LZW, PlanarConfig.CONTIG, 8, true)]
    [InlineData(Compression.NONE, PlanarConfig.SEPARATE, 16, true)]
    public void Colours_are_read_in_strips_and_tiles(Compression compression, PlanarConfig planar, int bits, bool tiled)
    {
        byte[] rgb = Pixels(3);
        byte[] file = Write(Photometric.RGB, 3, bits, compression, planar, tiled, (x, y, channel) => Value(rgb[(((y * Width) + x) * 3) + channel], bits));
        foreach (byte[] bytes in new[] { file, Write(Photometric.RGB, 3, bits, compression, planar, tiled, (x, y, channel) => Value(rgb[(((y * Width) + x) * 3) + channel], bits), "wb") })
        {
            RgbImage image = ImageDecoder.Decode(bytes, "x.tif");
            Assert.Equal((Width, Height), (image.Width, image.Height));
            Assert.Equal(rgb, image.Pixels);
        }
    }

    [Theory]
    [InlineData(Photometric.MINISBLACK, 8)]
    [InlineData(Photometric.MINISBLACK, 16)]
    [InlineData(Photometric.MINISWHITE, 8)]
    [InlineData(Photometric.PALETTE, 8)]
    public void Grey_and_palettes_are_read(Photometric kind, int bits)
    {
        byte[] grey = Pixels(1);
        byte[] file = Write(kind, 1, bits, Compression.LZW, PlanarConfig.CONTIG, false, (x, y, _) => Value(grey[(y * Width) + x], bits));
        byte[] expected = [.. grey.SelectMany(value => kind switch
        {
            Photometric.MINISWHITE => new[] { (byte)~value, (byte)~value, (byte)~value },
            Photometric.PALETTE => [(byte)(255 - value), (byte)(value / 2), value],
            _ => [value, value, value],
        })];
        Assert.Equal(expected, ImageDecoder.Decode(file, "x.tif").Pixels);
    }

    [Fact]
    public void Alpha_is_dropped_and_does_not_darken()
    {
        byte[] rgba = Pixels(4);
        byte[] file = Write(Photometric.RGB, 4, 8, Compression.LZW, PlanarConfig.CONTIG, false, (x, y, channel) => rgba[(((y * Width) + x) * 4) + channel]);
        Assert.Equal([.. rgba.Where((_, i) => i % 4 != 3)], ImageDecoder.Decode(file, "x.tif").Pixels);
    }

    [Theory]
    [InlineData(Photometric.SEPARATED, 4, 8, "SEPARATED with 4 x 8 bits")]
    [InlineData(Photometric.MINISBLACK, 1, 32, "MINISBLACK with 1 x 32 bits")]
    public void Another_kind_is_refused_by_its_name(Photometric kind, int samples, int bits, string fault)
    {
        byte[] file = Write(kind, samples, bits, Compression.NONE, PlanarConfig.CONTIG, false, (_, _, _) => 0);
        Assert.Contains(fault, Assert.Throws<ImageException>(() => ImageDecoder.Decode(file, "x.tif")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_cut_short_is_refused_and_damage_never_harms()
    {
        byte[] rgb = Pixels(3);
        byte[] file = Write(Photometric.RGB, 3, 8, Compression.LZW, PlanarConfig.CONTIG, false, (x, y, channel) => rgb[(((y * Width) + x) * 3) + channel]);
        for (int length = 8; length < file.Length - 100; length += 7)
        {
            Assert.Throws<ImageException>(() => ImageDecoder.Decode(file.AsSpan(0, length), "x.tif"));
        }

        SeededRandom random = new(5);
        for (int i = 0; i < 3000; i++)
        {
            byte[] damaged = [.. file];
            int from = i % 2 == 0 ? Math.Max(8, file.Length - 400) : 0;
            damaged[from + random.NextInt(file.Length - from)] = (byte)random.NextInt(256);
            try
            {
                ImageDecoder.Decode(damaged, "x.tif");
            }
            catch (ImageException exception)
            {
                Assert.StartsWith("x.tif: ", exception.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void The_higher_half_of_16_bits_counts_in_PNG_too()
    {
        byte[] png = PngBytes.Sixteen(3, 1, [0x00ff, 0x0180, 0x7fff]);
        Assert.Equal([0, 0, 0, 1, 1, 1, 127, 127, 127], ImageDecoder.Decode(png, "x.png").Pixels);
    }

    private static int Value(byte value, int bits) => bits == 16 ? (value << 8) | 0x81 : value;

    private static byte[] Pixels(int channels)
    {
        SeededRandom random = new(9);
        return [.. Enumerable.Range(0, Width * Height * channels).Select(i => (byte)((i / 5) + random.NextInt(20)))];
    }

    private static byte[] Write(
        Photometric kind, int samples, int bits, Compression compression, PlanarConfig planar, bool tiled, Func<int, int, int, int> value, string mode = "wl")
    {
        string path = Path.GetTempFileName();
        using (Tiff tiff = Tiff.Open(path, mode))
        {
            tiff.SetField(TiffTag.IMAGEWIDTH, Width);
            tiff.SetField(TiffTag.IMAGELENGTH, Height);
            tiff.SetField(TiffTag.SAMPLESPERPIXEL, samples);
            tiff.SetField(TiffTag.BITSPERSAMPLE, bits);
            tiff.SetField(TiffTag.PHOTOMETRIC, kind);
            tiff.SetField(TiffTag.COMPRESSION, compression);
            tiff.SetField(TiffTag.PLANARCONFIG, planar);
            if (samples == 4 && kind == Photometric.RGB)
            {
                tiff.SetField(TiffTag.EXTRASAMPLES, 1, new[] { (short)ExtraSample.UNASSALPHA });
            }

            if (kind == Photometric.PALETTE)
            {
                ushort[] Map(Func<int, int> of) => [.. Enumerable.Range(0, 256).Select(i => (ushort)(of(i) * 257))];
                tiff.SetField(TiffTag.COLORMAP, Map(i => 255 - i), Map(i => i / 2), Map(i => i));
            }

            int planes = planar == PlanarConfig.SEPARATE ? samples : 1, inPlane = samples / planes, bytes = bits / 8;
            (int width, int height) = tiled ? (16, 16) : (Width, 5);
            tiff.SetField(tiled ? TiffTag.TILEWIDTH : TiffTag.ROWSPERSTRIP, tiled ? 16 : 5);
            if (tiled)
            {
                tiff.SetField(TiffTag.TILELENGTH, 16);
            }

            for (int plane = 0; plane < planes; plane++)
            {
                for (int top = 0; top < Height; top += height)
                {
                    for (int left = 0; left < Width; left += width)
                    {
                        int rows = tiled ? height : Math.Min(height, Height - top);
                        byte[] part = new byte[rows * width * inPlane * bytes];
                        for (int i = 0; i < rows * width * inPlane; i++)
                        {
                            (int x, int y, int channel) = (left + (i / inPlane % width), top + (i / inPlane / width), plane + (i % inPlane));
                            int said = x < Width && y < Height ? value(x, y, channel) : 0;
                            for (int b = 0; b < Math.Min(bytes, 2); b++)
                            {
                                part[(i * bytes) + b] = (byte)(said >> (8 * b));
                            }
                        }

                        _ = tiled
                            ? tiff.WriteEncodedTile(tiff.ComputeTile(left, top, 0, (short)plane), part, part.Length)
                            : tiff.WriteEncodedStrip(tiff.ComputeStrip(top, (short)plane), part, part.Length);
                    }
                }
            }
        }

        byte[] file = File.ReadAllBytes(path);
        File.Delete(path);
        return file;
    }
}
