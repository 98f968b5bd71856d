using System.Globalization;
using SkiaSharp;
using SnapViT.Core.Randomness;
using SnapViT.Data;

namespace SnapViT.Cli.Demo;

/// <summary>Generated images as PNG files, so that the demo takes the same way as a user's photos.</summary>
internal static class DemoImages
{
    /// <summary>Writes a folder of images, one sub-folder per class.</summary>
    /// <param name="folder">The folder, made where it is absent; its name gives the images a stream of their own.</param>
    /// <param name="seed">Seed of the images.</param>
    /// <param name="perClass">Images of every class.</param>
    public static ImageSet WriteLabelled(string folder, ulong seed, int perClass) =>
        Write(folder, seed, perClass, (label, index) => Path.Combine(ShapeTextureImages.Folder(label), Invariant($"{index:D4}.png")));

    /// <summary>Writes a folder of images of all classes without their labels.</summary>
    /// <param name="folder">The folder, made where it is absent; its name gives the images a stream of their own.</param>
    /// <param name="seed">Seed of the images.</param>
    /// <param name="perClass">Images of every class.</param>
    public static ImageSet WriteUnlabelled(string folder, ulong seed, int perClass) =>
        Write(folder, seed, perClass, (label, index) => Invariant($"{(index * ShapeTextureImages.Classes) + label:D4}.png"));

    /// <summary>RGB bytes of one image as a PNG file.</summary>
    public static byte[] Png(byte[] rgb)
    {
        using SKBitmap bitmap = new(ShapeTextureImages.Side, ShapeTextureImages.Side, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Span<byte> pixels = bitmap.GetPixelSpan();
        for (int pixel = 0; pixel < rgb.Length / 3; pixel++)
        {
            rgb.AsSpan(pixel * 3, 3).CopyTo(pixels[(pixel * 4)..]);
            pixels[(pixel * 4) + 3] = byte.MaxValue;
        }

        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static ImageSet Write(string folder, ulong seed, int perClass, Func<int, int, string> name)
    {
        string purpose = Path.GetFileName(folder);
        Parallel.For(0, ShapeTextureImages.Classes * perClass, index =>
        {
            int label = index / perClass;
            string path = Path.Combine(folder, name(label, index % perClass));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(
                path, Png(ShapeTextureImages.Draw(label, SeededRandom.ForPurpose(seed, $"demo {purpose}/{index}"), Difficulty.Demo)));
        });
        return ImageSet.FromFolder(folder);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
