using System.Globalization;
using SnapViT.Data.Sources;

namespace SnapViT.Data;

/// <summary>The classes of a folder's photos.</summary>
/// <param name="Labels">Class index of every photo; null for a photo without one.</param>
/// <param name="Classes">Names of the classes, by index.</param>
/// <param name="List">The list that the classes are lines of; null where their order is that of their sorted names.</param>
internal sealed record FolderLabels(IReadOnlyList<int?> Labels, IReadOnlyList<string> Classes, LabelFile? List = null)
{
    /// <summary>
    /// The least and the greatest class number of the file that the classes are from; null where they are no numbers of a file.
    /// </summary>
    public (int Least, int Most)? NumberRange { get; private init; }

    /// <summary>The share of photos that a file of labels may lack.</summary>
    private const double MostMissing = 0.1;

    /// <summary>Sub-folders as classes; none for a flat folder.</summary>
    public static FolderLabels OfSubFolders(FileTree tree, IReadOnlyList<TreeFile> photos)
    {
        string[] classes = photos.Any(photo => photo.TopFolder is not null) ? [.. tree.TopFolders] : [];
        return new FolderLabels(
            [.. photos.Select(photo =>
                photo.TopFolder is null ? (int?)null : Array.BinarySearch(classes, photo.TopFolder, StringComparer.Ordinal))],
            classes);
    }

    /// <summary>Classes by their names, in a list beside the photos.</summary>
    public static FolderLabels OfList(IReadOnlyList<string?> names)
    {
        string[] classes = LabelList.Classes(names);
        Dictionary<string, int> indices = classes.Select((name, index) => (name, index)).ToDictionary();
        return new FolderLabels([.. names.Select(name => name is null ? (int?)null : indices[name])], classes);
    }

    /// <summary>What a file of labels says of photos, by the names of their folders or their own.</summary>
    /// <exception cref="ImageException">It says nothing of more than a tenth of them.</exception>
    public static FolderLabels Of(string path, IReadOnlyList<TreeFile> photos, LabelFile file)
    {
        if (file.IsOfFiles)
        {
            return Named(
                path, photos, file,
                [.. photos.Select(photo => file.OfFile(photo.Name))], photo => $"{photo.Name} is not in {file.Path}");
        }

        int?[] labels = [.. photos.Select(photo =>
            (photo.TopFolder is null ? null : file.OfFolder(photo.TopFolder)) ?? file.OfPhoto(photo.Name))];
        if (file.Numbers.Count > 0 && labels.All(label => label is null))
        {
            return Named(path, photos, file, InOrder(path, photos, file), _ => "");
        }

        RequireMost(path, photos, [.. labels.Select(label => label is not null)], photo =>
            photo.Name.Contains("ILSVRC2012_val_", StringComparison.Ordinal)
                ? $"{photo.Name}: {file.Path} does not tell its class; expected lines such as 'ILSVRC2012_val_00000001.JPEG 65'"
                : photo.TopFolder is null
                ? $"{photo.Name}: the prefix '{Path.GetFileNameWithoutExtension(photo.Name).Split('_')[0]}' is not in {file.Path}"
                : $"{photo.Name}: neither the folder '{photo.TopFolder}' nor the prefix of the name is in {file.Path}");
        return new FolderLabels(labels, file.Names, file);
    }

    /// <summary>Lines that are numbers: the line of the number in the photo's name, else of its place.</summary>
    private static string?[] InOrder(string path, IReadOnlyList<TreeFile> photos, LabelFile file)
    {
        int?[] numbers = [.. photos.Select(photo =>
            photo.Name.Contains("ILSVRC2012_val_", StringComparison.Ordinal)
                ? ClassNames.NumberOf(Path.GetFileNameWithoutExtension(photo.Name)[^8..])
                : null)];
        bool areNumbered = numbers.All(number => number is > 0 && number <= file.Numbers.Count);
        return areNumbered || file.Numbers.Count == photos.Count
            ? [.. photos.Select((_, place) => file.Numbers[areNumbered ? numbers[place]!.Value - 1 : place])]
            : throw new ImageException(
                path, $"expected a line of {file.Path} for every photo ({photos.Count}), found {file.Numbers.Count} lines");
    }

    private static FolderLabels Named(
        string path, IReadOnlyList<TreeFile> photos, LabelFile file, string?[] names, Func<TreeFile, string> fault)
    {
        RequireMost(path, photos, [.. names.Select(name => name is not null)], fault);
        string[] classes = [.. names.OfType<string>().Select(Plain).Distinct()
            .OrderBy(name => ClassNames.NumberOf(name) ?? int.MaxValue).ThenBy(name => name, StringComparer.Ordinal)];
        Dictionary<string, int> indices = classes.Select((name, index) => (name, index)).ToDictionary();
        return new FolderLabels([.. names.Select(name => name is null ? (int?)null : indices[Plain(name)])], classes)
        {
            NumberRange = file.NumberRange,
        };
    }

    private static string Plain(string name) =>
        ClassNames.NumberOf(name) is int number ? number.ToString(CultureInfo.InvariantCulture) : name;

    private static void RequireMost(string path, IReadOnlyList<TreeFile> photos, bool[] areTold, Func<TreeFile, string> fault)
    {
        if (areTold.Count(told => !told) > MostMissing * areTold.Length)
        {
            throw new ImageException(path, fault(photos[Array.IndexOf(areTold, false)]));
        }
    }
}
