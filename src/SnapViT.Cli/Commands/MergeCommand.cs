using System.CommandLine;
using System.Globalization;
using System.Text;
using SnapViT.Cli.Output;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Data.Sources;
using Spectre.Console;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit merge</c>: one list of images from several data sets, as the paper's merged calibration set is.</summary>
internal static class MergeCommand
{
    /// <summary>Images of each data set in the paper's merged set (Simoncini et al. 2025).</summary>
    private const int PaperEach = 143;

    private static readonly Argument<string[]> Sets = new("SETS")
    {
        Description = "Folders, archives and data sets; of each the training images, or the split after a '#'.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string> Out = new("--out") { Description = "The list to write (CSV).", Required = true };
    private static readonly Option<int> Each = new("--each")
    {
        Description = "Images of each set, a seeded choice; all of a set that has fewer.",
        DefaultValueFactory = _ => PaperEach,
    };

    public static Command Create()
    {
        Verb command = new("merge", "Makes one list of images from several data sets; every verb reads it.", """
            The list names its sources, and nothing is copied. Paths in it are relative to the list.

              snapvit merge cifar-10-binary.tar.gz dtd-r1.0.1.tar.gz EuroSAT.zip#train --out merged.csv
              snapvit build deit_tiny.safetensors --images merged.csv --out deit_tiny.scores.safetensors
            """);
        command.Arguments.Add(Sets);
        foreach (Option option in new Option[] { Out, Each, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        string path = parsed.GetRequiredValue(Out);
        OutputPath.RequireWritable(path);
        ulong seed = parsed.GetValue(GlobalOptions.Seed);
        int each = parsed.GetValue(Each) is >= 1 and int count
            ? count
            : throw new SnapViTException(ErrorKind.Option, $"--each: expected at least 1, found {parsed.GetValue(Each)}");
        if (!LabelList.IsOne(path))
        {
            throw new SnapViTException(ErrorKind.Option, $"--out {path}: expected a name that ends with .csv");
        }

        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"# {each} images of each source, seed {seed}\nsource,image\n");
        List<Row> rows = [];
        HashSet<string> sources = new(StringComparer.Ordinal);
        foreach (string set in parsed.GetRequiredValue(Sets))
        {
            cancellation.ThrowIfCancellationRequested();
            ImageData data = ImageSource.Open(set);
            if (data.Location is { IsPattern: false } location && LabelList.IsOne(location.Path) && File.Exists(location.Path))
            {
                throw new SnapViTException(ErrorKind.Option, $"{set}: expected a data set, found a list");
            }

            ImageSplit split = data.Choose(SplitUse.Photos);
            ImageSet images = split.Open(new Wanted(Labels: false));
            ImageSet sample = images.Sample(each, seed);
            string source = SourceOf(data.Location, path, data.Splits.Count > 1 || data.Location.Split is not null ? split.Name : null);
            if (!sources.Add(source))
            {
                throw new SnapViTException(ErrorKind.Option, $"{set}: expected every set once, found it twice");
            }

            foreach (ImageEntry entry in sample.Entries)
            {
                text.Append(CultureInfo.InvariantCulture, $"{Quoted(source)},{Quoted(entry.Name)}\n");
            }

            rows.Add(new Row(data.Location.Name ?? set, split.Name, sample.Count, images.Count));
        }

        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
        int all = rows.Sum(row => row.Images);
        return new Report(
            new { File = path, Images = all, Seed = seed, Sets = rows },
            console =>
            {
                Table table = Report.Table("set", "split", "images", "of");
                foreach (Row row in rows)
                {
                    table.AddRow(row.Set.EscapeMarkup(), row.Split.EscapeMarkup(), $"{row.Images}", $"{row.Of}");
                }

                console.Write(table);
                console.WriteLine($"{path}: {all} images of {rows.Count} sets, seed {seed}");
            },
            NextCommand.Of("build", "MODEL", "--images", path, "--out", "scores.safetensors"));
    }

    /// <summary>A source as the list names it: relative to the list where it is on the same drive.</summary>
    private static string SourceOf(ImageLocation location, string list, string? split)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(list))!;
        string relative = Path.GetRelativePath(folder, Path.GetFullPath(location.Path)).Replace(Path.DirectorySeparatorChar, '/');
        return split is null ? relative : $"{relative}#{split}";
    }

    private static string Quoted(string field) =>
        field.AsSpan().IndexOfAny(",\"#") >= 0 || field != field.Trim()
            ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
            : field;

    private sealed record Row(string Set, string Split, int Images, int Of);
}
