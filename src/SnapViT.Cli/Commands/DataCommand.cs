using System.Collections.Concurrent;
using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit data</c>: what a path holds, as every verb would read it.</summary>
internal static class DataCommand
{
    private static readonly Argument<string> PathArgument = new("PATH")
    {
        Description = "A folder of photos, an archive, a list of images or a data set as it is published; after a '#' one split of it.",
    };
    private static readonly Option<string?> Labels = new("--labels") { Description = "What tells the classes of photos, as for eval." };
    private static readonly Option<string?> Sheet = new("--sheet")
    {
        Description = "Write a contact sheet (PNG) of the training images, or of the split that is named: a row per class.",
    };
    private static readonly Option<bool> Check = new("--check") { Description = "Decode every image, and list those that cannot be read." };

    public static Command Create()
    {
        Verb command = new("data", "Shows what a folder, an archive or a data set holds, as every verb reads it.", """
            Splits, images, classes, and what was left out and why. Nothing is unpacked. docs/data.md lists what is read.

              snapvit data photos
              snapvit data cifar-10-binary.tar.gz --sheet sheet.png
              snapvit data 'data/train-*.parquet' --check --json
            """);
        command.Arguments.Add(PathArgument);
        foreach (Option option in new Option[] { Labels, Sheet, Check, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        string path = parsed.GetRequiredValue(PathArgument);
        string? sheet = parsed.GetValue(Sheet);
        if (sheet is not null)
        {
            OutputPath.RequireWritable(sheet);
        }

        LabelFile? list = parsed.GetValue(Labels) is string file ? LabelFile.Read(file) : null;
        ImageData data = ImageSource.Open(path, list);
        Wanted wanted = new(Labels: true, list);
        ImageSplit[] splits = data.Location.Split is null ? [.. data.Splits] : [data.Choose(SplitUse.Photos)];
        List<SplitReport> rows = [];
        ImageSplit shown = data.Choose(SplitUse.Photos);
        foreach (ImageSplit split in splits)
        {
            cancellation.ThrowIfCancellationRequested();
            ImageSet images = split.Open(wanted);
            IReadOnlyList<SkippedImage>? unreadable = parsed.GetValue(Check) ? Unreadable(parsed, split.Name, images, cancellation) : null;
            rows.Add(SplitReport.Of(split.Name, images, unreadable));
            if (sheet is not null && split.Name == shown.Name)
            {
                string name = data.Location.Name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(data.Location.Path));
                ContactSheet.Write(sheet, images, $"{name} {split.Name}", parsed.GetValue(GlobalOptions.Seed));
            }
        }

        return DataReport.Of(path, data.Format, rows, sheet) with
        {
            Next = NextCommand.Of("build", "MODEL", "--images", path, "--out", "scores.safetensors"),
        };
    }

    private static IReadOnlyList<SkippedImage> Unreadable(ParseResult parsed, string split, ImageSet images, CancellationToken cancellation)
    {
        ConcurrentBag<SkippedImage> unreadable = [];
        int done = 0;
        return ProgressDisplay.Run<IReadOnlyList<SkippedImage>>(parsed, progress =>
        {
            Parallel.ForEach(
                Partitioner.Create(images.Entries, EnumerablePartitionerOptions.NoBuffering),
                new ParallelOptions { MaxDegreeOfParallelism = GlobalOptions.ThreadsOf(parsed), CancellationToken = cancellation },
                entry =>
                {
                    try
                    {
                        entry.Decode();
                    }
                    catch (Exception exception)
                        when (exception is ImageException or IOException or InvalidDataException or UnauthorizedAccessException)
                    {
                        unreadable.Add(new SkippedImage(entry.Name, exception.Message));
                    }

                    progress.Report(new WorkProgress($"decoding {split}", Interlocked.Increment(ref done), images.Count));
                });
            return [.. unreadable.OrderBy(image => image.Name, StringComparer.Ordinal)];
        });
    }
}
