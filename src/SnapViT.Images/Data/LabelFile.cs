using SnapViT.Core.Errors;
using SnapViT.Data.Sources;

namespace SnapViT.Data;

/// <summary>
/// A text file that tells classes: a list of classes, whose line n (from 0) holds the identifier of class n, then its names; or lines
/// <c>photo.jpg class</c>; or one class number a line, for photos in their order.
/// </summary>
public sealed class LabelFile
{
    private static readonly char[] Separators = [' ', '\t', ',', ';'];

    private readonly Dictionary<string, int> _classes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int?> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _files = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    private LabelFile(string path) => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The names of every class, by index; empty for a file that gives photos their classes.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Whether the lines are photos with their classes.</summary>
    internal bool IsOfFiles => _files.Count > 0;

    /// <summary>The least and the greatest class number of the whole file, where it gives photos class numbers.</summary>
    internal (int Least, int Most)? NumberRange
    {
        get
        {
            int?[] numbers = [.. (IsOfFiles ? [.. _files.Values] : Numbers).Select(ClassNames.NumberOf)];
            return numbers.Length > 0 && numbers.All(number => number is not null) ? (numbers.Min()!.Value, numbers.Max()!.Value) : null;
        }
    }

    /// <summary>The number of every line, where every line is one; else empty.</summary>
    internal IReadOnlyList<string> Numbers { get; private set; } = [];

    /// <summary>Reads a file of labels.</summary>
    /// <param name="path">
    /// A text file, with lines such as <c>n01440764 tench, Tinca tinca</c> or <c>ILSVRC2012_val_00000001.JPEG 65</c>.
    /// </param>
    /// <exception cref="SnapViTException">A line is empty, or an identifier stands twice; the message names the line.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static LabelFile Read(string path)
    {
        LabelFile labels = new(path);
        string[] lines = File.ReadAllLines(path);
        int count = Array.FindLastIndex(lines, line => !string.IsNullOrWhiteSpace(line)) + 1;
        string[] used = [.. lines.Take(count).Select(line => line.Trim())];
        if (used.Length == 0)
        {
            throw new SnapViTException(ErrorKind.File, $"{path}: expected one class per line, found an empty file");
        }

        if (used.Any(line => FileNames.IsPhoto(First(line)) || First(line).StartsWith("ILSVRC2012_", StringComparison.Ordinal)))
        {
            labels.AddFiles(used);
            return labels;
        }

        labels.Numbers = used.All(line => ClassNames.NumberOf(line) is not null) ? used : [];
        labels.AddClasses(used);
        return labels;
    }

    /// <summary>Class index of an identifier, or null.</summary>
    public int? Find(string identifier) => _classes.TryGetValue(identifier, out int label) ? label : null;

    /// <summary>All names of a class: its identifier, its names together, and each of them.</summary>
    internal IEnumerable<string> NamesOf(int label) =>
        [.. _classes.Where(row => row.Value == label).Select(row => row.Key), .. ClassNames.Of(_names[label])];

    /// <summary>The class of a folder's name: an identifier, a name of one class only, or a class number; null where it is none.</summary>
    internal int? OfFolder(string folder) =>
        Find(folder)
        ?? (_byName.TryGetValue(ClassNames.Normal(folder), out int? label) ? label : null)
        ?? (ClassNames.NumberOf(folder) is int number && number < _names.Count ? number : null);

    /// <summary>
    /// The class of a photo by its name: the longest part before an underscore that is an identifier, else the part after the last one.
    /// </summary>
    internal int? OfPhoto(string name)
    {
        string stem = System.IO.Path.GetFileNameWithoutExtension(name);
        for (string? prefix = stem; prefix is not null; prefix = prefix.LastIndexOf('_') is int end and > 0 ? prefix[..end] : null)
        {
            if (Find(prefix) is int label)
            {
                return label;
            }
        }

        return Find(stem[(stem.LastIndexOf('_') + 1)..]);
    }

    /// <summary>What a file of photos says of a photo: a class number or a name; null where it is not in it.</summary>
    internal string? OfFile(string name) =>
        new[] { name, name[(name.LastIndexOf('/') + 1)..], System.IO.Path.GetFileNameWithoutExtension(name) }
            .Select(_files.GetValueOrDefault).FirstOrDefault(label => label is not null);

    private static string First(string line) => line.Split(Separators, 2)[0];

    private static string Rest(string line) => line.IndexOfAny(Separators) is int end and > 0 ? line[(end + 1)..].Trim(Separators) : "";

    private void AddFiles(string[] lines)
    {
        for (int i = 0; i < lines.Length; i++)
        {
            string label = First(Rest(lines[i]));
            bool isHeading = i == 0
                && !FileNames.IsPhoto(First(lines[i]))
                && !First(lines[i]).StartsWith("ILSVRC2012_", StringComparison.Ordinal);
            if (!isHeading && (label.Length == 0 || !_files.TryAdd(First(lines[i]), label)))
            {
                throw new SnapViTException(
                    ErrorKind.File, $"{Path}: line {i + 1}: expected 'photo class' with a photo of its own, found '{lines[i]}'");
            }
        }
    }

    private void AddClasses(string[] lines)
    {
        // Lists of names alone, such as "great white shark", start with the same word twice; identifiers with digits never should.
        bool areNames = Numbers.Count == 0 && lines.All(line => line.Length > 0)
            && lines.GroupBy(First).Any(group => group.Count() > 1) && !lines.Any(line => First(line).Any(char.IsDigit));
        for (int i = 0; i < lines.Length; i++)
        {
            string identifier = areNames ? lines[i] : First(lines[i]);
            if ((identifier.Length == 0 || !_classes.TryAdd(identifier, i)) && Numbers.Count == 0 && !areNames)
            {
                throw new SnapViTException(
                    ErrorKind.File,
                    $"{Path}: line {i + 1}: expected 'identifier names' with an identifier of its own, found '{lines[i]}'");
            }

            _names.Add(areNames || Rest(lines[i]).Length == 0 ? identifier : Rest(lines[i]));
        }

        for (int i = 0; i < lines.Length; i++)
        {
            foreach (string name in ClassNames.Of(_names[i]).Append(lines[i]).Select(ClassNames.Normal).Distinct())
            {
                _byName[name] = _byName.TryGetValue(name, out int? other) && other != i ? null : i;
            }
        }
    }
}
