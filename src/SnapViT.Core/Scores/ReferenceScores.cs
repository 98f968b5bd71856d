using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Scores;

/// <summary>
/// A score file of the reference (<c>importance-scores.pt</c>): the final ranking <c>P = s |c|</c> in float32, floors, the model's name and
/// sizes, and what the run was. Read and written with the reference's keys and types.
/// </summary>
internal sealed record ReferenceScores
{
    /// <summary>The reference's names of models, such as <c>dino_vitb16</c>: a file says by one of them which model it is of.</summary>
    public static IReadOnlyList<string> ModelTypes => ReferenceModels.Names;

    /// <summary>The ranking; the factors are in it already.</summary>
    public required ImportanceScores Scores { get; init; }

    /// <summary>What every block keeps whatever the budget.</summary>
    public required KeepFloors Floors { get; init; }

    /// <summary>The reference's name of the model, one of <see cref="ModelTypes"/>.</summary>
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
    internal static ReferenceScores Load(string path)
    {
        using TorchArchiveReader archive = TorchArchiveReader.Open(path);
        return new ReferenceScoresReader(archive).Read();
    }

    /// <summary>Whether an open file is a score file of the reference.</summary>
    public static bool IsScores(ITensorArchive archive) => archive is TorchArchiveReader { Root: IReadOnlyDictionary<string, object?> root }
        && root.ContainsKey(ReferenceScoreKeys.Neurons) && root.ContainsKey(ReferenceScoreKeys.Heads);

    /// <summary>Writes a file that the reference reads: members of its enumerations by value, scores in float32.</summary>
    /// <exception cref="SnapViTException">The reference has no such model, or a score exceeds float32.</exception>
    /// <exception cref="IOException">It cannot be written; nothing is left of it.</exception>
    public void Save(string path)
    {
        if (!ModelTypes.Contains(ModelType))
        {
            throw new SnapViTException(
                ErrorKind.Option, $"model type: expected one of {string.Join(", ", ModelTypes)}, found '{ModelType}'");
        }

        TorchArchiveWriter.Write(path, new OrderedDictionary<string, object?>
        {
            [ReferenceScoreKeys.Neurons] = Tensor(ReferenceScoreKeys.Neurons, Axis.Neurons),
            [ReferenceScoreKeys.Heads] = Tensor(ReferenceScoreKeys.Heads, Axis.Heads),
            [ReferenceScoreKeys.ModelType] = new TorchEnumMember(ReferenceModels.EnumModule, ReferenceModels.EnumClass, ModelType),
            [ReferenceScoreKeys.Mlp] = new TorchEnumMember(
                ReferenceModels.EnumModule, ReferenceScoreKeys.MlpClass, ReferenceScoreKeys.NameOf(Mlp)),
            [ReferenceScoreKeys.Depth] = Scores.Depth,
            [ReferenceScoreKeys.Hidden] = Scores.Counts[0][Axis.Neurons],
            [ReferenceScoreKeys.Width] = Width,
            [ReferenceScoreKeys.HeadCount] = Scores.Counts[0][Axis.Heads],
            [ReferenceScoreKeys.HeadDim] = HeadDim,
            [ReferenceScoreKeys.NeuronFloor] = Floors[Axis.Neurons],
            [ReferenceScoreKeys.HeadFloor] = Floors[Axis.Heads],
            [ReferenceScoreKeys.Metadata] = Metadata,
        });
    }

    /// <summary>These scores as everything here takes them: the ranking with factors of 1, and what the file says as provenance.</summary>
    public ElasticScores ToElastic() => new(Scores, ScoreCoefficients.Equal(Scores.Counts), Floors, ReferenceScoreKeys.Provenance(this));

    /// <summary>Scores made here as the reference keeps them.</summary>
    /// <param name="scores">Scores, factors and floors; provenance becomes metadata.</param>
    /// <param name="architecture">The model that they were made for.</param>
    /// <param name="modelType">The reference's name of it, one of <see cref="ModelTypes"/>.</param>
    internal static ReferenceScores From(ElasticScores scores, ViTArchitecture architecture, string modelType)
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
            Metadata = scores.Provenance.OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .ToDictionary(pair => pair.Key, object? (pair) => pair.Value),
        };
    }

    private TensorToWrite Tensor(string name, Axis axis)
    {
        int width = Scores.Counts[0][axis];
        float[] values = new float[Scores.Depth * width];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)Scores.Of(axis, i / width)[i % width];
        }

        return values.All(float.IsFinite)
            ? TensorToWrite.From(name, values, Scores.Depth, width)
            : throw new SnapViTException(ErrorKind.Numbers, $"{name}: expected scores that fit float32, found a larger one");
    }
}

