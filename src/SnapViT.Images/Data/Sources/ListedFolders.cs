namespace SnapViT.Data.Sources;

/// <summary>
/// A folder with photos and a list for each split, such as <c>train.csv</c> and <c>test.csv</c>, whose lines name the photos.
/// </summary>
internal sealed class ListedFolders : IImageLayout
{
    private const int Examined = 20;

    private static readonly string[] ListNames = ["labels", "label", "metadata", "annotations", "list", "index", "images", "photos"];

    /// <inheritdoc/>
    public string Name => "photos with lists of splits";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        TreeFile[] lists =
        [
            .. tree.Files.Where(file => file.TopFolder is null && LabelList.IsOne(file.Name)
                && ImageData.IsSplitName(Path.GetFileNameWithoutExtension(file.Name))),
        ];
        if (lists.Length == 0)
        {
            return null;
        }

        IReadOnlyList<TreeFile> photos = FileNames.PhotosOf(tree).Photos;
        Func<string, TreeFile?> find = LabelList.Finder(photos);
        return photos.Count > 0 && lists.All(list => NamesPhotos(list, find))
            ? [.. lists.Select(list => new ImageSplit(
                Path.GetFileNameWithoutExtension(list.Name), wanted => Images(tree.Path, LabelList.Read(list), find, wanted)))]
            : null;
    }

    /// <summary>The classes that a list beside flat photos tells; null where there is none.</summary>
    public static IReadOnlyList<string?>? Labels(FileTree tree, IReadOnlyList<TreeFile> photos)
    {
        Func<string, TreeFile?> find = LabelList.Finder(photos);
        foreach (TreeFile list in tree.Files.Where(file => file.TopFolder is null && LabelList.IsOne(file.Name)
            && ListNames.Contains(Path.GetFileNameWithoutExtension(file.Name), StringComparer.OrdinalIgnoreCase)))
        {
            if (NamesPhotos(list, find))
            {
                Dictionary<TreeFile, string?> told = [];
                foreach (ListedImage row in LabelList.Read(list))
                {
                    if (find(row.Image) is TreeFile photo && !told.TryAdd(photo, row.Label))
                    {
                        throw new ImageException(list.Location, $"expected every image once, found {row.Image} twice");
                    }
                }

                return [.. photos.Select(told.GetValueOrDefault)];
            }
        }

        return null;
    }

    private static bool NamesPhotos(TreeFile list, Func<string, TreeFile?> find)
    {
        try
        {
            return LabelList.Read(list).Take(Examined).Any(row => find(row.Image) is not null);
        }
        catch (Exception exception) when (exception is ImageException or InvalidDataException)
        {
            return false;
        }
    }

    /// <summary>Photos of a list, with the classes that it tells, else with those of their folders.</summary>
    private static ImageSet Images(string path, IReadOnlyList<ListedImage> rows, Func<string, TreeFile?> find, Wanted wanted)
    {
        (string Name, TreeFile? File, string? Label)[] found =
        [
            .. from row in rows let photo = find(row.Image) select (row.Image, photo, row.Label ?? FolderOf(photo)),
        ];
        string[] classes = wanted.Labels ? LabelList.Classes(found.Select(row => row.Label)) : [];
        Dictionary<string, int> indices = classes.Select((name, index) => (name, index)).ToDictionary();
        return LabelList.Images(
            path,
            [.. found.Select(row => (row.Name, row.File, wanted.Labels && row.Label is string label ? indices[label] : (int?)null))],
            classes,
            inOrder: false);
    }

    private static string? FolderOf(TreeFile? photo) =>
        photo is null || !photo.Name.Contains('/', StringComparison.Ordinal) ? null : Path.GetFileName(Path.GetDirectoryName(photo.Name));
}
