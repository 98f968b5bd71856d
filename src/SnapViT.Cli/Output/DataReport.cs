using System.Text.Json;
using SnapViT.Data;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>One split of a data set in numbers.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Images">How many images it has.</param>
/// <param name="Classes">How many images each class has, in the order of the classes.</param>
/// <param name="Unlabelled">Images without a class.</param>
/// <param name="LeftOut">What is there and not among the images.</param>
/// <param name="Unreadable">Images that cannot be decoded; null where they were not looked at.</param>
internal sealed record SplitReport(
    string Name,
    int Images,
    IReadOnlyList<ClassCount> Classes,
    int Unlabelled,
    IReadOnlyList<LeftOut> LeftOut,
    IReadOnlyList<SkippedImage>? Unreadable)
{
    /// <summary>Counts the images of a split.</summary>
    public static SplitReport Of(string name, ImageSet images, IReadOnlyList<SkippedImage>? unreadable)
    {
        Dictionary<int, int> counts = images.Entries.Select(entry => entry.Label).OfType<int>().CountBy(label => label).ToDictionary();
        ClassCount[] classes = images.Classes.Count > 0
            ? [.. images.Classes.Select((of, label) => new ClassCount(of, counts.GetValueOrDefault(label)))]
            : [.. counts.OrderBy(pair => pair.Key).Select(pair => new ClassCount($"{pair.Key}", pair.Value))];
        return new SplitReport(name, images.Count, classes, images.Entries.Count(entry => entry.Label is null), images.LeftOut, unreadable);
    }
}

/// <summary>The images of a class.</summary>
internal sealed record ClassCount(string Name, int Images);

/// <summary>What a path holds.</summary>
internal static class DataReport
{
    private const int MostNames = 12;

    public static Report Of(string path, string format, IReadOnlyList<SplitReport> splits, string? sheet) => new(
        new
        {
            Path = path,
            Format = format,
            Splits = splits.Select(split => new
            {
                split.Name,
                split.Images,
                split.Unlabelled,
                split.Classes,
                LeftOut = split.LeftOut.Select(row => new
                {
                    Kind = JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Kind.ToString()),
                    row.What,
                    row.Count,
                    row.Example,
                }),
                split.Unreadable,
            }),
            Sheet = sheet,
        },
        console =>
        {
            console.WriteLine($"{path}: {format}");
            Table table = Report.Table("split", "images", "classes", "smallest class", "largest class", "without a class", "left out");
            foreach (SplitReport split in splits)
            {
                bool hasClasses = split.Classes.Count > 0;
                table.AddRow(
                    split.Name.EscapeMarkup(),
                    $"{split.Images}",
                    $"{split.Classes.Count}",
                    hasClasses ? $"{split.Classes.Min(row => row.Images)}" : "",
                    hasClasses ? $"{split.Classes.Max(row => row.Images)}" : "",
                    split.Unlabelled > 0 ? $"{split.Unlabelled}" : "",
                    split.LeftOut.Count > 0 ? $"{split.LeftOut.Sum(row => row.Count)}" : "");
            }

            console.Write(table);
            SplitReport first = splits[0];
            if (first.Classes.Count > 0)
            {
                string more = first.Classes.Count > MostNames ? ", ..." : "";
                IEnumerable<string> names = first.Classes.Take(MostNames).Select(row => row.Name.Split(',')[0]);
                console.WriteLine($"classes: {string.Join(", ", names)}{more}");
            }

            foreach (SplitReport split in splits.Where(split => split.LeftOut.Count > 0))
            {
                console.WriteLine($"{split.Name}: left out: {string.Join("; ", split.LeftOut)}");
            }

            foreach (SplitReport split in splits.Where(split => split.Unreadable is not null))
            {
                console.WriteLine($"{split.Name}: {split.Unreadable!.Count} of {split.Images} images cannot be read");
                foreach (SkippedImage image in split.Unreadable.Take(MostNames))
                {
                    console.WriteLine($"  {image.Name}: {image.Reason}");
                }
            }

            if (sheet is not null)
            {
                console.WriteLine($"contact sheet: {sheet}");
            }
        });
}
