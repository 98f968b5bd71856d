using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SnapViT.Core.Randomness;
using SnapViT.Data.Sources;

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

    /// <summary>Whether somebody gave the classes in an order, as a list of labels does; false for the sorted names of folders.</summary>
    internal bool ClassesAreInOrder { get; init; } = true;

    /// <summary>The list that the classes are lines of; null for none.</summary>
    internal LabelFile? List { get; init; }

    /// <summary>The least and the greatest class number of the file of labels, where it gives photos such numbers; null for none.</summary>
    internal (int Least, int Most)? NumberRange { get; init; }

    /// <summary>
    /// What the source holds beside the images, by kind: what was left out, and why. Empty for a set that is no folder's.
    /// </summary>
    public IReadOnlyList<LeftOut> LeftOut { get; internal init; } = [];

    /// <summary>
    /// The photos of a folder and its sub-folders (<c>.jpg .jpeg .png .webp .bmp</c>), in ordinal order of their names, the same on every
    /// machine. Where photos are in sub-folders, the sub-folders are the classes; a photo beside them has none. Hidden entries, files that
    /// are no photos, links to what is there already and the like are in <see cref="LeftOut"/>.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="labels">
    /// What tells classes: a list in which names of sub-folders and parts of file names before an underscore are looked up, or the classes
    /// of single photos; null for the sub-folders alone.
    /// </param>
    /// <exception cref="ImageException">
    /// There is no such folder, no image in it, or more than a tenth of the photos are not in the labels.
    /// </exception>
    public static ImageSet FromFolder(string path, LabelFile? labels = null) =>
        ClassFolders.Photos(FolderTree.Read(path), new Wanted(Labels: false, labels));

    /// <summary>
    /// The images that a path holds, in place: of a folder, a zip or tar archive, or a data set as it is published. Nothing is unpacked.
    /// </summary>
    /// <param name="path">
    /// A file or a folder; after a <c>#</c> the split, such as <c>cifar-10-binary.tar.gz#test</c>. Without one the training images.
    /// </param>
    /// <param name="withLabels">Whether labels are needed; what tells them is not read where they are not.</param>
    /// <exception cref="ImageException">There is no such thing, no image in it, or it is of no format that is read.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ImageSet Open(string path, bool withLabels = false) => ImageSource.Images(path, SplitUse.Photos, withLabels);

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
        return Part(order.Take(count).Order().Select(index => Entries[index]));
    }

    /// <summary>Some of the images, with their labels and classes, in the order of the set.</summary>
    /// <param name="keep">Which images.</param>
    /// <exception cref="ImageException">None is left.</exception>
    public ImageSet Where(Func<ImageEntry, bool> keep)
    {
        ImageEntry[] kept = [.. Entries.Where(keep)];
        return kept.Length > 0
            ? Part(kept)
            : throw new ImageException(Source, "expected images that are left after the choice, found none");
    }

    /// <summary>
    /// The images that have a label; those without one are left out as long as they are fewer, such as a photo that lies beside class
    /// folders.
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
            throw new ImageException(
                Source, $"expected labels: one sub-folder per class, or a list of labels for a flat folder; found {found}");
        }

        LeftOut left = new(LeftOutKind.NoLabel, "photos without a class", without.Length, without[0].Name);
        return Part(Entries.Where(entry => entry.Label is not null), left);
    }

    /// <summary>
    /// SHA-256 over names and lengths of the images in order, lower-case hexadecimal: the identity of the set. Contents are not read; of a
    /// row of Parquet the length of the file counts.
    /// </summary>
    /// <exception cref="IOException">The length of an image cannot be told.</exception>
    public string Hash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ImageEntry entry in Entries)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{entry.Name}\0{entry.Identity}\n")));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The same images with other labels, of classes without names.</summary>
    internal ImageSet WithLabels(Func<int, int> map) =>
        new(Source, Entries.Select(entry => entry.WithLabel(map(entry.Label!.Value)))) { LeftOut = LeftOut };

    /// <summary>All names of a class: those of its line in a list, else the one it has.</summary>
    internal IEnumerable<string> NamesOf(int label) => List?.NamesOf(label) ?? [Classes[label]];

    private ImageSet Part(IEnumerable<ImageEntry> entries, params LeftOut[] more) => new(Source, entries, Classes)
    {
        LeftOut = [.. LeftOut, .. more],
        ClassesAreInOrder = ClassesAreInOrder,
        List = List,
        NumberRange = NumberRange,
    };

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
                throw new ImageException(
                    Source,
                    $"{entry.Name}: expected a label of 0 or more{(Classes.Count > 0 ? $" and below {Classes.Count}" : "")}, "
                        + $"found {label}");
            }
        }
    }
}
