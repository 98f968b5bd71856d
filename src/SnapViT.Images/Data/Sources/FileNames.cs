namespace SnapViT.Data.Sources;

/// <summary>What names of files say: photos that can be read, other images, and what systems and tools leave behind.</summary>
internal static class FileNames
{
    /// <summary>The formats that are read, for messages.</summary>
    public const string Formats = "JPEG, PNG, WebP, BMP or TIFF";

    private const string SystemEntries = "entries of a system or a tool";
    private const string HiddenEntries = "hidden entries";

    private static readonly HashSet<string> Photos = new(StringComparer.OrdinalIgnoreCase)
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff",
    };

    private static readonly HashSet<string> OtherImages = new(StringComparer.OrdinalIgnoreCase)
    {
        ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".ico", ".svg",
        ".psd", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".dng",
        ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw", ".exr", ".hdr", ".dcm",
    };

    private static readonly HashSet<string> SystemNames = new(StringComparer.OrdinalIgnoreCase)
    {
        "__MACOSX", ".DS_Store", ".AppleDouble", ".Spotlight-V100", ".Trashes", ".fseventsd", "Thumbs.db", "ehthumbs.db",
        "desktop.ini", "$RECYCLE.BIN",
        "System Volume Information", "lost+found", "@eaDir", "#recycle", "#snapshot", "__pycache__",
    };

    /// <summary>Whether a name is that of a photo that can be read.</summary>
    public static bool IsPhoto(string name) => Photos.Contains(Path.GetExtension(name));

    /// <summary>A name without the extension of a photo, or as it is.</summary>
    public static string Stem(string name) => IsPhoto(name) ? name[..^Path.GetExtension(name).Length] : name;

    /// <summary>A name without an extension, whatever its case, or as it is.</summary>
    public static string Stem(string name, string extension) =>
        name.EndsWith(extension, StringComparison.OrdinalIgnoreCase) ? name[..^extension.Length] : name;

    /// <summary>Why an entry of a folder is passed over by its name; null where it is not.</summary>
    /// <param name="entry">The name without folders.</param>
    /// <param name="isHidden">Whether the system hides it.</param>
    /// <param name="name">Its path below the root.</param>
    public static LeftOutItem? PassedOver(string entry, bool isHidden, string name) =>
        SystemNames.Contains(entry) || entry.StartsWith("._", StringComparison.Ordinal)
            ? new LeftOutItem(LeftOutKind.System, SystemEntries, name)
            : isHidden ? new LeftOutItem(LeftOutKind.Hidden, HiddenEntries, name) : null;

    /// <summary>The photos of a tree, and why its other files are none.</summary>
    public static (IReadOnlyList<TreeFile> Photos, IReadOnlyList<LeftOutItem> Others) PhotosOf(FileTree tree) =>
    (
        [.. tree.Files.Where(file => IsPhoto(file.Name))],
        [.. tree.Files.Where(file => !IsPhoto(file.Name)).Select(file => NoPhoto(file.Name))]);

    /// <summary>The tree of an archive: what is hidden or a system's is passed over, as in a folder.</summary>
    public static FileTree Archive(
        string path, IEnumerable<TreeFile> files, IEnumerable<string> folders, IEnumerable<LeftOutItem> leftOut)
    {
        Dictionary<string, LeftOutItem> passedOver = new(StringComparer.Ordinal);
        TreeFile[] seen = [.. files.Where(file => IsSeen(file.Name))];
        return new FileTree(path, seen, folders.Where(IsSeen), [.. leftOut, .. passedOver.Values]);

        bool IsSeen(string name)
        {
            for (int begin = 0; begin < name.Length;)
            {
                int end = name.IndexOf('/', begin) is int slash and >= 0 ? slash : name.Length;
                if (PassedOver(name[begin..end], name[begin] == '.', name[..end]) is LeftOutItem item)
                {
                    passedOver[item.Name] = item;
                    return false;
                }

                begin = end + 1;
            }

            return true;
        }
    }

    private static LeftOutItem NoPhoto(string name)
    {
        string extension = Path.GetExtension(name).ToLowerInvariant();
        return OtherImages.Contains(extension)
            ? new LeftOutItem(LeftOutKind.Format, $"{extension} images, of no format that is read ({Formats})", name)
            : new LeftOutItem(LeftOutKind.NoImage, "files that are no images", name);
    }
}
