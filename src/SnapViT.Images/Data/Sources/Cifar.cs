using System.Globalization;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Checkpoints.Pickle;

namespace SnapViT.Data.Sources;

/// <summary>CIFAR-10 and CIFAR-100 as their authors publish them for C: records of labels and pixels.</summary>
internal sealed class CifarBinary : IImageLayout
{
    private const int Chunk = 1 << 20;

    /// <inheritdoc/>
    public string Name => "CIFAR, binary";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        FileTree files = tree.Unwrapped();
        bool has100 = files.Find("fine_label_names.txt") is not null;
        TreeFile[] train = has100 ? Named(files, "train.bin") : Cifar.Batches(files, ".bin"),
            test = Named(files, has100 ? "test.bin" : "test_batch.bin");
        return train.Length + test.Length == 0 || (!has100 && files.Find("batches.meta.txt") is null) ? null
            : Cifar.Splits(train, test, (batches, wanted) => Images(files, batches, has100, wanted));
    }

    private static TreeFile[] Named(FileTree files, string name) => files.Find(name) is TreeFile file ? [file] : [];

    private static ImageSet Images(FileTree files, TreeFile[] batches, bool has100, Wanted wanted)
    {
        int labels = has100 ? 2 : 1, record = labels + RawPixels.Bytes(Cifar.Side);
        string[] classes = wanted.Labels ? Cifar.Classes(files.Find(has100 ? "fine_label_names.txt" : "batches.meta.txt")!) : [];
        return new ImageSet(files.Path, batches.SelectMany(batch =>
        {
            long count = batch.Bytes.Length / record;
            if (batch.Bytes.Length % record != 0 || count == 0)
            {
                throw new ImageException(
                    batch.Location, $"expected records of {record} bytes, found {batch.Bytes.Length} bytes: cut short or another file");
            }

            int[]? told = wanted.Labels ? Labels(batch, labels - 1, record) : null;
            return Cifar.Entries(batch, (int)count, i => (i * record) + labels, told, classes.Length);
        }), classes);
    }

    private static int[] Labels(TreeFile batch, int at, int record)
    {
        byte[] chunk = new byte[Chunk / record * record];
        int[] labels = new int[batch.Bytes.Length / record];
        for (int i = 0; i < labels.Length;)
        {
            int read = batch.Bytes.Read((long)i * record, chunk) / record;
            for (int j = 0; j < read; j++)
            {
                labels[i + j] = chunk[(j * record) + at];
            }

            i += read > 0 ? read : throw new ImageException(batch.Location, "the file became shorter while it was read");
        }

        return labels;
    }
}

/// <summary>CIFAR-10 and CIFAR-100 as their authors publish them for Python: pickles of arrays. No code of a pickle is run.</summary>
internal sealed class CifarPython : IImageLayout
{
    private const int MostBytes = 512 << 20;

    /// <inheritdoc/>
    public string Name => "CIFAR, Python";

    /// <inheritdoc/>
    public IReadOnlyList<ImageSplit>? Open(FileTree tree)
    {
        FileTree files = tree.Unwrapped();
        if (files.Find("batches.meta") is TreeFile meta10)
        {
            return Cifar.Splits(
                Cifar.Batches(files, ""),
                files.Find("test_batch") is TreeFile test ? [test] : [],
                (batches, wanted) => Images(files, batches, meta10, "label_names", "labels", wanted));
        }

        return files.Find("meta") is TreeFile meta && files.Find("train") is TreeFile train100 && files.Find("test") is TreeFile test100
            ? Cifar.Splits(
                [train100], [test100], (batches, wanted) => Images(files, batches, meta, "fine_label_names", "fine_labels", wanted))
            : null;
    }

