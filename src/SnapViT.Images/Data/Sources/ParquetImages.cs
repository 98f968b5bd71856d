using System.Globalization;
using System.Text.Json;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace SnapViT.Data.Sources;

/// <summary>
/// Parquet as the Hugging Face hub serves images: a struct of bytes and path, a class number, names of classes in the metadata of the
/// schema. One file, a pattern, or a folder of shards.
/// </summary>
internal sealed class ParquetImages : IImageLayout
{
    private const string Extension = ".parquet";

    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    /// <inheritdoc/>
    public string Name => "Parquet";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        TreeFile[] shards =
        [
            .. tree.Files.Where(file => file.Name.EndsWith(Extension, StringComparison.OrdinalIgnoreCase)
                || (tree.Files.Count == 1 && file.Bytes.Start(Magic.Length).AsSpan().SequenceEqual(Magic))),
        ];
        if (shards.Length == 0 || tree.Files.Any(file => FileNames.IsPhoto(file.Name)))
        {
            return null;
        }

        RowGroups groups = new();
        return
        [
            .. shards.GroupBy(Shards.SplitOf).Select(split =>
                new ImageSplit(split.Key, wanted => Images(tree.Path, [.. split], groups, wanted))),
        ];
    }

    private static ImageSet Images(string path, TreeFile[] files, RowGroups groups, Wanted wanted)
    {
        List<ImageEntry> entries = [];
        List<(int First, IReadOnlyList<object?> Told)> labels = [];
        IReadOnlyList<string> classes = [];
        foreach (TreeFile file in files)
        {
            ParquetShard shard = ParquetShard.Open(file);
            long bytes = file.Bytes.Length;
            for (int group = 0; group < shard.Rows.Count; group++)
            {
                if (wanted.Labels)
                {
                    labels.Add((entries.Count, shard.ReadLabels(group)));
                }

                for (int row = 0; row < shard.Rows[group]; row++)
                {
                    (int inGroup, int of) = (row, group);
                    string name = string.Create(CultureInfo.InvariantCulture, $"{FileNames.Stem(file.Name, Extension)}/{entries.Count:D6}");
                    entries.Add(ImageEntry.OfRow(
                        name,
                        $"{file.Location}, row group {group}, row {row}",
                        () => Open(groups.Of(shard, of), inGroup),
                        () => groups.Of(shard, of)[inGroup]?.Length ?? 0,
                        bytes));
                }
            }

            classes = classes.Count == 0 ? shard.Classes : classes;
            if (wanted.Labels && !classes.SequenceEqual(shard.Classes))
            {
                throw new ImageException(file.Location, "expected the classes of the other shards, found others");
            }
        }

        return wanted.Labels ? Labelled(path, entries, labels, classes) : new ImageSet(path, entries);
    }

    private static MemoryStream Open(byte[]?[] rows, int row) => rows[row] is byte[] bytes
        ? new MemoryStream(bytes, writable: false)
        : throw new InvalidDataException("the row has no image");

    /// <summary>Numbers stay as they are; names are numbered in their order.</summary>
    private static ImageSet Labelled(
        string path, List<ImageEntry> entries, List<(int First, IReadOnlyList<object?> Told)> labels, IReadOnlyList<string> classes)
    {
        object?[] told = [.. labels.SelectMany(part => part.Told)];
        bool areNames = told.Any(label => label is string);
        IReadOnlyList<string> names = areNames && classes.Count == 0 ? LabelList.Classes(told.Select(label => label as string)) : classes;
        Dictionary<string, int> indices = names.Select((name, index) => (name, index)).DistinctBy(row => row.name).ToDictionary();
        return new ImageSet(
            path,
            entries.Select((entry, i) => told.Length == 0 ? entry : entry.Renamed(entry.Name, told[i] switch
            {
                string name => indices.TryGetValue(name, out int label)
                    ? label
                    : throw new ImageException(entry.Location, $"expected one of {names.Count} classes, found '{name}'"),
                long number when number is >= 0 and <= int.MaxValue => (int)number,
                _ => null,
            })),
            names)
        {
            ClassesAreInOrder = !(areNames && classes.Count == 0),
        };
    }

    /// <summary>The images of the row groups that were asked for last: rows of a group can be had together only.</summary>
    private sealed class RowGroups
    {
        private const long MostKept = 256 << 20;

        private readonly LinkedList<(ParquetShard Shard, int Group, Lazy<byte[]?[]> Rows)> _kept = [];

        public byte[]?[] Of(ParquetShard shard, int group)
        {
            Lazy<byte[]?[]> rows;
            lock (_kept)
            {
                LinkedListNode<(ParquetShard Shard, int Group, Lazy<byte[]?[]> Rows)>? node = _kept.First;
                while (node is not null && (node.Value.Shard != shard || node.Value.Group != group))
                {
                    node = node.Next;
                }

                if (node is null)
                {
                    node = new((shard, group, new Lazy<byte[]?[]>(() => shard.ReadImages(group))));
                }
                else
                {
                    _kept.Remove(node);
                }

                _kept.AddFirst(node);
                while (_kept.Count > 2 && _kept.Sum(kept => kept.Shard.Bytes[kept.Group]) > MostKept)
                {
                    _kept.RemoveLast();
                }

                rows = node.Value.Rows;
            }

            return rows.Value;
        }
    }
}

