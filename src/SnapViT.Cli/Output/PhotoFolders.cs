using System.CommandLine;
using System.Text.Json;
using SnapViT.Data;

namespace SnapViT.Cli.Output;

/// <summary>
/// The folders of photos that a verb reads: what was left out of them is said on standard error at once, and listed in the result.
/// </summary>
internal sealed class PhotoFolders(ParseResult parsed)
{
    private readonly Dictionary<string, IReadOnlyList<LeftOut>> _folders = new(StringComparer.Ordinal);

    /// <summary>What was left out of all folders, for <c>--json</c>.</summary>
    public IReadOnlyList<object> LeftOut =>
        [.. _folders.SelectMany(folder => folder.Value.Select(row => new
        {
            Folder = folder.Key,
            Kind = JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Kind.ToString()),
            row.What,
            row.Count,
            row.Example,
        }))];

    /// <summary>Opens a folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="labels">The list of labels; null for none.</param>
    /// <param name="needsLabels">Whether photos without a label are left out.</param>
    public ImageSet Open(string path, LabelFile? labels = null, bool needsLabels = false)
    {
        ImageSet images = ImageSet.FromFolder(path, labels);
        images = needsLabels ? images.Labelled() : images;
        if (_folders.TryAdd(path, images.LeftOut) && images.LeftOut.Count > 0)
        {
            parsed.InvocationConfiguration.Error.WriteLine($"{path}: left out: {string.Join("; ", images.LeftOut)}");
        }

        return images;
    }
}
