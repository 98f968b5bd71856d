using System.Text;

namespace SnapViT.Data.Sources;

/// <summary>A line of a list of images.</summary>
/// <param name="Image">The name or the path of the image.</param>
/// <param name="Label">Its class by name or number; null where the list has none.</param>
/// <param name="Source">The data set that it is from; null for the place of the list.</param>
internal readonly record struct ListedImage(string Image, string? Label, string? Source);

/// <summary>
/// A list of images with their classes: comma or tab separated, with or without a heading, or a file and a class with blanks between them.
/// </summary>
internal static class LabelList
{
    private static readonly string[] ImageHeadings =
        ["image", "file", "filename", "file_name", "path", "filepath", "image_path", "image_name", "img", "name", "id", "image_id"];

    private static readonly string[] LabelHeadings =
        ["label", "class", "class_name", "classname", "category", "label_name", "target", "breed", "species"];

    private static readonly string[] SourceHeadings = ["source"];
    private static readonly char[] Separators = ['\t', ',', ';'];
    private static readonly string[] Extensions = [".csv", ".tsv", ".txt", ".lst"];

    /// <summary>Whether a file may be a list by its name.</summary>
    public static bool IsOne(string name) => Extensions.Contains(Path.GetExtension(name).ToLowerInvariant());

    /// <summary>The lines of a list.</summary>
    /// <exception cref="ImageException">A line has no image.</exception>
    public static IReadOnlyList<ListedImage> Read(TreeFile file)
    {
        string[] lines = [.. file.ReadLines().Where(line => line.Length > 0 && line[0] != '#')];
        if (lines.Length == 0)
        {
            throw new ImageException(file.Location, "expected an image a line, found an empty list");
        }

        char separator = Separators.FirstOrDefault(mark => lines[0].Contains(mark, StringComparison.Ordinal), ' ');
        List<string> heading = Fields(lines[0], separator);
        int image = Find(heading, ImageHeadings), label = Find(heading, LabelHeadings), source = Find(heading, SourceHeadings);
        bool hasHeading = image >= 0 && !heading.Any(FileNames.IsPhoto);
        (image, label, source) = hasHeading ? (image, label, source) : (0, heading.Count > 1 ? 1 : -1, -1);
        if (hasHeading && label < 0 && source < 0 && heading.Count == 2)
        {
            label = 1 - image;
        }

        List<ListedImage> images = [];
        for (int i = hasHeading ? 1 : 0; i < lines.Length; i++)
        {
            List<string> fields = Fields(lines[i], separator);
            string? Field(int at) => at >= 0 && at < fields.Count && fields[at].Length > 0 ? fields[at] : null;
            images.Add(new ListedImage(
                Field(image) ?? throw new ImageException(file.Location, $"line {i + 1}: expected an image, found '{lines[i]}'"),
                Field(label),
                Field(source)));
        }

        return images.Count > 0 ? images : throw new ImageException(file.Location, "expected an image a line, found a heading alone");
    }

    /// <summary>Finds photos of a tree by what lists call them: their path, their name, or that without its extension.</summary>
    public static Func<string, TreeFile?> Finder(IEnumerable<TreeFile> photos)
    {
        Dictionary<string, TreeFile?> known = new(StringComparer.Ordinal);
        foreach (TreeFile photo in photos)
        {
            string[] names = [photo.Name, FileNames.Stem(photo.Name), photo.FileName, FileNames.Stem(photo.FileName)];
            foreach (string name in names.Distinct())
            {
                known[name] = known.TryGetValue(name, out TreeFile? other) && other != photo && name != photo.Name ? null : photo;
            }
        }

        return name => known.GetValueOrDefault(Normal(name));

        static string Normal(string name)
        {
            string plain = name.Replace('\\', '/');
            return plain.StartsWith("./", StringComparison.Ordinal) ? plain[2..] : plain;
        }
    }

    /// <summary>The names of the classes of a list, in the order of their numbers, else of their names.</summary>
    public static string[] Classes(IEnumerable<string?> labels) =>
    [
        .. labels.OfType<string>().Distinct(StringComparer.Ordinal)
            .OrderBy(name => ClassNames.NumberOf(name) ?? int.MaxValue).ThenBy(name => name, StringComparer.Ordinal),
    ];

    /// <summary>The images of a list that are there; those that are not are left out where they are few.</summary>
    /// <param name="path">What was opened, for messages.</param>
    /// <param name="rows">The images with their classes.</param>
    /// <param name="classes">Names of the classes; empty where labels are not wanted.</param>
    /// <param name="inOrder">Whether their order is that of the publisher, not that of their names.</param>
    /// <exception cref="ImageException">More than a tenth of the images are not there.</exception>
    public static ImageSet Images(
        string path,
        IReadOnlyList<(string Name, TreeFile? File, int? Label)> rows,
        IReadOnlyList<string> classes,
        bool inOrder)
    {
        const double mostMissing = 0.1;
        string[] missing = [.. rows.Where(row => row.File is null).Select(row => row.Name)];
        if (missing.Length > mostMissing * rows.Count)
        {
            throw new ImageException(
                path, $"expected the images of its lists, found {missing.Length} of {rows.Count} missing ({missing[0]})");
        }

        return new ImageSet(path, rows.Where(row => row.File is not null).Select(row => ImageEntry.Of(row.File!, row.Label)), classes)
        {
            LeftOut = LeftOutItem.Rows(
                missing.Select(name => new LeftOutItem(LeftOutKind.Missing, "images of a list that are not there", name))),
            ClassesAreInOrder = inOrder,
        };
    }

    private static int Find(List<string> heading, string[] names) =>
        names.Select(name => heading.FindIndex(field => string.Equals(field, name, StringComparison.OrdinalIgnoreCase)))
            .FirstOrDefault(index => index >= 0, -1);

    /// <summary>The fields of a line; with blanks between them a file and the rest of the line.</summary>
    private static List<string> Fields(string line, char separator)
    {
        if (separator == ' ')
        {
            return [.. line.Trim().Split(' ', 2, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        }

        List<string> fields = [];
        StringBuilder field = new();
        bool isQuoted = false;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (c == '"' && (isQuoted || field.Length == 0))
            {
                bool isDouble = isQuoted && i + 1 < line.Length && line[i + 1] == '"';
                field.Append(isDouble ? "\"" : "");
                (isQuoted, i) = (isDouble || !isQuoted, isDouble ? i + 1 : i);
            }
            else if (c == separator && !isQuoted)
            {
                fields.Add(field.ToString().Trim());
                field.Clear();
            }
            else
            {
                field.Append(c);
            }
        }

        fields.Add(field.ToString().Trim());
        return fields;
    }
}