/// <summary>Takes the facts of a score file of the reference one by one, each only as what it must be.</summary>
internal sealed class ReferenceScoresReader
{
    private readonly TorchArchiveReader _archive;
    private readonly IReadOnlyDictionary<string, object?> _root;

    public ReferenceScoresReader(TorchArchiveReader archive)
    {
        _archive = archive;
        _root = ReferenceScores.IsScores(archive)
            ? (IReadOnlyDictionary<string, object?>)archive.Root!
            : throw new CheckpointFormatException(archive.Path, "expected a score file of the reference, found another PyTorch file");
    }

    /// <exception cref="CheckpointFormatException">A fact is missing, of another kind, unknown, or contradicts the others.</exception>
    public ReferenceScores Read()
    {
        if (_root.Keys.FirstOrDefault(key => !ReferenceScoreKeys.All.Contains(key)) is string unknown)
        {
            throw Fault($"a score file of the reference has no {CheckpointFormatException.Quote(unknown)}");
        }

        try
        {
            ReferenceScores scores = new()
            {
                Scores = new ImportanceScores(Matrix(ReferenceScoreKeys.Neurons), Matrix(ReferenceScoreKeys.Heads)),
                Floors = new KeepFloors(Number(ReferenceScoreKeys.NeuronFloor), Number(ReferenceScoreKeys.HeadFloor)),
                ModelType = ModelType(),
                Mlp = Mlp(),
                Width = Size(ReferenceScoreKeys.Width),
                HeadDim = Size(ReferenceScoreKeys.HeadDim),
                Metadata = Take<IReadOnlyDictionary<string, object?>>(ReferenceScoreKeys.Metadata),
            };
            RequireSize(ReferenceScoreKeys.Depth, scores.Scores.Depth);
            RequireSize(ReferenceScoreKeys.Hidden, scores.Scores.Counts[0][Axis.Neurons]);
            RequireSize(ReferenceScoreKeys.HeadCount, scores.Scores.Counts[0][Axis.Heads]);
            return scores;
        }
        catch (Exception exception) when (exception is ArgumentException or SnapViTException and not CheckpointFormatException)
        {
            throw new CheckpointFormatException(_archive.Path, exception.Message, innerException: exception);
        }
    }

    private CheckpointFormatException Fault(string fault) => new(_archive.Path, fault);

    private T Take<T>(string key) => _root.TryGetValue(key, out object? value) && value is T taken
        ? taken
        : throw Fault($"{key}: expected {Kind(typeof(T))}, found {(value is null ? "nothing" : Kind(value.GetType()))}");

    private static string Kind(Type type) => type == typeof(long) ? "an int"
        : type == typeof(double) ? "a float"
        : type.IsAssignableTo(typeof(IReadOnlyDictionary<string, object?>)) ? "a dict"
        : type.Name;

    private int Size(string key) => Take<long>(key) is long size and > 0 and <= int.MaxValue
        ? (int)size
        : throw Fault($"{key}: expected a positive size, found {Take<long>(key)}");

    private double Number(string key) => _root.GetValueOrDefault(key) is long whole ? whole : Take<double>(key);

    private void RequireSize(string key, int shape)
    {
        if (Size(key) != shape)
        {
            throw Fault($"{key}: expected {shape}, as the scores have it, found {Size(key)}");
        }
    }

    private string ModelType()
    {
        TorchEnumMember member = Take<TorchEnumMember>(ReferenceScoreKeys.ModelType);
        return ReferenceModels.NameOf(member)
            ?? throw Fault($"{ReferenceScoreKeys.ModelType}: expected a model of the reference, found {Quoted(member)}");
    }

    private MlpKind Mlp()
    {
        TorchEnumMember member = Take<TorchEnumMember>(ReferenceScoreKeys.Mlp);
        foreach (MlpKind kind in Enum.GetValues<MlpKind>())
        {
            string name = ReferenceScoreKeys.NameOf(kind);
            if (member.Class == ReferenceScoreKeys.MlpClass && (member.IsName ? name.ToUpperInvariant() : name).Equals(member.Key))
            {
                return kind;
            }
        }

        throw Fault($"{ReferenceScoreKeys.Mlp}: expected standard or swiglu, found {Quoted(member)}");
    }

    private static string Quoted(TorchEnumMember member) => CheckpointFormatException.Quote($"{member.Class} {member.Key}");

