namespace SnapViT.Data;

/// <summary>A list of classes: line n (from 0) holds the identifier of class n, then its names.</summary>
public sealed class LabelFile
{
    private readonly Dictionary<string, int> _classes = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    private LabelFile(string path) => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The names of every class, by index.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Reads a list of classes.</summary>
    /// <param name="path">A text file with lines <c>identifier names</c>, such as <c>n01440764 tench, Tinca tinca</c>.</param>
    /// <exception cref="FormatException">A line is empty, or an identifier stands twice; the message names the line.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static LabelFile Read(string path)
    {
        LabelFile labels = new(path);
        foreach (string line in File.ReadAllLines(path))
        {
            string[] parts = line.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length == 0 || !labels._classes.TryAdd(parts[0], labels._names.Count))
            {
                throw new FormatException(
                    $"{path}: line {labels._names.Count + 1}: expected 'identifier names' with an identifier of its own, found '{line}'");
            }

            labels._names.Add(parts.Length > 1 ? parts[1] : parts[0]);
        }

        return labels._names.Count > 0 ? labels : throw new FormatException($"{path}: expected one class per line, found an empty file");
    }

    /// <summary>Class index of an identifier, or null.</summary>
    public int? Find(string identifier) => _classes.TryGetValue(identifier, out int label) ? label : null;
}
