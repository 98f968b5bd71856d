using System.Globalization;

namespace SnapViT.Data.Sources;

/// <summary>Classes of the pixels of an image, row by row; 255 where there is none.</summary>
internal sealed record ClassMask(int Width, int Height, byte[] Classes)
{
    /// <summary>The value of pixels that are not counted.</summary>
    public const byte Ignored = 255;

    /// <summary>The same mask with square sides, each pixel that of the nearest one.</summary>
    public byte[] Squashed(int side)
    {
        byte[] squashed = new byte[side * side];
        for (int row = 0; row < side; row++)
        {
            int from = (int)((row + 0.5) * Height / side) * Width;
            for (int column = 0; column < side; column++)
            {
                squashed[(row * side) + column] = Classes[from + (int)((column + 0.5) * Width / side)];
            }
        }

        return squashed;
    }
}

/// <summary>
/// A folder as PASCAL VOC has it: <c>JPEGImages</c>, <c>SegmentationClass</c> with a PNG of classes for an image, and
/// <c>ImageSets/Segmentation</c> with a list of names for a split. Masks have VOC's palette, or grey values that are the classes.
/// </summary>
internal sealed class VocSegmentation
{
    private const string Images = "JPEGImages", Masks = "SegmentationClass", Splits = "ImageSets/Segmentation";
    private const int Palette = 3, Grey = 0, ColourType = 25;

    private static readonly Dictionary<int, byte> ClassOfColour = Enumerable.Range(0, 256).ToDictionary(Colour, index => (byte)index);
    private readonly string _path;

    private VocSegmentation(string path, ImageSet images) => (_path, Set) = (path, images);

    /// <summary>The images of the split.</summary>
    public ImageSet Set { get; }

    /// <summary>Opens a split.</summary>
    /// <param name="path">The folder, or one above it with nothing else in it, such as <c>VOCdevkit</c>.</param>
    /// <param name="split">The list, such as <c>train</c>.</param>
    /// <exception cref="ImageException">A folder or a list is missing, or an image of the list has no file or no mask.</exception>
    public static VocSegmentation Open(string path, string split)
    {
        string root = Root(path);
        string list = Path.Combine(root, Splits, $"{split}.txt");
        if (!File.Exists(list))
        {
            string[] there = [.. Directory.EnumerateFiles(Path.Combine(root, Splits), "*.txt").Select(Path.GetFileNameWithoutExtension)
                .OfType<string>().Order(StringComparer.Ordinal)];
            throw new ImageException(
                path, $"expected a split '{split}' in {Splits}, found {(there.Length == 0 ? "none" : string.Join(", ", there))}");
        }

        string[] names = [.. File.ReadLines(list).Select(line => line.Trim()).Where(line => line.Length > 0)];
        List<ImageEntry> entries = [];
        foreach (string name in names)
        {
            if (name.AsSpan().IndexOfAny("/\\:") >= 0 || name.StartsWith("..", StringComparison.Ordinal))
            {
                throw new ImageException(list, $"expected names of images, found '{name}'");
            }

            string image = Path.Combine(root, Images, $"{name}.jpg"), mask = MaskPath(root, name);
            foreach (string file in new[] { image, mask })
            {
                if (!File.Exists(file))
                {
                    throw new ImageException(list, $"{name}: expected {Path.GetRelativePath(root, file)}, found no such file");
                }
            }

            entries.Add(ImageEntry.FromFile(image, name));
        }

        return new VocSegmentation(root, new ImageSet($"{path}#{split}", entries));
    }

    /// <summary>The classes of an image's pixels.</summary>
    /// <param name="name">The image's name.</param>
    /// <exception cref="ImageException">The mask is no PNG of classes.</exception>
    public ClassMask Mask(string name)
    {
        string path = MaskPath(_path, name);
        byte[] bytes = File.ReadAllBytes(path);
        int type = bytes.Length > ColourType ? bytes[ColourType] : -1;
        if (type is not (Palette or Grey))
        {
            throw new ImageException(path, "expected a PNG with a palette or of grey values, the classes; found another image");
        }

        RgbImage image = ImageDecoder.Decode(bytes, path);
        byte[] pixels = image.Pixels, classes = new byte[image.Width * image.Height];
        for (int i = 0; i < classes.Length; i++)
        {
            int colour = (pixels[3 * i] << 16) | (pixels[(3 * i) + 1] << 8) | pixels[(3 * i) + 2];
            classes[i] = type == Grey ? pixels[3 * i]
                : ClassOfColour.TryGetValue(colour, out byte index) ? index
                : throw new ImageException(
                    path, string.Create(CultureInfo.InvariantCulture, $"expected colours of VOC's palette, found #{colour:x6}"));
        }

        return new ClassMask(image.Width, image.Height, classes);
    }

    /// <summary>VOC's colour of a class: its bits in turn are the highest bits of red, green and blue.</summary>
    internal static int Colour(int index)
    {
        int red = 0, green = 0, blue = 0;
        for (int bit = 7; bit >= 0; bit--, index >>= 3)
        {
            red |= (index & 1) << bit;
            green |= ((index >> 1) & 1) << bit;
            blue |= ((index >> 2) & 1) << bit;
        }

        return (red << 16) | (green << 8) | blue;
    }

    private static string MaskPath(string root, string name) => Path.Combine(root, Masks, $"{name}.png");

    private static string Root(string path)
    {
        string root = path;
        while (!Directory.Exists(Path.Combine(root, Images)) && Directory.Exists(root)
            && Directory.GetFileSystemEntries(root) is [string only] && Directory.Exists(only))
        {
            root = only;
        }

        foreach (string folder in new[] { Images, Masks, Splits })
        {
            if (!Directory.Exists(Path.Combine(root, folder)))
            {
                throw new ImageException(path, $"expected a folder of PASCAL VOC with {Images}, {Masks} and {Splits}, found no {folder}");
            }
        }

        return root;
    }
}
