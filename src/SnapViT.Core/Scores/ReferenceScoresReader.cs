using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;

namespace SnapViT.Core.Scores;

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
                Floors = new KeepFloors(Number(ReferenceScoreKeys.NeuronFloor), Number(ReferenceScoreKeys.HeadFloor)).Validated(),
                ModelType = ModelType(),
                Mlp = Mlp(),
                Width = Size(ReferenceScoreKeys.Width),
                HeadDim = Size(ReferenceScoreKeys.HeadDim),
                Metadata = Take<IReadOnlyDictionary<string, object?>>(ReferenceScoreKeys.Metadata),
            };
            RequireSize(ReferenceScoreKeys.Depth, scores.Scores.Depth);
            RequireSize(ReferenceScoreKeys.Hidden, scores.Scores.NeuronsPerBlock);
            RequireSize(ReferenceScoreKeys.HeadCount, scores.Scores.HeadsPerBlock);
            return scores;
        }
        catch (ArgumentException exception)
        {
            throw new CheckpointFormatException(_archive.Path, exception.Message, innerException: exception);
        }
    }

    private CheckpointFormatException Fault(string fault) => new(_archive.Path, fault);

    private T Take<T>(string key) => _root.TryGetValue(key, out object? value) && value is T taken
        ? taken
        : throw Fault($"{key}: expected {Kind(typeof(T))}, found {(value is null ? "nothing" : Kind(value.GetType()))}");

    private static string Kind(Type type) => type == typeof(long) ? "an int" : type == typeof(double) ? "a float" : type.IsAssignableTo(typeof(IReadOnlyDictionary<string, object?>)) ? "a dict" : type.Name;

    private int Size(string key) => Take<long>(key) is long size and > 0 and <= int.MaxValue ? (int)size : throw Fault($"{key}: expected a positive size, found {Take<long>(key)}");

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
        return ReferenceModels.NameOf(member) ?? throw Fault($"{ReferenceScoreKeys.ModelType}: expected a model of the reference, found {CheckpointFormatException.Quote($"{member.Class} {member.Key}")}");
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

        throw Fault($"{ReferenceScoreKeys.Mlp}: expected standard or swiglu, found {CheckpointFormatException.Quote($"{member.Class} {member.Key}")}");
    }

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
