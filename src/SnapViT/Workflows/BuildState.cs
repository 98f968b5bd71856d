using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Search;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>How far an unfinished build is.</summary>
internal sealed record BuildPosition
{
    /// <summary>The local scores; null while images are read for them.</summary>
    public ImportanceScores? Local { get; init; }

    /// <summary>The fitnesses that the search was told.</summary>
    public IReadOnlyList<double> History { get; init; } = [];

    /// <summary>What was measured for the frontiers.</summary>
    public IReadOnlyList<FrontierMeasurement> Frontier { get; init; } = [];

    /// <summary>Images read of <see cref="AllPhotos"/>.</summary>
    public int Photos { get; init; }

    /// <summary>Images of the pass.</summary>
    public int AllPhotos { get; init; }

    /// <summary>Where each consumer of images goes on; empty when all were served.</summary>
    public IReadOnlyList<int> Consumers { get; init; } = [];

    /// <summary>The part of the images that the sums are of; null for all.</summary>
    public ImageShard? Shard { get; init; }

    /// <summary>All images of the build, where the sums are those of a part; else 0.</summary>
    public int Images { get; init; }

    /// <summary>Shards that the sums were put together from; 0 where they were not.</summary>
    public int Merged { get; init; }

    /// <summary>Whether the sums were put together from shards.</summary>
    public bool IsMerged => Merged > 0;

    /// <summary>What the sums depend on in their last bits beside the input: processor and threads.</summary>
    public string Machine { get; init; } = "";

    /// <summary>Images that could not be read.</summary>
    public IReadOnlyList<SkippedImage> Skipped { get; init; } = [];

    /// <summary>What is done so far, for people.</summary>
    public string ToText() => IsMerged && Local is null
        ? string.Create(CultureInfo.InvariantCulture, $"all {AllPhotos} photos read, in {Merged} shards")
        : Shard is ImageShard shard
        ? string.Create(CultureInfo.InvariantCulture, $"shard {shard}, {Photos} of {AllPhotos} photos read")
        : Local is null
        ? string.Create(CultureInfo.InvariantCulture, $"{Photos} of {AllPhotos} photos read")
        : string.Create(CultureInfo.InvariantCulture, $"all {AllPhotos} photos scored")
            + (History.Count > 0 || Frontier.Count == 0
                ? string.Create(CultureInfo.InvariantCulture, $", {History.Count} candidates of the search evaluated")
                : "")
            + (Frontier.Count > 0
                ? string.Create(CultureInfo.InvariantCulture, $", {Frontier.Count} sub-networks of the frontier measured")
                : "");
}

/// <summary>
/// What an unfinished build has so far, in a file beside the result: how far it is, the sums of the pass over the images, local scores,
/// fitnesses. The fingerprint names everything that the numbers depend on, so that a build is continued only by the same command on the
/// same input.
/// </summary>
/// <param name="path">The file; null to keep no state.</param>
/// <param name="fingerprint">What the numbers depend on.</param>
/// <param name="time">Tells what the writing costs.</param>
/// <param name="shard">The part of the images that this is the state of; null for all.</param>
internal sealed class BuildState(string? path, string fingerprint, TimeProvider time, ImageShard? shard = null)
{
    /// <summary>The metadata key by which the file is known; its value is the version.</summary>
    private const string Kind = "snapvit.unfinished";

    private const string Version = "4";
    private const string FingerprintKey = "build.fingerprint";
    private const string HistoryKey = "build.history";
    private const string PhotosKey = "build.photos";
    private const string ConsumersKey = "build.consumers";
    private const string SkippedKey = "build.skipped";
    private const string ShardKey = "build.shard";
    private const string ImagesKey = "build.images";
    private const string MergedKey = "build.merged";
    private const string MachineKey = "build.machine";
    private const string FrontierName = "frontier.measured";
    private const string ScoresPrefix = "local.";

    /// <summary>What the names of all sums begin with.</summary>
    public const string SumsPrefix = "sums.";