    private static ImageSet Images(FileTree files, TreeFile[] batches, TreeFile meta, string names, string labels, Wanted wanted)
    {
        string[] classes = wanted.Labels ? [.. List<string>(meta, Load(meta), names)] : [];
        return new ImageSet(files.Path, batches.SelectMany(batch =>
        {
            IReadOnlyDictionary<string, object?> content = Load(batch);
            int bytes = RawPixels.Bytes(Cifar.Side);
            if (content.GetValueOrDefault("data") is not PickleArray { Type: TensorType.UInt8, Shape: [> 0 and var count, var width] } data
                || width != bytes)
            {
                throw new ImageException(batch.Location, $"expected 'data' with bytes [n, {bytes}], found others");
            }

            int[]? told = wanted.Labels
                ? [.. List<long>(batch, content, labels).Select(label => (int)Math.Clamp(label, -1, int.MaxValue))]
                : null;
            if (told is not null && told.Length != count)
            {
                throw new ImageException(batch.Location, $"expected {count} labels, found {told.Length}");
            }

            return Cifar.Entries(batch, (int)count, i => data.Offset + ((long)i * bytes), told, classes.Length);
        }), classes);
    }

    private static IReadOnlyDictionary<string, object?> Load(TreeFile file)
    {
        try
        {
            return PickleMachine.LoadData(file.Location, file.ReadAll(MostBytes)) as IReadOnlyDictionary<string, object?>
                ?? throw new ImageException(file.Location, "expected a dictionary in the pickle, found another value");
        }
        catch (Exception exception) when (exception is CheckpointFormatException)
        {
            throw exception.Message.StartsWith(file.Location, StringComparison.Ordinal)
                ? new ImageException(file.Location, exception.Message[file.Location.Length..].TrimStart(':', ' '))
                : new ImageException(file.Location, exception.Message);
        }
    }

    private static IEnumerable<T> List<T>(TreeFile file, IReadOnlyDictionary<string, object?> content, string name) =>
        content.GetValueOrDefault(name) is IReadOnlyList<object?> items && items.All(item => item is T)
            ? items.Cast<T>()
            : throw new ImageException(file.Location, $"expected a list '{name}' in the pickle, found none");
}

/// <summary>What both forms of CIFAR have in common.</summary>
internal static class Cifar
{
    /// <summary>Pixels of a side.</summary>
    public const int Side = 32;

    private const string Start = "data_batch_";

    /// <summary>The batches of training images of CIFAR-10, in order.</summary>
    public static TreeFile[] Batches(FileTree files, string end) =>
    [
        .. files.Files.Where(file => file.Name.Length > Start.Length + end.Length
            && file.Name.StartsWith(Start, StringComparison.Ordinal) && file.Name.EndsWith(end, StringComparison.Ordinal)
            && file.Name[Start.Length..^end.Length] is { Length: > 0 } number && number.All(char.IsAsciiDigit)),
    ];

    /// <summary>The splits that have files.</summary>
    public static IReadOnlyList<ImageSplit> Splits(TreeFile[] train, TreeFile[] test, Func<TreeFile[], Wanted, ImageSet> open) =>
    [
        .. new (string Name, TreeFile[] Files)[] { ("train", train), ("test", test) }.Where(split => split.Files.Length > 0)
            .Select(split => new ImageSplit(split.Name, wanted => open(split.Files, wanted))),
    ];

    /// <summary>The names of the classes, one a line.</summary>
    public static string[] Classes(TreeFile file) => [.. file.ReadLines().Select(line => line.Trim()).Where(line => line.Length > 0)];

    /// <summary>The images of a batch.</summary>
    /// <param name="batch">The file.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="position">Where the pixels of each begin.</param>
    /// <param name="labels">Their classes; null where they are not wanted.</param>
    /// <param name="classes">How many classes there are.</param>
    public static IEnumerable<ImageEntry> Entries(TreeFile batch, int count, Func<int, long> position, int[]? labels, int classes)
    {
        string batchName = Path.GetFileNameWithoutExtension(batch.FileName);
        for (int i = 0; i < count; i++)
        {
            if (labels is not null && (labels[i] < 0 || labels[i] >= classes))
            {
                throw new ImageException(batch.Location, $"image {i}: expected a label below {classes}, found {labels[i]}");
            }

            string name = string.Create(CultureInfo.InvariantCulture, $"{batchName}/{i:D5}");
            yield return RawPixels.Entry(name, $"{batch.Location}, image {i}", batch.Bytes, position(i), Side, labels?[i]);
        }
    }
}
