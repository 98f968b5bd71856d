using System.IO.Enumeration;

namespace SnapViT.Data.Sources;

/// <summary>What somebody wrote where images are wanted: <c>[NAME=]PATH[#SPLIT]</c>.</summary>
/// <param name="Name">A name for the images, for tables and lists; null for none.</param>
/// <param name="Path">A file, a folder, or a pattern such as <c>data/train-*.parquet</c>.</param>
/// <param name="Split">The part of the data set, such as <c>test</c>; null for the one that is meant as a rule.</param>
internal sealed record ImageLocation(string? Name, string Path, string? Split)
{
    /// <summary>Whether the path is a pattern for files of one folder.</summary>
    public bool IsPattern => IsPatternOf(Path) && !System.IO.Path.Exists(Path);

    /// <summary>Reads it. A file that has such a name as a whole is that file.</summary>
    public static ImageLocation Parse(string text)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        string? name = null, split = null;
        string path = text;
        if (!System.IO.Path.Exists(path) && path.IndexOf('=', StringComparison.Ordinal) is int equals and > 0
            && path.AsSpan(0, equals).IndexOfAnyExcept(NameCharacters) < 0 && equals < path.Length - 1)
        {
            (name, path) = (path[..equals], path[(equals + 1)..]);
        }

        if (!System.IO.Path.Exists(path) && path.LastIndexOf('#') is int hash and > 0 && hash < path.Length - 1)
        {
            (path, split) = (path[..hash], path[(hash + 1)..]);
        }

        return new ImageLocation(name, path, split);
    }

    /// <summary>The files that a pattern means, in ordinal order.</summary>
    /// <exception cref="ImageException">There is none, or the pattern is for folders.</exception>
    public IReadOnlyList<string> Files()
    {
        string folder = System.IO.Path.GetDirectoryName(Path) ?? "";
        string pattern = System.IO.Path.GetFileName(Path);
        string[] files = IsPatternOf(folder) ? throw new ImageException(Path, "expected '*' in the name of files, found it in a folder")
            : !Directory.Exists(folder.Length == 0 ? "." : folder) ? throw new ImageException(Path, $"there is no folder '{folder}'")
            :
            [
                .. Directory.EnumerateFiles(folder.Length == 0 ? "." : folder)
                    .Where(file => FileSystemName.MatchesSimpleExpression(pattern, System.IO.Path.GetFileName(file), ignoreCase: false))
                    .Order(StringComparer.Ordinal),
            ];
        return files.Length > 0 ? files : throw new ImageException(Path, "there is no such file");
    }

    private static readonly System.Buffers.SearchValues<char> NameCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");

    private static bool IsPatternOf(string path) => path.AsSpan().IndexOfAny('*', '?') >= 0;
}
