using System.Buffers.Binary;
using SkiaSharp;
using SnapViT.Core.Randomness;

namespace SnapViT.Cli.Roofline;

/// <summary>Pictures to decode: smooth, with some noise, so that they take about the bytes of a photo.</summary>
internal static class Photos
{
    /// <summary>One picture in a format.</summary>
    /// <param name="seed">Which.</param>
    /// <param name="width">Pixels across.</param>
    /// <param name="height">Pixels down.</param>
    /// <param name="format">The format; JPEG at quality 88.</param>
    public static byte[] Of(int seed, int width, int height, SKEncodedImageFormat format = SKEncodedImageFormat.Jpeg)
    {
        SeededRandom random = SeededRandom.ForPurpose((ulong)seed, "data benchmark");
        using SKBitmap bitmap = new(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Span<byte> pixels = bitmap.GetPixelSpan();
        for (int i = 0; i < width * height; i++)
        {
            uint value = BinaryPrimitives.ReverseEndianness((uint)((i % width * 40) + (i / width * 23) + seed)) >> 26;
            pixels[i * 4] = (byte)((i % width * 200 / width) + random.NextInt(24));
            pixels[(i * 4) + 1] = (byte)((i / width * 180 / height) + value);
            pixels[(i * 4) + 2] = (byte)((seed * 37 % 120) + random.NextInt(24));
            pixels[(i * 4) + 3] = byte.MaxValue;
        }

        using SKData data = bitmap.Encode(format, 88);
        return data.ToArray();
    }
}