    /// <summary>Images that are read between two writings at least.</summary>
    private const int LeastPhotos = 32;

    /// <summary>
    /// The work between two writings takes this many times as long as a writing: under 2 % of the time goes into the state.
    /// </summary>
    private const double WorkPerWriting = 50;

    /// <summary>Files up to this size are written as often as there is something new.</summary>
    private const long SmallBytes = 1 << 20;

    private double _secondsPerByte = 1 / 200e6;
    private long _since = time.GetTimestamp();
    private int _offered;
    private int _written;
    private Func<(BuildPosition Position, Action<SumWriter> Sums)>? _unwritten;

    /// <summary>Why the file that <see cref="TryRead"/> found is not continued; null where it is, or where there was none.</summary>
    public string? Discarded { get; private set; }

    /// <summary>Continues the state of a build of the same fingerprint.</summary>
    /// <param name="device">Where the sums are wanted.</param>
    /// <param name="restore">Makes of a state what continues it; what it made until it throws is its own to dispose.</param>
    /// <returns>What <paramref name="restore"/> made; null where there is no state that can be continued.</returns>
    /// <exception cref="SnapViTException">It was put together from shards of another build.</exception>
    public T? TryRead<T>(Device device, Func<BuildPosition, SumReader, T> restore)
        where T : class
    {
        if (path is null)
        {
            return null;
        }

        DeletePartial();
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            using SafetensorsReader file = SafetensorsReader.Open(path);
            string? version = file.Metadata.GetValueOrDefault(Kind);
            string? of = file.Metadata.GetValueOrDefault(FingerprintKey), part = file.Metadata.GetValueOrDefault(ShardKey);
            if (version == Version && of != fingerprint && file.Metadata.ContainsKey(MergedKey))
            {
                // To begin anew would throw away what other machines did.
                throw new SnapViTException(
                    ErrorKind.Option,
                    $"{path}: expected merged shards of this build, found those of another: {Difference(fingerprint, of)}");
            }

            if (version == Version && of == fingerprint && part == shard?.ToString())
            {
                BuildPosition position = Read(file);
                _written = position.Photos;
                return restore(position, new SumReader(file, device, SumsPrefix));
            }

            Discarded = version == Version
                ? $"{path}: expected the state of this build, found that of another command or other input: "
                    + (of != fingerprint ? Difference(fingerprint, of) : $"shard {part ?? "none"} instead of {shard?.ToString() ?? "none"}")
                : version is null ? $"{path}: expected the state of an unfinished build, found another file, "
                    + "or a state of another version of this program"
                : $"{path}: expected a state of version {Version}, found {CheckpointFormatException.Quote(version)}";
        }
        catch (CheckpointFormatException exception)
        {
            Discarded = exception.Message;
        }