/// <summary>A Parquet file with a column of images.</summary>
internal sealed class ParquetShard
{
    private const long MostBytesOfGroup = 1L << 31;

    private static readonly string[] ImageNames = ["image", "img", "picture", "jpg", "png"];
    private static readonly string[] LabelNames = ["label", "fine_label", "labels", "class", "cls", "target"];

    private readonly TreeFile _file;
    private readonly string _image;
    private readonly string? _label;

    private readonly ParquetFooter _footer;

    private ParquetShard(TreeFile file, ParquetReader reader, ParquetFooter footer)
    {
        (_file, _footer) = (file, footer);
        DataField[] fields = reader.Schema.GetDataFields();
        string[] columns = [.. fields.Select(field => field.Path.ToString())];
        string[] images = [.. fields.Where(IsOfBytes).Select(field => field.Path.ToString())];
        _image = ImageNames.SelectMany(name => new[] { $"{name}/bytes", name }).FirstOrDefault(name => images.Contains(name))
            ?? Array.Find(images, name => name.EndsWith("/bytes", StringComparison.Ordinal))
            ?? throw new ImageException(
                file.Location, $"expected a column 'image' with 'bytes', found {ClassNames.Few(columns)}");
        IReadOnlyDictionary<string, IReadOnlyList<string>> named = NamesOf(file, reader);
        _label = LabelNames.Append(named.Count == 1 ? named.Keys.Single() : null)
            .FirstOrDefault(name => name is not null && columns.Contains(name));
        Classes = _label is null ? [] : named.GetValueOrDefault(_label) ?? [];
        List<int> rows = [];
        List<long> bytes = [];
        for (int group = 0; group < reader.RowGroupCount; group++)
        {
            using ParquetRowGroupReader row = reader.OpenRowGroupReader(group);
            long size = row.GetMetadata(fields.Single(field => field.Path.ToString() == _image))?.MetaData?.TotalUncompressedSize ?? 0;
            rows.Add(row.RowCount is >= 0 and <= int.MaxValue && size is >= 0 and <= MostBytesOfGroup
                ? (int)row.RowCount
                : throw new ImageException(
                    file.Location,
                    $"expected row groups of at most {MostBytesOfGroup >> 20} MiB, found one of {row.RowCount} rows, {size >> 20} MiB"));
            bytes.Add(size);
        }

        (Rows, Bytes) = (rows, bytes);
    }

    /// <summary>Rows of each row group.</summary>
    public IReadOnlyList<int> Rows { get; }

    /// <summary>About how many bytes the images of each row group take.</summary>
    public IReadOnlyList<long> Bytes { get; }

    /// <summary>Names of the classes; empty where the file does not tell them.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Reads the schema of a file.</summary>
    /// <exception cref="ImageException">It is damaged, or has no images.</exception>
    public static ParquetShard Open(TreeFile file)
    {
        ParquetFooter? footer = null;
        return Read(
            file, reader => Task.FromResult(new ParquetShard(file, reader, footer!)), () => footer = ParquetFooter.Read(file.Bytes));
    }

    /// <summary>The encoded images of a row group; null for a row without one.</summary>
    public byte[]?[] ReadImages(int group) => Read(
        _file, reader => Column(reader, group, _image, Of), () => _footer.CheckPages(group, _image, MostBytesOfGroup));

    /// <summary>The labels of a row group: numbers, names or null; empty where there are none.</summary>
    public IReadOnlyList<object?> ReadLabels(int group) =>
        _label is null
            ? []
            : Read(_file, reader => Column(reader, group, _label, Label), () => _footer.CheckPages(group, _label, MostBytesOfGroup));

