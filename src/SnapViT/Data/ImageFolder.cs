using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;

namespace SnapViT.Data;

/// <summary>One image file of a folder.</summary>
/// <param name="Path">Full path.</param>
/// <param name="Name">Path below the folder, with forward slashes; its identity in seeds and messages.</param>
/// <param name="Label">Class index, or null where it is not known.</param>
public sealed record ImageFile(string Path, string Name, int? Label);

/// <summary>A folder that cannot serve as a set of images. The message is one line that names it.</summary>
public sealed class ImageFolderException : SnapViTException
{
    /// <summary>States what is wrong with which folder.</summary>
    public ImageFolderException(string path, string fault)
        : base(ErrorKind.Images, $"{path}: {fault}")
    {
    }
}

/// <summary>
/// The images below a folder, in ordinal order of their names, the same on every machine. Where every image lies in a sub-folder, the
/// sub-folders are the classes.
/// </summary>
public sealed class ImageFolder
{
    private static readonly string[] Extensions = [".jpg", ".jpeg", ".png", ".webp", ".bmp"];

    private ImageFolder(string path, IReadOnlyList<ImageFile> files, IReadOnlyList<string> classes)
    {
        Path = path;
        Files = files;
        Classes = classes;
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>Its images, in ordinal order of their names.</summary>
    public IReadOnlyList<ImageFile> Files { get; }

    /// <summary>Names of the classes, by index; empty where nothing tells labels.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Lists the images of a folder and its sub-folders.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="labels">For a flat folder: the class of every file name's prefix before the first underscore; null for none.</param>
    /// <exception cref="ImageFolderException">There is no such folder, no image in it, or a prefix that the labels lack.</exception>
    public static ImageFolder Scan(string path, LabelFile? labels = null)
    {
        if (!Directory.Exists(path))
        {
            throw new ImageFolderException(path, File.Exists(path) ? "expected a folder of images, found a file" : "there is no such folder");
        }

        string root = System.IO.Path.GetFullPath(path);
        string[] all = [.. Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)];
        string[] images = [.. all.Where(file => Extensions.Contains(System.IO.Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))];
        if (images.Length == 0)
        {
            throw new ImageFolderException(path, $"expected JPEG, PNG, WebP or BMP images, found none among {all.Length} files");
        }

        (string Name, string File)[] named = [.. images
            .Select(file => (Name: System.IO.Path.GetRelativePath(root, file).Replace(System.IO.Path.DirectorySeparatorChar, '/'), File: file))
            .OrderBy(entry => entry.Name, StringComparer.Ordinal)];
        return labels is null ? ByFolder(path, named) : ByPrefix(path, named, labels);
    }

    /// <summary>A seeded sample without replacement, in the folder's order; all images when there are no more.</summary>
    /// <param name="count">Images at most, at least 1.</param>
    /// <param name="seed">Seed of the choice.</param>
    public IReadOnlyList<ImageFile> Sample(int count, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        int[] order = [.. Enumerable.Range(0, Files.Count)];
        SeededRandom.ForPurpose(seed, "image sample").Shuffle(order.AsSpan());
        return [.. order.Take(count).Order().Select(index => Files[index])];
    }

    /// <summary>The same folder with some of its images, their labels and classes kept.</summary>
    /// <param name="keep">Which images.</param>
    /// <exception cref="ImageFolderException">None is left.</exception>
    public ImageFolder Where(Func<ImageFile, bool> keep)
    {
        ImageFile[] kept = [.. Files.Where(keep)];
        return kept.Length > 0 ? new ImageFolder(Path, kept, Classes) : throw new ImageFolderException(Path, "expected images that are left after the choice, found none");
    }

    /// <summary>SHA-256 over names and sizes of files, lower-case hexadecimal: the identity of a list of images.</summary>
    public static string Hash(IEnumerable<ImageFile> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ImageFile file in files)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{file.Name}\0{new FileInfo(file.Path).Length}\n")));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static ImageFolder ByFolder(string path, (string Name, string File)[] files)
    {
        if (!files.All(file => file.Name.Contains('/', StringComparison.Ordinal)))
        {
            return new ImageFolder(path, [.. files.Select(file => new ImageFile(file.File, file.Name, null))], []);
        }

        string[] classes = [.. files.Select(file => Folder(file.Name)).Distinct().Order(StringComparer.Ordinal)];
        return new ImageFolder(
            path, [.. files.Select(file => new ImageFile(file.File, file.Name, Array.BinarySearch(classes, Folder(file.Name), StringComparer.Ordinal)))], classes);
    }

    private static ImageFolder ByPrefix(string path, (string Name, string File)[] files, LabelFile labels)
    {
        return new ImageFolder(path, [.. files.Select(file => new ImageFile(file.File, file.Name, Label(file.Name)))], labels.Names);

        int Label(string name)
        {
            string prefix = System.IO.Path.GetFileNameWithoutExtension(name).Split('_')[0];
            return labels.Find(prefix) ?? throw new ImageFolderException(path, $"{name}: the prefix '{prefix}' is not in {labels.Path}");
        }
    }

    private static string Folder(string name) => name[..name.IndexOf('/', StringComparison.Ordinal)];
}
