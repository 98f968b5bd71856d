using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;

namespace SnapViT.Core.Scores;

/// <summary>
/// A score file of the reference (<c>importance-scores.pt</c>): the final ranking <c>P = s |c|</c> in float32, floors, the model's name and sizes,
/// and what the run was. Read and written with the reference's keys and types.
/// </summary>
public sealed record ReferenceScores
{
    /// <summary>The ranking; the factors are in it already.</summary>
    public required ImportanceScores Scores { get; init; }

    /// <summary>What every block keeps whatever the budget.</summary>
    public required KeepFloors Floors { get; init; }

    /// <summary>The reference's name of the model, one of <see cref="ReferenceModels.Names"/>.</summary>
    public required string ModelType { get; init; }

    /// <summary>How the model's MLPs are built.</summary>
    public required MlpKind Mlp { get; init; }

    /// <summary>Embedding width of the model, D.</summary>
    public required int Width { get; init; }

    /// <summary>Width of one head, d.</summary>
    public required int HeadDim { get; init; }

    /// <summary>What the run was: null, bool, long, double, string, lists and dictionaries of them.</summary>
    public IReadOnlyDictionary<string, object?> Metadata { get; init; } = new Dictionary<string, object?>();

    /// <summary>Reads a file of the reference.</summary>
    /// <exception cref="CheckpointFormatException">It is damaged, no score file, or facts in it contradict each other.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static ReferenceScores Load(string path)
    {
        using TorchArchiveReader archive = TorchArchiveReader.Open(path);
        return new ReferenceScoresReader(archive).Read();
    }

    /// <summary>Whether an open file is a score file of the reference.</summary>
    public static bool IsScores(ITensorArchive archive) =>
        archive is TorchArchiveReader { Root: IReadOnlyDictionary<string, object?> root } && root.ContainsKey(ReferenceScoreKeys.Neurons) && root.ContainsKey(ReferenceScoreKeys.Heads);

    /// <summary>Writes a file that the reference reads: members of its enumerations by value, scores in float32.</summary>
    /// <exception cref="ArgumentException">The reference has no such model, or a score exceeds float32.</exception>
    /// <exception cref="IOException">It cannot be written; nothing is left of it.</exception>
    public void Save(string path)
    {
        if (!ReferenceModels.Names.Contains(ModelType))
        {
            throw new ArgumentException($"model type: expected one of {string.Join(", ", ReferenceModels.Names)}, found '{ModelType}'");
        }

        TorchArchiveWriter.Write(path, new OrderedDictionary<string, object?>
        {
            [ReferenceScoreKeys.Neurons] = Tensor(ReferenceScoreKeys.Neurons, Scores.Neurons, Scores.NeuronsPerBlock),
            [ReferenceScoreKeys.Heads] = Tensor(ReferenceScoreKeys.Heads, Scores.Heads, Scores.HeadsPerBlock),
            [ReferenceScoreKeys.ModelType] = new TorchEnumMember(ReferenceModels.EnumModule, ReferenceModels.EnumClass, ModelType),
            [ReferenceScoreKeys.Mlp] = new TorchEnumMember(ReferenceModels.EnumModule, ReferenceScoreKeys.MlpClass, ReferenceScoreKeys.NameOf(Mlp)),
            [ReferenceScoreKeys.Depth] = Scores.Depth,
            [ReferenceScoreKeys.Hidden] = Scores.NeuronsPerBlock,
            [ReferenceScoreKeys.Width] = Width,
            [ReferenceScoreKeys.HeadCount] = Scores.HeadsPerBlock,
            [ReferenceScoreKeys.HeadDim] = HeadDim,
            [ReferenceScoreKeys.NeuronFloor] = Floors.NeuronFraction,
            [ReferenceScoreKeys.HeadFloor] = Floors.HeadFraction,
            [ReferenceScoreKeys.Metadata] = Metadata,
        });
    }

    /// <summary>These scores as everything here takes them: the ranking with factors of 1, and what the file says as provenance.</summary>
    public ElasticScores ToElastic()
    {
        double[] ones = new double[ScoreCoefficients.Count(Scores.Depth, Scores.HeadsPerBlock)];
        Array.Fill(ones, 1);
        return new ElasticScores(Scores, new ScoreCoefficients(ones, Scores.Depth, Scores.HeadsPerBlock), Floors, ReferenceScoreKeys.Provenance(this));
    }

    /// <summary>Scores made here as the reference keeps them.</summary>
    /// <param name="scores">Scores, factors and floors; provenance becomes metadata.</param>
    /// <param name="architecture">The model that they were made for.</param>
    /// <param name="modelType">The reference's name of it, one of <see cref="ReferenceModels.Names"/>.</param>
    public static ReferenceScores From(ElasticScores scores, ViTArchitecture architecture, string modelType)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(architecture);
        return new ReferenceScores
        {
            Scores = scores.Scaled,
            Floors = scores.Floors,
            ModelType = modelType,
            Mlp = architecture.Mlp,
            Width = architecture.EmbedDim,
            HeadDim = architecture.HeadDim,
            Metadata = scores.Provenance.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToDictionary(pair => pair.Key, object? (pair) => pair.Value),
        };
    }

    private delegate ReadOnlySpan<double> Row(int block);

    private TensorToWrite Tensor(string name, Row row, int width)
    {
        float[] values = new float[Scores.Depth * width];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)row(i / width)[i % width];
        }

        return values.All(float.IsFinite)
            ? TensorToWrite.From(name, values, Scores.Depth, width)
            : throw new ArgumentException($"{name}: expected scores that fit float32, found a larger one");
    }
}