    private static bool IsOfBytes(DataField field) => field.ClrType == typeof(ReadOnlyMemory<byte>) || field.ClrType == typeof(byte[]);

    private static byte[]? Of(RawColumnData column, int at) => (column as RawColumnData<ReadOnlyMemory<byte>>)?.Values[at].ToArray();

    private static object? Label(RawColumnData column, int at) => column switch
    {
        RawColumnData<long> numbers => numbers.Values[at],
        RawColumnData<int> numbers => (long)numbers.Values[at],
        RawColumnData<short> numbers => (long)numbers.Values[at],
        RawColumnData<sbyte> numbers => (long)numbers.Values[at],
        RawColumnData<byte> numbers => (long)numbers.Values[at],
        RawColumnData<ReadOnlyMemory<char>> names => names.Values[at].ToString(),
        _ => null,
    };

    /// <summary>The values of a column, row by row; null where a row has none.</summary>
    private static async Task<T?[]> Column<T>(ParquetReader reader, int group, string name, Func<RawColumnData, int, T?> value)
        where T : class
    {
        DataField field = reader.Schema.GetDataFields().Single(field => field.Path.ToString() == name);
        using ParquetRowGroupReader rows = reader.OpenRowGroupReader(group);
        using RawColumnData column = await rows.ReadRawColumnDataBaseAsync(field).ConfigureAwait(false);
        T?[] values = new T?[rows.RowCount];
        bool hasLevels = field.MaxDefinitionLevel > 0 && column.DefinitionLevels.Length == values.Length;
        for (int row = 0, at = 0; row < values.Length; row++)
        {
            bool isThere = !hasLevels || column.DefinitionLevels[row] == field.MaxDefinitionLevel;
            values[row] = isThere ? value(column, at++) : null;
        }

        return values;
    }

    /// <summary>The names of classes that the Hugging Face hub keeps for each column of them.</summary>
    private static Dictionary<string, IReadOnlyList<string>> NamesOf(TreeFile file, ParquetReader reader)
    {
        Dictionary<string, IReadOnlyList<string>> named = new(StringComparer.Ordinal);
        if (reader.CustomMetadata is not { } metadata || !metadata.TryGetValue("huggingface", out string? text))
        {
            return named;
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(text);
            if (json.RootElement.TryGetProperty("info", out JsonElement info) && info.TryGetProperty("features", out JsonElement features))
            {
                foreach (JsonProperty feature in features.EnumerateObject().Where(IsOfClasses))
                {
                    JsonElement names = feature.Value.GetProperty("names");
                    IEnumerable<JsonElement> inOrder = names.ValueKind == JsonValueKind.Array
                        ? names.EnumerateArray()
                        : names.EnumerateObject().OrderBy(name => ClassNames.NumberOf(name.Name)).Select(name => name.Value);
                    named[feature.Name] = [.. inOrder.Select(name => name.GetString() ?? "")];
                }
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new ImageException(
                file.Location, $"expected names of classes in the metadata 'huggingface', found others: {exception.Message}");
        }

        return named;

        static bool IsOfClasses(JsonProperty feature) => feature.Value.ValueKind == JsonValueKind.Object
            && feature.Value.TryGetProperty("_type", out JsonElement type) && type.ValueKind == JsonValueKind.String
            && type.GetString() == "ClassLabel" && feature.Value.TryGetProperty("names", out _);
    }

    /// <summary>What a damaged file makes the reader throw is told as its fault.</summary>
    private static T Read<T>(TreeFile file, Func<ParquetReader, Task<T>> read, Action check)
    {
        try
        {
            check();
            return Open().GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is not (ImageException or OutOfMemoryException or UnauthorizedAccessException))
        {
            throw new ImageException(
                file.Location, $"expected a Parquet file, found a damaged or another one ({exception.Message.Split('\n')[0]})");
        }

        async Task<T> Open()
        {
            using Stream stream = file.Bytes.Open();
            ParquetReader reader = await ParquetReader.CreateAsync(stream).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                return await read(reader).ConfigureAwait(false);
            }
        }
    }
}

/// <summary>Files that hold parts of one data set, such as <c>train-00000-of-00002.parquet</c>.</summary>
internal static class Shards
{
    /// <summary>The split that a shard is of by its name, else by its folder.</summary>
    public static string SplitOf(TreeFile file)
    {
        string[] parts = [.. file.FileName.Split('-', '_', '.'), .. file.Name.Split('/').SkipLast(1).Reverse()];
        return Array.Find(parts, ImageData.IsSplitName) ?? ImageSplit.All;
    }
}
