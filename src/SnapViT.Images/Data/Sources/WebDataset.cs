using System.Globalization;
using System.Text.Json;

namespace SnapViT.Data.Sources;

/// <summary>
/// Tar shards of WebDataset: files that share a name up to the first dot are one sample, such as <c>0001.jpg</c> and <c>0001.cls</c>. One
/// shard, a pattern, or a folder of shards.
/// </summary>
internal sealed class WebDataset : IImageLayout
{
    private const string Extension = ".tar";
    private const int MostText = 1 << 20;

    private static readonly string[] LabelNames = ["cls", "label", "class", "class_id", "target"];

    /// <inheritdoc/>
    public string Name => "tar shards (WebDataset)";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        TreeFile[] shards = [.. tree.Files.Where(file => file.Name.EndsWith(Extension, StringComparison.OrdinalIgnoreCase))];
        if (shards.Length > 0 && !tree.Files.Any(file => FileNames.IsPhoto(file.Name)))
        {
            return
            [
                .. shards.GroupBy(Shards.SplitOf)
                    .Select(split => new ImageSplit(split.Key, wanted => Images(tree.Path, All([.. split]), wanted))),
            ];
        }

        return tree.Files.Any(file => IsLabel(file.Name)) && tree.Files.Any(file => FileNames.IsPhoto(file.Name))
            ? [new ImageSplit(ImageSplit.All, wanted => Images(tree.Path, [.. tree.Files], wanted))]
            : null;
    }

    private static bool IsLabel(string name) => name.EndsWith(".cls", StringComparison.Ordinal);

    /// <summary>The files of all shards, below the names of their shards.</summary>
    private static IReadOnlyList<TreeFile> All(IReadOnlyList<TreeFile> shards) =>
    [
        .. shards.SelectMany(shard => TarTree.Read(shard.Location, shard.Bytes).Files
            .Select(file => new TreeFile($"{FileNames.Stem(shard.Name, Extension)}/{file.Name}", file.Location, file.Bytes))),
    ];

    private static ImageSet Images(string path, IReadOnlyList<TreeFile> files, Wanted wanted)
    {
        TreeFile[] photos = [.. files.Where(file => FileNames.IsPhoto(file.Name))];
        if (photos.Length == 0)
        {
            throw new ImageException(path, $"expected {FileNames.Formats} images in the shards, found none");
        }

        object?[] labels = new object?[photos.Length];
        if (wanted.Labels)
        {
            ILookup<string, TreeFile> samples = files.Where(file => !FileNames.IsPhoto(file.Name)).ToLookup(file => Key(file.Name));
            labels = [.. photos.Select(photo => LabelOf(samples[Key(photo.Name)]))];
        }

        if (labels.Any(label => label is string))
        {
            labels = Array.ConvertAll(labels, label => label is int number ? number.ToString(CultureInfo.InvariantCulture) : label);
        }

        string[] classes = LabelList.Classes(labels.Select(label => label as string));
        Dictionary<string, int> indices = classes.Select((name, index) => (name, index)).ToDictionary();
        return new ImageSet(
            path,
            photos.Select((photo, i) => ImageEntry.Of(photo, labels[i] is string name ? indices[name] : labels[i] as int?)),
            classes)
        {
            ClassesAreInOrder = false,
        };
    }

    /// <summary>The name of a sample: all up to the first dot of the file's name.</summary>
    private static string Key(string name)
    {
        int begin = name.LastIndexOf('/') + 1;
        return name.IndexOf('.', begin) is int dot and >= 0 ? name[..dot] : name;
    }

    private static object? LabelOf(IEnumerable<TreeFile> sample)
    {
        TreeFile[] files = [.. sample];
        if (Array.Find(files, file => IsLabel(file.Name)) is TreeFile label)
        {
            string text = System.Text.Encoding.UTF8.GetString(label.ReadAll(MostText)).Trim();
            return ClassNames.NumberOf(text) is int number ? number
                : text.Length is > 0 and < 256 && !text.Any(char.IsControl) ? text
                : throw new ImageException(label.Location, "expected a class, found no text or too much");
        }

        return Array.Find(files, file => file.Name.EndsWith(".json", StringComparison.Ordinal)) is TreeFile json ? OfJson(json) : null;
    }

    private static object? OfJson(TreeFile file)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(file.ReadAll(MostText));
            foreach (string name in json.RootElement.ValueKind == JsonValueKind.Object ? LabelNames : [])
            {
                if (json.RootElement.TryGetProperty(name, out JsonElement value))
                {
                    return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0 ? number
                        : value.ValueKind == JsonValueKind.String ? value.GetString()
                        : null;
                }
            }

            return null;
        }
        catch (JsonException exception)
        {
            throw new ImageException(file.Location, $"expected JSON, found other text: {exception.Message}");
        }
    }
}
