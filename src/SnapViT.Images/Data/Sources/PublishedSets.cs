namespace SnapViT.Data.Sources;

/// <summary>The Describable Textures Dataset: class folders, and lists of ten partitions into train, val and test.</summary>
internal sealed class DescribableTextures : IImageLayout
{
    private const int Partitions = 10;
    private static readonly string[] Splits = ["train", "val", "test"];

    /// <inheritdoc/>
    public string Name => "DTD";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        FileTree files = tree.Unwrapped();
        if (files.Find("labels/train1.txt") is null || !files.TopFolders.Contains("images"))
        {
            return null;
        }

        Lazy<FileTree> images = new(() => files.Below("images"));
        return
        [
            .. from partition in Enumerable.Range(1, Partitions)
               from split in Splits
               let list = files.Find($"labels/{split}{partition}.txt")
               where list is not null
               select new ImageSplit(
                   partition == 1 ? split : $"{split}{partition}", wanted => Images(files.Path, images.Value, list, wanted)),
        ];
    }

    private static ImageSet Images(string path, FileTree images, TreeFile list, Wanted wanted)
    {
        IReadOnlyList<string> classes = wanted.Labels ? images.TopFolders : [];
        return LabelList.Images(
            path,
            [
                .. LabelList.Read(list).Select(row => (row.Image, images.Find(row.Image), wanted.Labels
                    ? Published.Class(list, classes, row.Image.Split('/')[0])
                    : (int?)null)),
            ],
            classes,
            inOrder: true);
    }
}

/// <summary>FGVC-Aircraft: photos by number, and lists of their variants for each split.</summary>
internal sealed class Aircraft : IImageLayout
{
    private static readonly string[] Splits = ["train", "val", "trainval", "test"];

    /// <inheritdoc/>
    public string Name => "FGVC-Aircraft";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        FileTree files = tree.Unwrapped();
        files = files.Find("data/images_variant_train.txt") is not null ? files.Below("data") : files;
        string[] splits = [.. Splits.Where(split => files.Find($"images_variant_{split}.txt") is not null)];
        return splits.Length == 0 || !files.TopFolders.Contains("images")
            ? null
            : [.. splits.Select(split => new ImageSplit(split, wanted => Images(files, split, wanted)))];
    }

    private static ImageSet Images(FileTree files, string split, Wanted wanted)
    {
        TreeFile variants = files.Find($"images_variant_{split}.txt")!;
        TreeFile list = wanted.Labels ? variants : files.Find($"images_{split}.txt") ?? variants;
        string[] lines = [.. list.ReadLines().Where(line => line.Length > 0)];
        string[] classes = !wanted.Labels ? []
            : files.Find("variants.txt") is TreeFile names ? Cifar.Classes(names)
            : [.. lines.Select(Rest).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return LabelList.Images(
            files.Path,
            [
                .. lines.Select(line => (First(line), files.Find($"images/{First(line)}.jpg"), wanted.Labels
                    ? Published.Class(variants, classes, Rest(line))
                    : (int?)null)),
            ],
            classes,
            inOrder: true);
    }

    private static string First(string line) => line.Split(' ', 2)[0];

    private static string Rest(string line) => line.Split(' ', 2) is [_, string rest] ? rest.Trim() : "";
}

/// <summary>Oxford-IIIT Pets: photos named by their breed, and lists of trainval and test; as folders or as the two archives.</summary>
internal sealed class Pets : IImageLayout
{
    private static readonly string[] Splits = ["trainval", "test"];

    /// <inheritdoc/>
    public string Name => "Oxford-IIIT Pets";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        FileTree files = tree.Unwrapped();
        if (!Published.Has(files, "images") || !Published.Has(files, "annotations")
            || (files.TopFolders.Contains("annotations") && files.Find("annotations/trainval.txt") is null))
        {
            return null;
        }

