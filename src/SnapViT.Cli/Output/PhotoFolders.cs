using System.CommandLine;
using System.Text.Json;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Cli.Output;

/// <summary>
/// The sets of images that a verb reads: what was left out of them is said on standard error at once, and listed in the result.
/// </summary>
internal sealed class PhotoFolders(ParseResult parsed)
{
    private readonly Dictionary<string, IReadOnlyList<LeftOut>> _folders = new(StringComparer.Ordinal);

    /// <summary>What was left out of all of them, for <c>--json</c>.</summary>
    public IReadOnlyList<object> LeftOut =>
        [.. _folders.SelectMany(folder => folder.Value.Select(row => new
        {
            Folder = folder.Key,
            Kind = JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Kind.ToString()),
            row.What,
            row.Count,
            row.Example,
        }))];

    /// <summary>Opens the images of a path.</summary>
    /// <param name="path">What was given: <c>[NAME=]PATH[#SPLIT]</c>.</param>
    /// <param name="use">What they are wanted for.</param>
    /// <param name="labels">The list of labels; null for none.</param>
    /// <param name="needsLabels">Whether labels are read, and photos without one left out.</param>
    /// <param name="withLabels">Whether labels are read where there are some.</param>
    public ImageSet Open(
        string path, SplitUse use = SplitUse.Photos, LabelFile? labels = null, bool needsLabels = false, bool withLabels = false)
    {
        ImageData data = ImageSource.Open(path, labels);
        ImageSplit split = data.Choose(use);
        ImageSet images = split.Open(new Wanted(needsLabels || withLabels, labels));
        images = needsLabels ? images.Labelled() : images;
        if (_folders.TryAdd(path, images.LeftOut))
        {
            Say(data.Splits.Count > 1 && data.Location.Split is null ? $"{path}: {split.Name} of the splits {data.Names}" : null);
            Say(images.LeftOut.Count > 0 ? $"{path}: left out: {string.Join("; ", images.LeftOut)}" : null);
        }

        return images;
    }

    private void Say(string? line)
    {
        if (line is not null)
        {
            parsed.InvocationConfiguration.Error.WriteLine(line);
        }
    }
}
