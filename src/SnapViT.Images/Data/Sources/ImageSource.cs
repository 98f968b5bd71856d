namespace SnapViT.Data.Sources;

/// <summary>A way in which images and their labels lie in files.</summary>
internal interface IImageLayout
{
    /// <summary>What it is called, for messages and tables.</summary>
    string Name { get; }

    /// <summary>The parts of a data set of this layout; null for a tree of another one. Reads no image and no label.</summary>
    /// <exception cref="ImageException">It is of this layout, but damaged.</exception>
    IReadOnlyList<ImageSplit>? Open(FileTree tree);
}

/// <summary>Opens data sets in place, as people have them: one table of containers, one of layouts.</summary>
internal static class ImageSource
{
    /// <summary>All layouts; the first that recognises a tree opens it.</summary>
    private static readonly IImageLayout[] Layouts =
    [
        new CifarBinary(), new CifarPython(), new DescribableTextures(), new Aircraft(), new Pets(), new Caltech(), new ImageNet(),
        new ParquetImages(), new WebDataset(), new ListFile(), new ListedFolders(), new SplitFolders(), new ClassFolders(),
    ];

    /// <summary>Recognises what a path holds.</summary>
    /// <param name="text"><c>[NAME=]PATH[#SPLIT]</c>.</param>
    /// <param name="list">A list that somebody gave to tell the classes of photos; null for none.</param>
    /// <exception cref="ImageException">There is no such thing, or it is of no format that is read.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ImageData Open(string text, LabelFile? list = null)
    {
        ImageLocation location = ImageLocation.Parse(text);
        bool isFile = !location.IsPattern && File.Exists(location.Path);
        FileTree? archive = isFile ? ArchiveTree.Of(location.Path, new FileBytes(location.Path)) : null;
        FileTree tree = archive
            ?? (location.IsPattern ? new FileTree(location.Path, location.Files().Select(OfFile))
                : isFile ? new FileTree(location.Path, [OfFile(location.Path)])
                : FolderTree.Read(location.Path));
        bool hasPhotos = archive is not null || !isFile || FileNames.IsPhoto(location.Path);
        foreach (IImageLayout layout in Layouts.Where(layout => IsOfPhotos(layout) ? hasPhotos : list is null))
        {
            if (layout.Open(tree) is IReadOnlyList<ImageSplit> splits)
            {
                return new ImageData(location, layout.Name, splits);
            }
        }

        throw new ImageException(location.Path, "expected a folder of images, an archive or a data set, found a file of another kind");
    }

    /// <summary>The images of the split that is named, or that is meant where none is.</summary>
    /// <inheritdoc cref="Open"/>
    /// <param name="text"><c>[NAME=]PATH[#SPLIT]</c>.</param>
    /// <param name="use">What they are wanted for.</param>
    /// <param name="labels">Whether labels are needed.</param>
    /// <param name="list">A list that somebody gave to tell the classes of photos; null for none.</param>
    public static ImageSet Images(string text, SplitUse use, bool labels, LabelFile? list = null) =>
        Open(text, list).Choose(use).Open(new Wanted(labels, list));

    private static TreeFile OfFile(string path) => new(Path.GetFileName(path), path, new FileBytes(path));

    private static bool IsOfPhotos(IImageLayout layout) => layout is SplitFolders or ClassFolders;
}

/// <summary>Recognises archives by their first bytes.</summary>
internal static class ArchiveTree
{
    private const int Examined = 512;

    private static readonly (byte[] Start, string What)[] Refused =
    [
        ([0x28, 0xb5, 0x2f, 0xfd], "a zstd file: decompress it first (unzstd)"),
        ([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0], "an xz file: decompress it first (unxz)"),
        ([.. "BZh"u8], "a bzip2 file: decompress it first (bunzip2)"),
        ([(byte)'7', (byte)'z', 0xbc, 0xaf, 0x27, 0x1c], "a 7z archive: unpack it first"),
        ([.. "Rar!"u8], "a RAR archive: unpack it first"),
        ([0x89, .. "HDF"u8], "an HDF5 file, which is not read"),
        ([.. "version https://git-lfs"u8], "a Git LFS pointer, which stands for the file: run 'git lfs pull' in its folder"),
    ];

    /// <summary>The files of an archive, without the one folder that all of them are in; null for a file that is no archive.</summary>
    /// <param name="path">Where it is, for messages.</param>
    /// <param name="bytes">The archive.</param>
    /// <exception cref="ImageException">It is damaged, or of a kind that is not read.</exception>
    public static FileTree? Of(string path, SourceBytes bytes)
    {
        byte[] start = bytes.Start(Examined);
        if (start.Length == 0)
        {
            throw new ImageException(path, "expected images or a data set, found an empty file");
        }

        if (start.AsSpan().StartsWith("PK"u8))
        {
            return bytes is FileBytes file
                ? ZipTree.Read(path, file).Unwrapped()
                : throw new ImageException(path, "a zip archive inside another archive is not read: unpack the outer one first");
        }

        if (TarTree.Begins(start))
        {
            return TarTree.Read(path, bytes).Unwrapped();
        }

        if (start.AsSpan().StartsWith<byte>([0x1f, 0x8b]))
        {
            InflatedBytes inflated = new(path, bytes, isGzip: true);
            return TarTree.Begins(inflated.Start(Examined))
                ? TarTree.Read(path, inflated).Unwrapped()
                : throw new ImageException(path, "expected a tar archive in the gzip file, found another file");
        }

        return Refused.FirstOrDefault(row => start.AsSpan().StartsWith(row.Start)).What is string what
            ? throw new ImageException(path, $"expected images or a data set, found {what}")
            : null;
    }
}
