using SkiaSharp;
using SnapViT.Core.Randomness;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

/// <summary>A folder of one test with images made for it, deleted with all it holds.</summary>
internal sealed class TemporaryImages : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("snapvit-images-");

    public string Root => _folder.FullName;

    /// <summary>An image of random colours, from smooth to noisy; the same for the same seed.</summary>
    public static RgbImage Random(int width, int height, ulong seed = 1)
    {
        SeededRandom random = new(seed);
        byte[] pixels = new byte[width * height * 3];
        for (int i = 0; i < pixels.Length; i++)
        {
            int smooth = (i / 3 % width * 200 / width) + (i / 3 / width * 55 / height);
            pixels[i] = (byte)(i % 3 == 0 ? smooth : random.NextInt(256));
        }

        return new RgbImage(width, height, pixels);
    }

    public string Put(string name, ReadOnlySpan<byte> content)
    {
        string path = Path.Combine(Root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    public string Put(string name, RgbImage image, SKEncodedImageFormat format = SKEncodedImageFormat.Png) => Put(name, Encode(image, format));

    /// <summary>Images <c>000.png</c>, <c>001.png</c>, ... of different content.</summary>
    public ImageSet PutMany(int count, int width = 20, int height = 16)
    {
        for (int i = 0; i < count; i++)
        {
            Put($"{i:D3}.png", Random(width, height, (ulong)i));
        }

        return ImageSet.FromFolder(Root);
    }

    public static RgbImage Decode(string path) => ImageEntry.FromFile(path).Decode();

    public static byte[] Encode(RgbImage image, SKEncodedImageFormat format)
    {
        using SKBitmap bitmap = new(new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        Span<byte> rgba = bitmap.GetPixelSpan();
        for (int pixel = 0; pixel < image.Width * image.Height; pixel++)
        {
            image.Pixels.AsSpan(pixel * 3, 3).CopyTo(rgba[(pixel * 4)..]);
            rgba[(pixel * 4) + 3] = 255;
        }

        using SKData data = bitmap.Encode(format, 90);
        return data.ToArray();
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