        // The build begins anew and replaces the file; its result says why.
        return null;
    }

    /// <summary>Whether an open file is the state of an unfinished build.</summary>
    public static bool IsOne(SafetensorsReader file) => file.Metadata.ContainsKey(Kind);

    /// <summary>What a file says about how far its build is, for people.</summary>
    /// <exception cref="CheckpointFormatException">It is damaged or of another version.</exception>
    public static BuildPosition Describe(SafetensorsReader file) => file.Metadata.GetValueOrDefault(Kind) == Version
        ? Read(file)
        : throw new CheckpointFormatException(
            file.Path,
            $"expected a state of version {Version}, "
                + $"found {CheckpointFormatException.Quote(file.Metadata.GetValueOrDefault(Kind) ?? "nothing")}");

    /// <summary>
    /// There is something new: it replaces the state now if enough work was done since the last time to be worth the writing, else when
    /// <see cref="Flush"/> is called.
    /// </summary>
    /// <param name="work">Images read so far, whatever for.</param>
    /// <param name="state">How far the build is, and what names its sums; asked when it is written.</param>
    public void Offer(int work, Func<(BuildPosition Position, Action<SumWriter> Sums)> state)
    {
        if (path is null)
        {
            return;
        }

        (_unwritten, _offered) = (state, work);
        (BuildPosition position, Action<SumWriter> sums) = state();
        bool isEnough = position.Local is not null || work - _written >= LeastPhotos;
        if (isEnough && Tensors(position, sums) is var tensors && IsWorthIt(tensors))
        {
            Write(position, tensors);
        }
    }

    /// <summary>Writes what was offered and not written yet.</summary>
    public void Flush()
    {
        if (_unwritten is not null)
        {
            (BuildPosition position, Action<SumWriter> sums) = _unwritten();
            Write(position, Tensors(position, sums));
        }
    }

    /// <summary>Writes what is complete.</summary>
    public void Keep(BuildPosition position, Action<SumWriter> sums) => Write(position, Tensors(position, sums));

    /// <summary>What the numbers of a state depend on.</summary>
    public static string FingerprintOf(SafetensorsReader file) => file.Metadata.GetValueOrDefault(FingerprintKey) ?? "";

    /// <summary>In which option or input two builds differ: one that says something to people, where there is one.</summary>
    public static string Difference(string expected, string? found)
    {
        Dictionary<string, string> own = Facts(expected), other = Facts(found ?? "");
        string[] keys = [.. own.Keys.Union(other.Keys).Where(key => own.GetValueOrDefault(key) != other.GetValueOrDefault(key))];
        if (keys.Length == 0)
        {
            return "no difference that is named";
        }

        string key = keys.FirstOrDefault(
            key => !$"{key} {own.GetValueOrDefault(key)}".Contains("sha256", StringComparison.Ordinal), keys[0]);
        return $"{key} {other.GetValueOrDefault(key, "none")} instead of {own.GetValueOrDefault(key, "none")}"
            + (keys.Length > 1 ? $" ({keys.Length} facts differ)" : "");

        static Dictionary<string, string> Facts(string text) => text.Split('\n').Select(line => line.Trim('[', ']').Split(", ", 2))
            .DistinctBy(pair => pair[0]).ToDictionary(pair => pair[0], pair => pair[^1], StringComparer.Ordinal);
    }

    /// <summary>Removes the state of a finished build.</summary>
    public void Delete()
    {
        File.Delete(path!);
        DeletePartial();
    }

    private bool IsWorthIt(IReadOnlyList<TensorToWrite> tensors)
    {
        long bytes = Bytes(tensors);
        return bytes <= SmallBytes || time.GetElapsedTime(_since).TotalSeconds >= WorkPerWriting * bytes * _secondsPerByte;
    }

    private void Write(BuildPosition position, IReadOnlyList<TensorToWrite> tensors)
    {
        long begin = time.GetTimestamp();
        Write(path!, position with { Shard = shard, Machine = ThisMachine() }, fingerprint, tensors);
        (_since, _written, _unwritten) = (time.GetTimestamp(), _offered, null);
        _secondsPerByte = time.GetElapsedTime(begin, _since).TotalSeconds / Math.Max(1, Bytes(tensors));
    }

    /// <summary>Writes a state.</summary>
    /// <param name="path">The file.</param>
    /// <param name="position">How far it is.</param>
    /// <param name="fingerprint">What its numbers depend on.</param>
    /// <param name="tensors">Its sums, scores and measurements.</param>
    public static void Write(string path, BuildPosition position, string fingerprint, IReadOnlyList<TensorToWrite> tensors)
    {
        Dictionary<string, string> metadata = new()
        {
            [Kind] = Version,
            [FingerprintKey] = fingerprint,
            [HistoryKey] = string.Join(' ', position.History.Select(fitness => fitness.ToString("R", CultureInfo.InvariantCulture))),
            [PhotosKey] = string.Create(CultureInfo.InvariantCulture, $"{position.Photos} {position.AllPhotos}"),
            [ConsumersKey] = string.Join(' ', position.Consumers.Select(consumer => consumer.ToString(CultureInfo.InvariantCulture))),
            [SkippedKey] = JsonSerializer.Serialize(position.Skipped),
            [MachineKey] = position.Machine,
        };
        if (position.Shard is ImageShard part)
        {
            metadata[ShardKey] = part.ToString();
            metadata[ImagesKey] = position.Images.ToString(CultureInfo.InvariantCulture);
        }

        if (position.IsMerged)
        {
            metadata[MergedKey] = position.Merged.ToString(CultureInfo.InvariantCulture);
        }

        SafetensorsWriter.Write(path, tensors, metadata);
    }

    /// <summary>Sums in float32 differ in their last bits between processors, and between numbers of threads.</summary>
    public static string ThisMachine() => string.Create(
        CultureInfo.InvariantCulture,
        $"{get_num_threads()} threads, {RuntimeInformation.ProcessArchitecture}"
            + $"{(Avx512F.IsSupported ? " AVX-512" : Avx2.IsSupported ? " AVX2" : "")}");

    private static long Bytes(IReadOnlyList<TensorToWrite> tensors) => tensors.Sum(tensor => tensor.Entry.ByteLength);

    private static List<TensorToWrite> Tensors(BuildPosition position, Action<SumWriter> sums)
    {
        List<TensorToWrite> tensors = [];
        sums(new SumWriter(tensors, SumsPrefix));
        if (position.Local is ImportanceScores local)
        {
            tensors.AddRange(AxisTable.Rows
                .Where(row => local.Counts[0][row.Axis] > 0)
                .Select(row => TensorToWrite.From(
                    ScoresPrefix + row.Label, Flat(local, row.Axis), local.Depth, local.Counts[0][row.Axis])));
        }

        if (position.Frontier.Count > 0)
        {
            double[] rows = [.. position.Frontier.SelectMany(Row)];
            tensors.Add(TensorToWrite.From(FrontierName, rows, position.Frontier.Count, rows.Length / position.Frontier.Count));
        }

        return tensors;
    }

    /// <summary>The block or -1, both distances, and the widths of all axes, block after block.</summary>
    private static IEnumerable<double> Row(FrontierMeasurement one) =>
        [one.Block ?? -1, one.Plain, one.Sharp, .. one.Widths.SelectMany(block => AxisTable.Rows.Select(row => (double)block[row.Axis]))];

    private static double[] Flat(ImportanceScores local, Axis axis)
    {
        List<double> values = [];
        for (int block = 0; block < local.Depth; block++)
        {
            values.AddRange(local.Of(axis, block));
        }

        return [.. values];
    }

    private static BuildPosition Read(SafetensorsReader file)
    {
        int[] photos = Counts(file, PhotosKey);
        return new BuildPosition
        {
            Local = Scores(file),
            History = History(file),
            Frontier = Frontier(file),
            Photos = photos is [int done, int all] && done <= all ? done : throw Damaged(file, PhotosKey, "two numbers of photos"),
            AllPhotos = photos[1],
            Consumers = Counts(file, ConsumersKey),
            Skipped = Skipped(file),
            Shard = file.Metadata.TryGetValue(ShardKey, out string? shard) ? ShardOf(file, shard) : null,
            Images = file.Metadata.ContainsKey(ImagesKey) ? Count(file, ImagesKey) : 0,
            Merged = file.Metadata.ContainsKey(MergedKey) ? Count(file, MergedKey) : 0,
            Machine = file.Metadata.GetValueOrDefault(MachineKey) ?? "",
        };
    }

    /// <summary>The local scores; null where the state has none yet.</summary>
    private static ImportanceScores? Scores(SafetensorsReader file)
    {
        Dictionary<Axis, double[,]> scores = AxisTable.Rows
            .Where(row => file.Tensors.ContainsKey(ScoresPrefix + row.Label))
            .ToDictionary(row => row.Axis, row => Matrix(file, ScoresPrefix + row.Label));
        try
        {
            return scores.Count == 0 ? null : new ImportanceScores(scores);
        }
        catch (Exception exception) when (exception is ArgumentException or SnapViTException)
        {
            throw new CheckpointFormatException(file.Path, exception.Message, innerException: exception);
        }
    }

    private static FrontierMeasurement[] Frontier(SafetensorsReader file)
    {
        if (!file.Tensors.ContainsKey(FrontierName))
        {
            return [];
        }

        double[,] rows = Matrix(file, FrontierName);
        int axes = AxisTable.Rows.Count, depth = (rows.GetLength(1) - 3) / axes;
        return [.. Enumerable.Range(0, rows.GetLength(0)).Select(Measurement)];

        FrontierMeasurement Measurement(int row)
        {
            double[] values = [.. Enumerable.Range(0, rows.GetLength(1)).Select(column => rows[row, column])];
            bool isWhole = values.Length == 3 + (depth * axes) && depth > 0 && values.All(double.IsFinite)
                && values[3..].Append(values[0] + 1).All(value => value is >= 0 and <= int.MaxValue && double.IsInteger(value));
            return isWhole
                ? new FrontierMeasurement(values[0] < 0 ? null : (int)values[0], Widths(values), values[1], values[2])
                : throw new CheckpointFormatException(
                    file.Path, $"expected measurements of sub-networks, found others in row {row}", FrontierName);
        }

        SubnetWidths Widths(double[] values) => new(Enumerable.Range(0, depth).Select(block => AxisTable.Rows.Select((row, at) => (row, at))
            .Aggregate(default(BlockWidths), (kept, axis) => kept.With(axis.row.Axis, (int)values[3 + (block * axes) + axis.at]))));
    }

    private static double[,] Matrix(SafetensorsReader file, string name)
    {
        if (file.Tensors[name] is not { Shape: [> 0 and long rows, > 0 and long columns] })
        {
            throw new CheckpointFormatException(file.Path, $"expected scores, found {file.Tensors[name]}", name);
        }

        double[,] matrix = new double[rows, columns];
        Buffer.BlockCopy(file.ReadDoubles(name), 0, matrix, 0, matrix.Length * sizeof(double));
        return matrix;
    }

    private static double[] History(SafetensorsReader file)
    {
        string text = file.Metadata.GetValueOrDefault(HistoryKey) ?? "nothing";
        return [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select((item, index) =>
            double.TryParse(item, CultureInfo.InvariantCulture, out double fitness) && double.IsFinite(fitness)
                ? fitness
                : throw Damaged(file, HistoryKey, "finite fitnesses", $" in place {index}"))];
    }

    private static int[] Counts(SafetensorsReader file, string key) =>
        [.. (file.Metadata.GetValueOrDefault(key) ?? "nothing").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select((item, index) =>
            int.TryParse(item, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
                ? count
                : throw Damaged(file, key, "counts", $" in place {index}"))];

    private static int Count(SafetensorsReader file, string key) =>
        Counts(file, key) is [int count] ? count : throw Damaged(file, key, "a count");

    private static ImageShard ShardOf(SafetensorsReader file, string text)
    {
        try
        {
            return ImageShard.Parse(text);
        }
        catch (SnapViTException)
        {
            throw Damaged(file, ShardKey, "a shard such as 3/8");
        }
    }

    private static SkippedImage[] Skipped(SafetensorsReader file)
    {
        try
        {
            return JsonSerializer.Deserialize<SkippedImage[]>(file.Metadata.GetValueOrDefault(SkippedKey) ?? "") ?? [];
        }
        catch (JsonException)
        {
            throw Damaged(file, SkippedKey, "a list of images");
        }
    }

    private static CheckpointFormatException Damaged(SafetensorsReader file, string key, string expected, string where = "") =>
        new(file.Path, $"metadata '{key}': expected {expected}, found something else{where}");

    /// <summary>Removes what a build left that was killed while it wrote the state.</summary>
    private void DeletePartial()
    {
        string full = Path.GetFullPath(path!);
        if (Path.GetDirectoryName(full) is string folder && Directory.Exists(folder))
        {
            foreach (string partial in Directory.EnumerateFiles(folder, $"{Path.GetFileName(full)}.????????.partial"))
            {
                File.Delete(partial);
            }
        }
    }
}
