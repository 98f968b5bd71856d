namespace SnapViT.Data.Sources;

/// <summary>
/// A list of images as a file of its own: paths beside the list with their classes, or images of other data sets, as <c>snapvit merge</c>
/// writes them.
/// </summary>
internal sealed class ListFile : IImageLayout
{
    /// <inheritdoc/>
    public string Name => "list of images";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree) =>
        tree.Files is [TreeFile { Bytes: FileBytes list } file] && LabelList.IsOne(file.Name) && tree.Path == list.Path
        ? [new ImageSplit(ImageSplit.All, wanted => Images(tree.Path, file, Path.GetDirectoryName(Path.GetFullPath(list.Path))!, wanted))]
        : null;

    private static ImageSet Images(string path, TreeFile file, string folder, Wanted wanted)
    {
        IReadOnlyList<ListedImage> rows = LabelList.Read(file);
        string[] classes = wanted.Labels ? LabelList.Classes(rows.Select(row => row.Label)) : [];
        Dictionary<string, int> indices = classes.Select((name, index) => (name, index)).ToDictionary();
        int? Label(ListedImage row) => wanted.Labels && row.Label is string label ? indices[label] : null;
        if (rows.All(row => row.Source is null))
        {
            Lazy<Func<string, TreeFile?>> inFolder = new(() => LabelList.Finder(FileNames.PhotosOf(FolderTree.Read(folder)).Photos));
            return LabelList.Images(
                path,
                [.. rows.Select(row => (row.Image, Beside(folder, row.Image) ?? inFolder.Value(row.Image), Label(row)))],
                classes,
                inOrder: false);
        }

        return new ImageSet(path, OfSources(path, rows, folder, Label), classes) { ClassesAreInOrder = false };
    }

    private static TreeFile? Beside(string folder, string name) => Path.Combine(folder, name) is string full && File.Exists(full)
        ? new TreeFile(name.Replace('\\', '/'), full, new FileBytes(full))
        : null;

    /// <summary>The images of other data sets, each of which is opened once.</summary>
    private static IEnumerable<ImageEntry> OfSources(
        string path, IReadOnlyList<ListedImage> rows, string folder, Func<ListedImage, int?> label)
    {
        Dictionary<string, Dictionary<string, ImageEntry>> opened = new(StringComparer.Ordinal);
        foreach (ListedImage row in rows)
        {
            string source = row.Source ?? throw new ImageException(path, $"{row.Image}: expected its source, found none");
            if (!opened.TryGetValue(source, out Dictionary<string, ImageEntry>? entries))
            {
                ImageLocation location = ImageLocation.Parse(source);
                string full = Path.Combine(folder, location.Path) + (location.Split is string split ? $"#{split}" : "");
                string itself = Path.GetFullPath(path);
                if (Path.GetFullPath(Path.Combine(folder, location.Path)) == itself || LabelList.IsOne(location.Path))
                {
                    throw new ImageException(path, $"expected sources that are no lists, found {source}");
                }

                opened[source] = entries = ImageSource.Images(full, SplitUse.Photos, labels: false).Entries
                    .ToDictionary(entry => entry.Name, StringComparer.Ordinal);
            }

            yield return entries.TryGetValue(row.Image, out ImageEntry? found)
                ? found.Renamed($"{source}/{row.Image}", label(row))
                : throw new ImageException(path, $"{row.Image} is not in {source}: the data set is not the one that the list was made of");
        }
    }
}
