using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;

namespace SnapViT.Data;

/// <summary>
/// An ordered set of images that can be opened, wherever they are: a folder, a list of files, bytes in memory, anything that gives an
/// <see cref="ImageEntry"/> per image. Immutable; nothing is read before an entry is opened.
/// </summary>
public sealed class ImageSet
{
    /// <summary>A set of images.</summary>
    /// <param name="source">Where the images come from, for messages: a path, or any name.</param>
    /// <param name="entries">The images, in order; at least one, each with a name of its own.</param>
    /// <param name="classes">Names of the classes, by index; null or empty where they are not known.</param>
    /// <exception cref="ImageException">There is no image, two have one name, or a label is not among the classes.</exception>
    public ImageSet(string source, IEnumerable<ImageEntry> entries, IReadOnlyList<string>? classes = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentNullException.ThrowIfNull(entries);
        Source = source;
        Entries = [.. entries];
        Classes = classes is null ? [] : [.. classes];
        Validate();
    }

    /// <summary>Where the images come from, such as the path of a folder.</summary>
    public string Source { get; }

    /// <summary>The images, in order.</summary>
    public IReadOnlyList<ImageEntry> Entries { get; }

    /// <summary>Names of the classes, by index; empty where nothing tells labels.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Images of the set, at least 1.</summary>
    public int Count => Entries.Count;

    /// <summary>Whether every image has a label.</summary>
    public bool IsLabelled => Entries.All(entry => entry.Label is not null);

    /// <summary>What the source holds beside the images, by kind: what was left out, and why. Empty for a set that is no folder's.</summary>
    public IReadOnlyList<LeftOut> LeftOut { get; private init; } = [];

    /// <summary>
    /// The photos of a folder and its sub-folders (<c>.jpg .jpeg .png .webp .bmp</c>), in ordinal order of their names, the same on every machine. Where
    /// photos are in sub-folders, the sub-folders are the classes; a photo beside them has none. Hidden entries, files that are no photos, links to what is
    /// there already and the like are in <see cref="LeftOut"/>.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="labels">For a flat folder: the class of every file name's prefix before the first underscore; null for none.</param>
    /// <exception cref="ImageException">There is no such folder, no image in it, or a prefix that the labels lack.</exception>
    public static ImageSet FromFolder(string path, LabelFile? labels = null)
    {
        FolderScan scan = FolderScan.Of(path);
        if (scan.Found.Count == 0)
        {
            string others = scan.LeftOut.Count == 0 ? "an empty folder" : string.Join("; ", scan.LeftOut);
            throw new ImageException(path, $"expected {FolderScan.Formats} images, found {others}");
        }

        string root = Path.GetFullPath(path);
        if (labels is not null)
        {
            return new ImageSet(path, scan.Found.Select(photo => Entry(photo, OfPrefix(path, photo.Name, labels))), labels.Names) { LeftOut = scan.LeftOut };
        }

        bool inFolders = scan.Found.Any(photo => photo.Folder is not null);
        string[] classes = inFolders ? [.. scan.TopFolders] : [];
        return new ImageSet(path, scan.Found.Select(photo => Entry(photo, photo.Folder is null ? null : OfFolder(photo.Folder))), classes)
        {
            LeftOut = inFolders ? [.. scan.LeftOut, .. EmptyClasses(scan)] : scan.LeftOut,
        };

        ImageEntry Entry(FolderScan.Photo photo, int? label) => ImageEntry.FromFile(Path.Combine(root, photo.Name), photo.Name, label);

        int OfFolder(string folder) => Array.BinarySearch(classes, folder, StringComparer.Ordinal);
    }

    /// <summary>A list of files, in this order, without labels; a file's name is its path as given.</summary>
    /// <param name="paths">The files, whatever their extensions; at least one. A file that is missing is noticed when it is opened.</param>
    /// <exception cref="ImageException">There is no file, or one stands twice.</exception>
    public static ImageSet FromFiles(IEnumerable<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return new ImageSet("image files", paths.Select(path => ImageEntry.FromFile(path)));
    }

    /// <summary>A seeded sample without replacement, in the order of the set; the whole set when it has no more.</summary>
    /// <param name="count">Images at most, at least 1. A smaller sample of the same seed is a part of a larger one.</param>
    /// <param name="seed">Seed of the choice.</param>
    public ImageSet Sample(int count, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        int[] order = [.. Enumerable.Range(0, Count)];
        SeededRandom.ForPurpose(seed, "image sample").Shuffle(order.AsSpan());
        return new ImageSet(Source, order.Take(count).Order().Select(index => Entries[index]), Classes) { LeftOut = LeftOut };
    }