        FileTree annotations = Published.Part(files, "annotations")!;
        Lazy<FileTree> images = new(() => Published.Part(files, "images")!);
        return annotations.Find("trainval.txt") is null ? null
            :
            [
                .. from split in Splits
                   let list = annotations.Find($"{split}.txt")
                   where list is not null
                   select new ImageSplit(split, wanted => Images(files.Path, images.Value, list, wanted)),
            ];
    }

    private static ImageSet Images(string path, FileTree images, TreeFile list, Wanted wanted)
    {
        string[][] lines = [.. list.ReadLines().Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' '))];
        Dictionary<int, string> breeds = [];
        foreach (string[] line in wanted.Labels ? lines : [])
        {
            int number = line.Length > 1 && ClassNames.NumberOf(line[1]) is int told and > 0
                ? told
                : throw new ImageException(
                    list.Location, $"expected 'photo class ...' with a class from 1, found '{string.Join(' ', line)}'");
            string breed = line[0][..Math.Max(0, line[0].LastIndexOf('_'))];
            if (!breeds.TryAdd(number - 1, breed) && breeds[number - 1] != breed)
            {
                throw new ImageException(list.Location, $"{line[0]}: expected class {number} to be {breeds[number - 1]}");
            }
        }

        string[] classes = [.. Enumerable.Range(0, breeds.Count).Select(label => breeds.GetValueOrDefault(label)
            ?? throw new ImageException(list.Location, $"expected classes 1 to {breeds.Count}, found no {label + 1}"))];
        return LabelList.Images(
            path,
            [
                .. lines.Select(line =>
                    (line[0], images.Find($"{line[0]}.jpg"), wanted.Labels ? ClassNames.NumberOf(line[1]) - 1 : null)),
            ],
            classes,
            inOrder: true);
    }
}

/// <summary>
/// Caltech-101: class folders beside one of images that belong to no class; as folders, an archive, or an archive in a zip.
/// </summary>
internal sealed class Caltech : IImageLayout
{
    private const string Objects = "101_ObjectCategories";
    private const string Background = "BACKGROUND_Google";

    /// <inheritdoc/>
    public string Name => "Caltech-101";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        FileTree files = tree.Unwrapped();
        FileTree? objects = files.TopFolders.Contains(Background) ? files : Published.Part(files, Objects);
        return objects is null ? null : [new ImageSplit(ImageSplit.All, _ => Images(objects))];
    }

    private static ImageSet Images(FileTree objects)
    {
        LeftOutItem[] background =
        [
            .. objects.Files.Where(file => file.TopFolder == Background)
                .Select(file => new LeftOutItem(LeftOutKind.NoLabel, "background images, which are of no class", file.Name)),
        ];
        return ClassFolders.Photos(new FileTree(
            objects.Path, objects.Files.Where(file => file.TopFolder != Background), [], [.. objects.LeftOut, .. background]));
    }
}

/// <summary>What layouts of published data sets have in common.</summary>
internal static class Published
{
    private static readonly string[] Ends = [".tar.gz", ".tgz", ".tar", ".zip"];

    /// <summary>Whether a folder is there, as such or as an archive.</summary>
    public static bool Has(FileTree files, string folder) =>
        files.TopFolders.Contains(folder) || Ends.Any(end => files.Find(folder + end) is not null);

    /// <summary>A folder, or the archive of it; null where neither is there.</summary>
    public static FileTree? Part(FileTree files, string folder) => files.TopFolders.Contains(folder)
        ? files.Below(folder)
        : Ends.Select(end => files.Find(folder + end)).FirstOrDefault(file => file is not null) is TreeFile archive
            ? ArchiveTree.Of(archive.Location, archive.Bytes)
            : null;

    /// <summary>The index of a class.</summary>
    /// <exception cref="ImageException">There is no such class.</exception>
    public static int Class(TreeFile list, IReadOnlyList<string> classes, string name)
    {
        for (int i = 0; i < classes.Count; i++)
        {
            if (classes[i] == name)
            {
                return i;
            }
        }

        throw new ImageException(list.Location, $"expected one of {classes.Count} classes, found '{name}'");
    }
}
