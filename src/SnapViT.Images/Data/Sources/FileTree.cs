namespace SnapViT.Data.Sources;

/// <summary>A file of a tree.</summary>
/// <param name="name">Its path below the root of the tree, with forward slashes.</param>
/// <param name="location">Where it is, for messages.</param>
/// <param name="bytes">Its content.</param>
internal sealed class TreeFile(string name, string location, SourceBytes bytes)
{
    /// <summary>Its path below the root of the tree, with forward slashes.</summary>
    public string Name => name;

    /// <summary>Where it is, for messages: the full path of a file, else what the archive says.</summary>
    public string Location => location;

    /// <summary>Its content.</summary>
    public SourceBytes Bytes => bytes;

    /// <summary>The folder directly below the root that it is in; null for a file beside the folders.</summary>
    public string? TopFolder => name.IndexOf('/', StringComparison.Ordinal) is int slash and > 0 ? name[..slash] : null;

    /// <summary>Its name without folders.</summary>
    public string FileName => name[(name.LastIndexOf('/') + 1)..];

    /// <summary>All of its bytes, where they are not too many.</summary>
    /// <exception cref="ImageException">They are more, or cut short.</exception>
    public byte[] ReadAll(int most)
    {
        try
        {
            return bytes.ReadAll(most);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw new ImageException(location, exception.Message);
        }
    }

    /// <summary>Its lines of text, where they are not too many.</summary>
    /// <exception cref="ImageException">It is larger than a list would be, or cut short.</exception>
    public string[] ReadLines()
    {
        const int mostText = 64 << 20;
        using StreamReader reader = new(new MemoryStream(ReadAll(mostText)));
        List<string> lines = [];
        while (reader.ReadLine() is string line)
        {
            lines.Add(line);
        }

        return [.. lines];
    }
}

/// <summary>Something of a tree that is not read.</summary>
/// <param name="Kind">Why.</param>
/// <param name="What">What it is, in a few words.</param>
/// <param name="Name">Its path below the root.</param>
internal readonly record struct LeftOutItem(LeftOutKind Kind, string What, string Name)
{
    /// <summary>The items by kind, counted.</summary>
    public static IReadOnlyList<LeftOut> Rows(IEnumerable<LeftOutItem> items) =>
    [
        .. items.GroupBy(item => (item.Kind, item.What))
            .Select(group => new LeftOut(
                group.Key.Kind, group.Key.What, group.Count(), group.Select(item => item.Name).Min(StringComparer.Ordinal)!))
            .OrderBy(row => row.Kind).ThenBy(row => row.What, StringComparer.Ordinal),
    ];
}

/// <summary>
/// Files below one root, whatever holds them: a folder, a tar or zip archive, or a part of one. The order and the names are the same for
/// all of them.
/// </summary>
internal sealed class FileTree
{
    private readonly Lazy<Dictionary<string, TreeFile>> _byName;

    /// <summary>A tree.</summary>
    /// <param name="path">The path that was opened, for messages.</param>
    /// <param name="files">The files.</param>
    /// <param name="folders">Paths of folders, of empty ones too; those of files need not be there.</param>
    /// <param name="leftOut">What is there and not among the files.</param>
    public FileTree(
        string path, IEnumerable<TreeFile> files, IEnumerable<string>? folders = null, IEnumerable<LeftOutItem>? leftOut = null)
    {
        Path = path;
        Files = [.. files.OrderBy(file => file.Name, StringComparer.Ordinal)];
        Folders = [.. folders ?? []];
        LeftOut = [.. leftOut ?? []];
        TopFolders =
        [
            .. Folders.Select(folder => folder.Split('/', 2)[0]).Concat(Files.Select(file => file.TopFolder).OfType<string>())
                .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal),
        ];
        _byName = new(() => Files.ToDictionary(file => file.Name, StringComparer.Ordinal));
    }

    /// <summary>The path that was opened, for messages.</summary>
    public string Path { get; }

    /// <summary>The files, in ordinal order of their names.</summary>
    public IReadOnlyList<TreeFile> Files { get; }

    /// <summary>Paths of folders, of empty ones too.</summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>Names of the folders directly below the root, in ordinal order.</summary>
    public IReadOnlyList<string> TopFolders { get; }

    /// <summary>What is there and not among the files, one by one.</summary>
    public IReadOnlyList<LeftOutItem> LeftOut { get; }

    /// <summary>A file by its path below the root; null for none.</summary>
    public TreeFile? Find(string name) => _byName.Value.GetValueOrDefault(name);

    /// <summary>The part of the tree in a folder, with names below that folder; empty where there is no such folder.</summary>
    public FileTree Below(string folder)
    {
        string start = folder + "/";
        return new FileTree(
            $"{Path}/{folder}",
            Files.Where(file => Starts(file.Name)).Select(file => new TreeFile(file.Name[start.Length..], file.Location, file.Bytes)),
            Folders.Where(Starts).Select(name => name[start.Length..]),
            LeftOut.Where(item => Starts(item.Name)).Select(item => item with { Name = item.Name[start.Length..] }));

        bool Starts(string name) => name.StartsWith(start, StringComparison.Ordinal);
    }

    /// <summary>The tree without folders that all of it is in, as archives have one.</summary>
    public FileTree Unwrapped() => TopFolders.Count == 1 && Files.All(file => file.TopFolder is not null) && Files.Count > 0
        ? Below(TopFolders[0]).Unwrapped()
        : this;
}