    /// <summary>Some of the images, with their labels and classes, in the order of the set.</summary>
    /// <param name="keep">Which images.</param>
    /// <exception cref="ImageException">None is left.</exception>
    public ImageSet Where(Func<ImageEntry, bool> keep)
    {
        ImageEntry[] kept = [.. Entries.Where(keep)];
        return kept.Length > 0
            ? new ImageSet(Source, kept, Classes) { LeftOut = LeftOut }
            : throw new ImageException(Source, "expected images that are left after the choice, found none");
    }

    /// <summary>
    /// The images that have a label; those without one are left out as long as they are fewer, such as a photo that lies beside class folders.
    /// </summary>
    /// <exception cref="ImageException">No image has a label, or most have none.</exception>
    public ImageSet Labelled()
    {
        if (IsLabelled)
        {
            return this;
        }

        ImageEntry[] without = [.. Entries.Where(entry => entry.Label is null)];
        if (without.Length * 2 > Count)
        {
            string found = without.Length == Count ? "none" : $"{without.Length} of {Count} photos without a label";
            throw new ImageException(Source, $"expected labels: one sub-folder per class, or a list of labels for a flat folder; found {found}");
        }

        LeftOut left = new(LeftOutKind.NoLabel, "photos beside the class folders", without.Length, without[0].Name);
        return new ImageSet(Source, Entries.Where(entry => entry.Label is not null), Classes) { LeftOut = [.. LeftOut, left] };
    }

    /// <summary>SHA-256 over names and lengths of the images in order, lower-case hexadecimal: the identity of the set. Contents are not read.</summary>
    /// <exception cref="IOException">The length of an image cannot be told.</exception>
    public string Hash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ImageEntry entry in Entries)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{entry.Name}\0{entry.Length}\n")));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private void Validate()
    {
        if (Count == 0)
        {
            throw new ImageException(Source, "expected at least one image, found none");
        }

        HashSet<string> names = new(Count, StringComparer.Ordinal);
        foreach (ImageEntry entry in Entries)
        {
            if (!names.Add(entry.Name))
            {
                throw new ImageException(Source, $"expected a name of its own for every image, found {entry.Name} twice");
            }

            if (entry.Label is int label && (label < 0 || (Classes.Count > 0 && label >= Classes.Count)))
            {
                throw new ImageException(Source, $"{entry.Name}: expected a label of 0 or more{(Classes.Count > 0 ? $" and below {Classes.Count}" : "")}, found {label}");
            }
        }
    }

    private static int OfPrefix(string path, string name, LabelFile labels)
    {
        string prefix = Path.GetFileNameWithoutExtension(name).Split('_')[0];
        return labels.Find(prefix) ?? throw new ImageException(path, $"{name}: the prefix '{prefix}' is not in {labels.Path}");
    }

    private static LeftOut[] EmptyClasses(FolderScan scan)
    {
        string[] empty = [.. scan.TopFolders.Except(scan.Found.Select(photo => photo.Folder), StringComparer.Ordinal)!];
        return empty.Length == 0 ? [] : [new LeftOut(LeftOutKind.EmptyClass, "class folders without a photo", empty.Length, empty[0])];
    }
}

/// <summary>A list of classes: line n (from 0) holds the identifier of class n, then its names.</summary>
public sealed class LabelFile
{
    private readonly Dictionary<string, int> _classes = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    private LabelFile(string path) => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The names of every class, by index.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Reads a list of classes.</summary>
    /// <param name="path">A text file with lines <c>identifier names</c>, such as <c>n01440764 tench, Tinca tinca</c>.</param>
    /// <exception cref="SnapViTException">A line is empty, or an identifier stands twice; the message names the line.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static LabelFile Read(string path)
    {
        LabelFile labels = new(path);
        foreach (string line in File.ReadAllLines(path))
        {
            string[] parts = line.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length == 0 || !labels._classes.TryAdd(parts[0], labels._names.Count))
            {
                throw new SnapViTException(
                    ErrorKind.File, $"{path}: line {labels._names.Count + 1}: expected 'identifier names' with an identifier of its own, found '{line}'");
            }

            labels._names.Add(parts.Length > 1 ? parts[1] : parts[0]);
        }

        return labels._names.Count > 0 ? labels : throw new SnapViTException(ErrorKind.File, $"{path}: expected one class per line, found an empty file");
    }

    /// <summary>Class index of an identifier, or null.</summary>
    public int? Find(string identifier) => _classes.TryGetValue(identifier, out int label) ? label : null;
}
