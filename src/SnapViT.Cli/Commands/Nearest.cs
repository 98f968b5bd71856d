namespace SnapViT.Cli.Commands;

/// <summary>What someone may have meant: the most similar of the names that exist.</summary>
internal static class Nearest
{
    private const int MostEntries = 10_000;
    private const int MostEdits = 3;
    private const int LettersPerEdit = 3;

    /// <summary>
    /// The name fewest letters away, where they are at most three and a third of the text (letters added, lost, changed or swapped with the
    /// next), else one that the text starts or that starts the text; null where none is near.
    /// </summary>
    public static string? Of(string text, IEnumerable<string> names)
    {
        string[] all = [.. names.Where(name => !name.Equals(text, StringComparison.Ordinal))];
        int most = Math.Clamp(text.Length / LettersPerEdit, 1, MostEdits);
        string? near = all.Select(name => (name, edits: Edits(text, name, most))).Where(row => row.edits <= most)
            .OrderBy(row => row.edits).ThenBy(row => row.name, StringComparer.Ordinal).FirstOrDefault().name;
        return near ?? all.Where(name => IsStart(text, name) || IsStart(name, text)).Order(StringComparer.Ordinal).FirstOrDefault();

        static bool IsStart(string start, string whole) =>
            start.TrimStart('-').Length >= LettersPerEdit && whole.StartsWith(start, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The path that exists and differs in the fewest letters of its first wrong part; null where none is near.</summary>
    public static string? Path(string path)
    {
        string trimmed = System.IO.Path.TrimEndingDirectorySeparator(path);
        string? folder = System.IO.Path.GetDirectoryName(trimmed);
        string name = System.IO.Path.GetFileName(trimmed);
        if (folder is null || name.Length == 0)
        {
            return null;
        }

        if (folder.Length > 0 && !Directory.Exists(folder))
        {
            if (Path(folder) is not string near || !Directory.Exists(near))
            {
                return null;
            }

            string inNear = System.IO.Path.Combine(near, name);
            return System.IO.Path.Exists(inNear) ? inNear : Path(inNear);
        }

        try
        {
            IEnumerable<string> entries = Directory.EnumerateFileSystemEntries(folder.Length == 0 ? "." : folder)
                .Take(MostEntries).Select(entry => System.IO.Path.GetFileName(entry));
            return Of(name, entries) is string found ? System.IO.Path.Combine(folder, found) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Letters to add, remove, change or swap with the next, whatever their case; above the most, any number above it.</summary>
    private static int Edits(string from, string to, int most)
    {
        if (Math.Abs(from.Length - to.Length) > most)
        {
            return most + 1;
        }

        int[,] edits = new int[from.Length + 1, to.Length + 1];
        for (int i = 0; i <= from.Length; i++)
        {
            for (int j = 0; j <= to.Length; j++)
            {
                edits[i, j] = i == 0 || j == 0 ? i + j : Least(i, j);
            }
        }

        return edits[from.Length, to.Length];

        int Least(int i, int j)
        {
            int least = Math.Min(Math.Min(edits[i - 1, j], edits[i, j - 1]) + 1, edits[i - 1, j - 1] + (Same(i, j) ? 0 : 1));
            return i > 1 && j > 1 && Same(i - 1, j) && Same(i, j - 1) ? Math.Min(least, edits[i - 2, j - 2] + 1) : least;
        }

        bool Same(int i, int j) => char.ToLowerInvariant(from[i - 1]) == char.ToLowerInvariant(to[j - 1]);
    }
}
