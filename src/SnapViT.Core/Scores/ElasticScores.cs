using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Scores;

/// <summary>
/// Everything that makes one model elastic: local scores, global factors and floors, with the options, seeds and hashes they came from. One
/// safetensors file of a few hundred kilobytes.
/// </summary>
/// <param name="Local">Local scores s, without factors.</param>
/// <param name="Coefficients">Global factors c.</param>
/// <param name="Floors">What every block keeps whatever the budget.</param>
/// <param name="Provenance">Options, seeds and hashes, as text.</param>
public sealed record ElasticScores(
    ImportanceScores Local, ScoreCoefficients Coefficients, KeepFloors Floors, IReadOnlyDictionary<string, string> Provenance)
{
    /// <summary>The provenance key of the model file's SHA-256.</summary>
    public const string ModelHash = "model_sha256";

    /// <summary>The provenance key of the SHA-256 of the model's weights by value, whatever file they stand in.</summary>
    internal const string WeightsHash = "weights_sha256";

    /// <summary>The provenance key of the criterion.</summary>
    public const string Criterion = "criterion";

    private const string Images = "scored_images";
    private const string Kind = "snapvit.scores";
    private const string Version = "1";

    /// <summary>The kinds of frontiers by their names in a file.</summary>
    private static readonly Dictionary<CostUnit, string> Kinds = new()
    {
        [CostUnit.Flops] = "flops", [CostUnit.Parameters] = "parameters", [CostUnit.Nanoseconds] = "latency",
    };

    /// <summary>Whether the file holds the second moments that corrections are computed from.</summary>
    public bool HasMoments => Moments is not null;

    /// <summary>Second moments that corrections are computed from; null where they were left out.</summary>
    internal StoredMoments? Moments { get; init; }

    /// <summary>Whether the file holds the bases in which dimensions inside heads are sorted; without them heads stay whole.</summary>
    public bool HasHeadBasis => HeadBasis is not null;

    /// <summary>Bases in which the dimensions inside heads are sorted; null where they were left out.</summary>
    internal StoredHeadBasis? HeadBasis { get; init; }

    /// <summary>
    /// The frontiers over all axes by what they save: <see cref="CostUnit.Flops"/>, <see cref="CostUnit.Parameters"/>, and where a latency
    /// table was given <see cref="CostUnit.Nanoseconds"/>; empty where none was looked for.
    /// </summary>
    public IReadOnlyDictionary<CostUnit, Frontier> Frontiers { get; init; } = new Dictionary<CostUnit, Frontier>();

    /// <summary>
    /// Length and first eight bytes of the SHA-256 of every image that was scored, by which it is known again under any name; empty in
    /// files that were made before these were kept.
    /// </summary>
    internal IReadOnlyList<(long Length, long Digest)> ScoredImages { get; init; } = [];

    /// <summary>The ranking that budgets are cut by, <c>P = s |c|</c>.</summary>
    public ImportanceScores Scaled => Local.Scaled(Coefficients);

    /// <summary>
    /// Whether scores of different axes compare as they are: those that are losses do (criterion <c>curvature</c>), all others are on a
    /// scale of their own for each axis.
    /// </summary>
    public bool AxesCompare => Provenance.GetValueOrDefault(Criterion) == "curvature";

    /// <summary>Whether an open file is a scores file, of this kind or of the reference.</summary>
    internal static bool IsScores(ITensorArchive archive)
    {
        ArgumentNullException.ThrowIfNull(archive);
        return archive.Metadata.ContainsKey(Kind) || ReferenceScores.IsScores(archive);
    }

    /// <summary>Writes the file, atomically; the same content gives the same bytes.</summary>
    /// <exception cref="IOException">It cannot be written; nothing is left of it.</exception>
    public void Save(string path)
    {
        Dictionary<string, string> metadata = new(Provenance) { [Kind] = Version };
        List<TensorToWrite> tensors = [];
        foreach (AxisFacts row in AxisTable.Rows.Where(row => row.IsScored || Floors[row.Axis] != row.DefaultFloor))
        {
            metadata[row.StoredFloor] = Floors[row.Axis].ToString("R", CultureInfo.InvariantCulture);
        }

        foreach (AxisFacts row in AxisTable.InPaperOrder)
        {
            if (Local.Counts[0][row.Axis] is > 0 and int units)
            {
                tensors.Add(TensorToWrite.From(row.StoredScores, Flat(row.Axis), Local.Depth, units));
            }
        }

        tensors.Add(TensorToWrite.From("coefficients", Coefficients.Vector.ToArray(), Coefficients.Vector.Length));
        Moments?.AddTo(tensors, metadata);
        int heads = Local.Counts[0][Axis.Heads];
        HeadBasis?.AddTo(tensors, heads, (int)Math.Sqrt(HeadBasis.Values[0].Length / heads));
        foreach ((CostUnit unit, Frontier frontier) in Frontiers.OrderBy(pair => pair.Key))
        {
            frontier.AddTo(tensors, Kinds[unit]);
        }

        if (ScoredImages.Count > 0)
        {
            long[] images = [.. ScoredImages.SelectMany(image => new[] { image.Length, image.Digest })];
            tensors.Add(TensorToWrite.From(Images, images, ScoredImages.Count, 2));
        }

        SafetensorsWriter.Write(path, tensors, metadata);
    }

    /// <summary>
    /// Reads a file back, or one of the reference (<see cref="ReferenceScores"/>), whose scores have their factors in them.
    /// </summary>
    /// <exception cref="CheckpointFormatException">It is damaged, or no scores file.</exception>
    public static ElasticScores Load(string path) =>
        CheckpointArchive.IsTorch(path) ? ReferenceScores.Load(path).ToElastic() : LoadOwn(path);

    private static ElasticScores LoadOwn(string path)
    {
        using SafetensorsReader archive = SafetensorsReader.Open(path);
        if (!archive.Metadata.TryGetValue(Kind, out string? version) || version != Version)
        {
            throw new CheckpointFormatException(path, version is null
                ? "expected a scores file made by 'snapvit build', found another safetensors file"
                : $"expected a scores file of version {Version}, found {CheckpointFormatException.Quote(version)}");
        }

        try
        {
            ImportanceScores local = new(AxisTable.InPaperOrder.ToDictionary(row => row.Axis, row => Matrix(archive, row.StoredScores)));
            ScoreCoefficients coefficients = new(Values(archive, "coefficients", 1).Values, local.Counts);
            KeepFloors floors = AxisTable.Rows
                .Where(row => row.IsScored || archive.Metadata.ContainsKey(row.StoredFloor))
                .Aggregate(new KeepFloors(), (read, row) => read.With(row.Axis, Fraction(archive, row.StoredFloor)));
            Dictionary<string, string> provenance = archive.Metadata
                .Where(pair => pair.Key != Kind
                    && AxisTable.Rows.All(row => row.StoredFloor != pair.Key)
                    && !StoredMoments.IsKey(pair.Key))
                .ToDictionary();
            return new ElasticScores(local, coefficients, floors, provenance)
            {
                Moments = StoredMoments.Find(archive, local.Depth),
                HeadBasis = StoredHeadBasis.Find(archive, local.Depth, local.Counts[0][Axis.Heads]),
                Frontiers = Kinds
                    .Select(kind => (kind.Key, Frontier: Frontier.Find(archive, kind.Value, local.Depth)))
                    .Where(found => found.Frontier is not null)
                    .ToDictionary(found => found.Key, found => found.Frontier!),
                ScoredImages = ImagesOf(archive),
            };
        }
        catch (Exception exception) when (exception is ArgumentException or SnapViTException and not CheckpointFormatException)
        {
            throw new CheckpointFormatException(path, exception.Message, innerException: exception);
        }
    }

    private static (long, long)[] ImagesOf(SafetensorsReader archive)
    {
        if (!archive.Tensors.TryGetValue(Images, out TensorEntry? entry))
        {
            return [];
        }

        return entry.Type == TensorType.Int64 && entry.Shape is [> 0, 2]
            ? [.. archive.ReadLongs(Images).Chunk(2).Select(image => (image[0], image[1]))]
            : throw new CheckpointFormatException(
                archive.Path, $"expected lengths and digests of images, I64 [n, 2], found {entry}", Images);
    }

    private static double[,] Matrix(SafetensorsReader archive, string name)
    {
        (IReadOnlyList<long> shape, double[] values) = Values(archive, name, 2);
        double[,] matrix = new double[shape[0], shape[1]];
        Buffer.BlockCopy(values, 0, matrix, 0, matrix.Length * sizeof(double));
        return matrix;
    }

    /// <summary>A tensor without an empty dimension: beside a 0 the other sizes of a hostile file could be anything.</summary>
    private static (IReadOnlyList<long> Shape, double[] Values) Values(SafetensorsReader archive, string name, int dimensions) =>
        archive.Tensors.TryGetValue(name, out TensorEntry? found) && found.Shape.Count == dimensions && found.ElementCount > 0
            ? (found.Shape, archive.ReadDoubles(name))
            : throw new CheckpointFormatException(
                archive.Path, $"expected {dimensions} dimensions, none of them empty, found {found?.ToString() ?? "no such tensor"}", name);

    private static double Fraction(SafetensorsReader archive, string key) =>
        archive.Metadata.TryGetValue(key, out string? text) && double.TryParse(text, CultureInfo.InvariantCulture, out double fraction)
            ? fraction
            : throw new CheckpointFormatException(
                archive.Path, $"metadata '{key}': expected a fraction, found {CheckpointFormatException.Quote(text ?? "nothing")}");

    private double[] Flat(Axis axis)
    {
        List<double> values = [];
        for (int block = 0; block < Local.Depth; block++)
        {
            values.AddRange(Local.Of(axis, block));
        }

        return [.. values];
    }
}
