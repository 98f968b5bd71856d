using System.IO.Enumeration;

namespace SnapViT.Data;

/// <summary>
/// Walks a folder and its sub-folders for photos. Every real file is found once, and a linked folder is followed once, after everything
/// that is there without a link, so that loops end and names do not depend on links where they need not. What is no photo is counted by its
/// kind.
/// </summary>
internal sealed class FolderScan
{
    /// <summary>The formats that are read, for messages.</summary>
    public const string Formats = "JPEG, PNG, WebP or BMP";

    private const int MostLinks = 40;

    private static readonly HashSet<string> Photos = new(StringComparer.OrdinalIgnoreCase)
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp",
    };

    private static readonly HashSet<string> OtherImages = new(StringComparer.OrdinalIgnoreCase)
    {
        ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".ico", ".svg",
        ".psd", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".dng",
        ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw", ".exr", ".hdr", ".dcm",
    };

    private static readonly HashSet<string> SystemNames = new(StringComparer.OrdinalIgnoreCase)
    {
        "__MACOSX", ".DS_Store", ".AppleDouble", ".Spotlight-V100", ".Trashes", ".fseventsd", "Thumbs.db", "ehthumbs.db",
        "desktop.ini", "$RECYCLE.BIN",
        "System Volume Information", "lost+found", "@eaDir", "#recycle", "#snapshot", "__pycache__",
    };

    private static readonly EnumerationOptions Everything = new()
    {
        AttributesToSkip = 0,
        IgnoreInaccessible = false,
        ReturnSpecialDirectories = false,
    };

    private readonly List<Photo> _photos = [];
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _topFolders = new(StringComparer.Ordinal);
    private readonly Queue<(string Real, string Name)> _links = [];
    private readonly Dictionary<(LeftOutKind Kind, string What), (int Count, string Example)> _leftOut = [];
    private HashSet<string>? _files;

    private FolderScan()
    {
    }

    /// <summary>The photos, in ordinal order of their names.</summary>
    public IReadOnlyList<Photo> Found { get; private set; } = [];

    /// <summary>Names of the folders directly below the root that were walked, in ordinal order.</summary>
    public IReadOnlyCollection<string> TopFolders => _topFolders;

    /// <summary>What is not among the photos, by kind.</summary>
    public IReadOnlyList<LeftOut> LeftOut =>
        [.. _leftOut.Select(row => new LeftOut(row.Key.Kind, row.Key.What, row.Value.Count, row.Value.Example))
            .OrderBy(row => row.Kind).ThenBy(row => row.What, StringComparer.Ordinal)];

    /// <summary>Whether a name is that of a photo that can be read.</summary>
    public static bool IsPhoto(string name) => Photos.Contains(Path.GetExtension(name));

    /// <summary>Walks a folder.</summary>
    /// <exception cref="ImageException">There is no such folder, or it may not be read.</exception>
    public static FolderScan Of(string path)
    {
        if (!Directory.Exists(path))
        {
            throw new ImageException(path, File.Exists(path) ? "expected a folder of images, found a file" : "there is no such folder");
        }

        FolderScan scan = new();
        string root = RealPath(Path.GetFullPath(path))
            ?? throw new ImageException(path, "expected a folder of images, found links without an end");
        if (!scan.Walk(root, "", root))
        {
            throw new ImageException(path, "the folder may not be read");
        }

        while (scan._links.TryDequeue(out (string Real, string Name) link))
        {
            scan.Follow(link.Real, link.Name);
        }

        scan.Found = [.. scan._photos.OrderBy(photo => photo.Name, StringComparer.Ordinal)];
        return scan;
    }

    /// <summary>Walks a folder that was not walked yet; whether it could be read.</summary>
    /// <param name="folder">Where it is, for opening files.</param>
    /// <param name="name">Its name below the root; empty for the root.</param>
    /// <param name="real">Its path without links.</param>
    private bool Walk(string folder, string name, string real)
    {
        if (!_folders.Add(real))
        {
            Leave(LeftOutKind.Repeated, "links to what is there already", name);
            return true;
        }

        Entry[] entries;
        try
        {
            entries = [.. new FileSystemEnumerable<Entry>(folder, (ref FileSystemEntry entry) => new Entry(ref entry), Everything)
                .OrderBy(entry => entry.Name, StringComparer.Ordinal)];
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or IOException)
        {
            Leave(LeftOutKind.Unreadable, "folders that may not be read", name);
            return false;
        }

        if (name.Length > 0 && !name.Contains('/', StringComparison.Ordinal))
        {
            _topFolders.Add(name);
        }

        foreach (Entry entry in entries)
        {
            Take(entry, Path.Combine(real, entry.Name), name.Length == 0 ? entry.Name : $"{name}/{entry.Name}");
        }

        return true;
    }

    private void Take(Entry entry, string real, string name)
    {
        if (SystemNames.Contains(entry.Name) || entry.Name.StartsWith("._", StringComparison.Ordinal))
        {
            Leave(LeftOutKind.System, "entries of a system or a tool", name);
        }
        else if (entry.IsHidden)
        {
            Leave(LeftOutKind.Hidden, "hidden entries", name);
        }
        else if (entry.IsLink)
        {
            _links.Enqueue((real, name));
        }
        else if (entry.IsFolder)
        {
            Walk(real, name, real);
        }
        else
        {
            TakeFile(real, name);
        }
    }

    private void TakeFile(string real, string name)
    {
        string extension = Path.GetExtension(name).ToLowerInvariant();
        if (IsPhoto(name))
        {
            _files?.Add(real);
            _photos.Add(new Photo(name, real));
        }
        else if (OtherImages.Contains(extension))
        {
            Leave(LeftOutKind.Format, $"{extension} images, of no format that is read ({Formats})", name);
        }
        else
        {
            Leave(LeftOutKind.NoImage, "files that are no images", name);
        }
    }

    private void Follow(string link, string name)
    {
        string? real = RealPath(link);
        if (real is null || !Path.Exists(real))
        {
            Leave(
                real is null ? LeftOutKind.Repeated : LeftOutKind.BrokenLink,
                real is null ? "links without an end" : "links to nothing", name);
        }
        else if (Directory.Exists(real))
        {
            Walk(real, name, real);
        }
        else if ((_files ??= [.. _photos.Select(photo => photo.File)]).Contains(real))
        {
            Leave(LeftOutKind.Repeated, "links to what is there already", name);
        }
        else
        {
            TakeFile(real, name);
        }
    }

    private void Leave(LeftOutKind kind, string what, string name)
    {
        (int count, string example) = _leftOut.GetValueOrDefault((kind, what), (0, name));
        _leftOut[(kind, what)] = (count + 1, string.CompareOrdinal(name, example) < 0 ? name : example);
    }

    /// <summary>A path without links in it; null where links have no end.</summary>
    private static string? RealPath(string path)
    {
        int links = MostLinks;
        return RealPath("", path, ref links);
    }

    private static string? RealPath(string from, string path, ref int links)
    {
        string root = Path.GetPathRoot(path) ?? "";
        string current = root.Length > 0 ? root : from;
        foreach (string part in path[root.Length..].Split(
            [Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries))
        {
            string next = part == "." ? current : part == ".." ? Path.GetDirectoryName(current) ?? current : Path.Combine(current, part);
            if (part is not ("." or "..") && new FileInfo(next).LinkTarget is string target)
            {
                if (--links < 0 || RealPath(current, target, ref links) is not string real)
                {
                    return null;
                }

                next = real;
            }

            current = next;
        }

        return current;
    }

    /// <summary>A photo that was found.</summary>
    /// <param name="Name">Its name below the root, with forward slashes.</param>
    /// <param name="File">Where it is, without links.</param>
    internal readonly record struct Photo(string Name, string File)
    {
        /// <summary>The folder directly below the root that it is in; null for a photo beside the folders.</summary>
        public string? Folder => Name.IndexOf('/', StringComparison.Ordinal) is int slash and > 0 ? Name[..slash] : null;
    }

    private readonly struct Entry(ref FileSystemEntry entry)
    {
        public string Name { get; } = entry.FileName.ToString();

        public bool IsFolder { get; } = entry.IsDirectory;

        public bool IsLink { get; } = entry.Attributes.HasFlag(FileAttributes.ReparsePoint);

        public bool IsHidden { get; } = entry.IsHidden;
    }
}