    /// <summary>A matrix without an empty dimension: beside a 0 the other size of a hostile file could be anything.</summary>
    private double[,] Matrix(string key)
    {
        TensorEntry entry = _archive.Tensors.TryGetValue(key, out TensorEntry? found) && found.Shape.Count == 2 && found.ElementCount > 0
            ? found
            : throw Fault($"{key}: expected 2 dimensions, none of them empty, found {found?.ToString() ?? "no tensor"}");
        double[,] matrix = new double[entry.Shape[0], entry.Shape[1]];
        Buffer.BlockCopy(_archive.ReadDoubles(key), 0, matrix, 0, matrix.Length * sizeof(double));
        return matrix;
    }
}

/// <summary>Keys of the reference's score files (its src/inference/importance_scores.py).</summary>
internal static class ReferenceScoreKeys
{
    public const string Neurons = "mlp_scores";
    public const string Heads = "head_scores";
    public const string ModelType = "model_type";
    public const string Mlp = "mlp_architecture";
    public const string Depth = "num_blocks";
    public const string Hidden = "hidden_dim";
    public const string Width = "embed_dim";
    public const string HeadCount = "num_heads";
    public const string HeadDim = "head_dim";
    public const string NeuronFloor = "min_hidden_dim_keep_ratio";
    public const string HeadFloor = "min_head_keep_ratio";
    public const string Metadata = "metadata";
    public const string MlpClass = "MLPArchitecture";

    public static IReadOnlyList<string> All { get; } =
        [Neurons, Heads, ModelType, Mlp, Depth, Hidden, Width, HeadCount, HeadDim, NeuronFloor, HeadFloor, Metadata];

    public static string NameOf(MlpKind mlp) => mlp == MlpKind.SwiGlu ? "swiglu" : "standard";

    /// <summary>What a file says, as text by key.</summary>
    public static SortedDictionary<string, string> Provenance(ReferenceScores scores)
    {
        SortedDictionary<string, string> provenance = new(StringComparer.Ordinal)
        {
            [ModelType] = scores.ModelType,
            [Mlp] = NameOf(scores.Mlp),
            [Width] = Text(scores.Width),
            [HeadDim] = Text(scores.HeadDim),
        };
        foreach ((string key, object? value) in scores.Metadata)
        {
            provenance[$"{Metadata}.{key}"] = Text(value);
        }

        return provenance;
    }

    private static string Text(object? value) => value switch
    {
        null => "none",
        string text => text,
        IReadOnlyDictionary<string, object?> dictionary => string.Join(' ', dictionary.Select(pair => $"{pair.Key}={Text(pair.Value)}")),
        System.Collections.IEnumerable list => string.Join(' ', list.Cast<object?>().Select(Text)),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}

/// <summary>The reference's names of models (its src/models/enums.py): a score file says of which model it is by one of them.</summary>
internal static class ReferenceModels
{
    public const string EnumModule = "src.models.enums";
    public const string EnumClass = "ModelType";

    private static readonly (string Member, string Value)[] Rows =
    [
        ("DEIT_VIT_B_16", "deit-vit-b-16"),
        ("DEIT_3_VIT_H_14", "deit-3-vit-h-14"),
        ("DEIT_3_VIT_L_16", "deit-3-vit-l-16"),
        ("DEIT_3_VIT_B_16", "deit-3-vit-b-16"),
        ("DEIT_3_VIT_S_16", "deit-3-vit-s-16"),
        ("AUGREG_VIT_S_16_IN21K_FT_IN1K", "augreg-vit-s-16-in21k-ft-in1k"),
        ("AUGREG_VIT_B_16_IN21K_FT_IN1K", "augreg-vit-b-16-in21k-ft-in1k"),
        ("AUGREG_VIT_L_16_IN21K_FT_IN1K", "augreg-vit-l-16-in21k-ft-in1k"),
        ("DINO_VIT_S_16", "dino_vits16"),
        ("DINO_VIT_B_16", "dino_vitb16"),
        ("DINO_V3_VIT_B_16", "dinov3_vitb16"),
        ("DINO_V3_VIT_H_16", "dinov3_vith16plus"),
        ("SIGLIP2_VIT_B_16", "siglip2-vit-b16"),
        ("SIGLIP2_VIT_G_16", "siglip2-vit-g16"),
    ];

    /// <summary>All names, such as <c>dino_vitb16</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Rows.Select(row => row.Value)];

    /// <summary>The member that a file holds, by value or by member name, as the reference's name; null for no model of its.</summary>
    public static string? NameOf(TorchEnumMember member) => (member.Module, member.Class) != (EnumModule, EnumClass)
        ? null
        : Rows.Where(row => member.IsName ? row.Member.Equals(member.Key) : row.Value.Equals(member.Key))
            .Select(row => row.Value)
            .FirstOrDefault();
}
