using System.Globalization;

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
    public static FolderLabels OfSubFolders(FolderScan scan)
    {
        string[] classes = scan.Found.Any(photo => photo.Folder is not null) ? [.. scan.TopFolders] : [];
        return new FolderLabels(
            [.. scan.Found.Select(photo =>
                photo.Folder is null ? (int?)null : Array.BinarySearch(classes, photo.Folder, StringComparer.Ordinal))],
            classes);
    }

    /// <summary>What a file of labels says of photos, by the names of their folders or their own.</summary>
    /// <exception cref="ImageException">It says nothing of more than a tenth of them.</exception>
    public static FolderLabels Of(string path, FolderScan scan, LabelFile file)
    {
        if (file.IsOfFiles)
        {
            return Named(
                path, scan, file,
                [.. scan.Found.Select(photo => file.OfFile(photo.Name))], photo => $"{photo.Name} is not in {file.Path}");
        }

        int?[] labels = [.. scan.Found.Select(photo =>
            (photo.Folder is null ? null : file.OfFolder(photo.Folder)) ?? file.OfPhoto(photo.Name))];
        if (file.Numbers.Count > 0 && labels.All(label => label is null))
        {
            return Named(path, scan, file, InOrder(path, scan, file), _ => "");
        }

        RequireMost(path, scan, [.. labels.Select(label => label is not null)], photo =>
            photo.Name.Contains("ILSVRC2012_val_", StringComparison.Ordinal)
                ? $"{photo.Name}: {file.Path} does not tell its class; expected lines such as 'ILSVRC2012_val_00000001.JPEG 65'"
                : photo.Folder is null
                ? $"{photo.Name}: the prefix '{Path.GetFileNameWithoutExtension(photo.Name).Split('_')[0]}' is not in {file.Path}"
                : $"{photo.Name}: neither the folder '{photo.Folder}' nor the prefix of the name is in {file.Path}");
        return new FolderLabels(labels, file.Names, file);
    }

    /// <summary>Lines that are numbers: the line of the number in the photo's name, else of its place.</summary>
    private static string?[] InOrder(string path, FolderScan scan, LabelFile file)
    {
        int?[] numbers = [.. scan.Found.Select(photo =>
            photo.Name.Contains("ILSVRC2012_val_", StringComparison.Ordinal)
                ? ClassNames.NumberOf(Path.GetFileNameWithoutExtension(photo.Name)[^8..])
                : null)];
        bool areNumbered = numbers.All(number => number is > 0 && number <= file.Numbers.Count);
        return areNumbered || file.Numbers.Count == scan.Found.Count
            ? [.. scan.Found.Select((_, place) => file.Numbers[areNumbered ? numbers[place]!.Value - 1 : place])]
            : throw new ImageException(
                path, $"expected a line of {file.Path} for every photo ({scan.Found.Count}), found {file.Numbers.Count} lines");
    }

    private static FolderLabels Named(string path, FolderScan scan, LabelFile file, string?[] names, Func<FolderScan.Photo, string> fault)
    {
        RequireMost(path, scan, [.. names.Select(name => name is not null)], fault);
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

    private static void RequireMost(string path, FolderScan scan, bool[] areTold, Func<FolderScan.Photo, string> fault)
    {
        if (areTold.Count(told => !told) > MostMissing * areTold.Length)
        {
            throw new ImageException(path, fault(scan.Found[Array.IndexOf(areTold, false)]));
        }
    }
}
