using System.IO.Enumeration;

namespace SnapViT.Data.Sources;

/// <summary>
/// Walks a folder and its sub-folders. Every real file is found once, and a linked folder is followed once, after everything that is there
/// without a link, so that loops end and names do not depend on links where they need not.
/// </summary>
internal sealed class FolderTree
{
    private const int MostLinks = 40;

    private static readonly EnumerationOptions Everything = new()
    {
        AttributesToSkip = 0,
        IgnoreInaccessible = false,
        ReturnSpecialDirectories = false,
    };

    private readonly List<(string Name, string Real)> _found = [];
    private readonly HashSet<string> _walked = new(StringComparer.Ordinal);
    private readonly List<string> _folders = [];
    private readonly Queue<(string Real, string Name)> _links = [];
    private readonly List<LeftOutItem> _leftOut = [];
    private HashSet<string>? _files;

    private FolderTree()
    {
    }

    /// <summary>Walks a folder.</summary>
    /// <exception cref="ImageException">There is no such folder, or it may not be read.</exception>
    public static FileTree Read(string path)
    {
        if (!Directory.Exists(path))
        {
            throw new ImageException(path, File.Exists(path) ? "expected a folder of images, found a file" : "there is no such folder");
        }

        FolderTree scan = new();
        string full = Path.GetFullPath(path);
        string root = RealPath(full)
            ?? throw new ImageException(path, "expected a folder of images, found links without an end");
        if (!scan.Walk(root, "", root))
        {
            throw new ImageException(path, "the folder may not be read");
        }

        while (scan._links.TryDequeue(out (string Real, string Name) link))
        {
            scan.Follow(link.Real, link.Name);
        }

        return new FileTree(
            path,
            scan._found.Select(file => new TreeFile(file.Name, Path.Combine(full, file.Name), new FileBytes(file.Real))),
            scan._folders,
            scan._leftOut);
    }

    /// <summary>Walks a folder that was not walked yet; whether it could be read.</summary>
    /// <param name="folder">Where it is, for opening files.</param>
    /// <param name="name">Its name below the root; empty for the root.</param>
    /// <param name="real">Its path without links.</param>
    private bool Walk(string folder, string name, string real)
    {
        if (!_walked.Add(real))
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

        if (name.Length > 0)
        {
            _folders.Add(name);
        }

        foreach (Entry entry in entries)
        {
            Take(entry, Path.Combine(real, entry.Name), name.Length == 0 ? entry.Name : $"{name}/{entry.Name}");
        }

        return true;
    }

    private void Take(Entry entry, string real, string name)
    {
        if (FileNames.PassedOver(entry.Name, entry.IsHidden, name) is LeftOutItem item)
        {
            _leftOut.Add(item);
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
        _files?.Add(real);
        _found.Add((name, real));
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
        else if ((_files ??= [.. _found.Select(file => file.Real)]).Contains(real))
        {
            Leave(LeftOutKind.Repeated, "links to what is there already", name);
        }
        else
        {
            TakeFile(real, name);
        }
    }

    private void Leave(LeftOutKind kind, string what, string name) => _leftOut.Add(new LeftOutItem(kind, what, name));

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

    private readonly struct Entry(ref FileSystemEntry entry)
    {
        public string Name { get; } = entry.FileName.ToString();

        public bool IsFolder { get; } = entry.IsDirectory;

        public bool IsLink { get; } = entry.Attributes.HasFlag(FileAttributes.ReparsePoint);

        public bool IsHidden { get; } = entry.IsHidden;
    }
}
