using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Fuzz;

/// <summary>
/// Files of this program with other values in their JSON or in their headers: models with a config, scores, latency tables.
/// </summary>
internal static class OwnFiles
{
    private const string Weights = "model.pt";

    private static readonly string Config = new ModelConfig
    {
        Architecture = FuzzInput.Architecture,
        Heads = [2, 2],
        Neurons = [12, 12],
        Preprocessing = Preprocessing.Named("reference", FuzzInput.Architecture.ImageSize),
        Provenance = new Dictionary<string, string> { ["seed"] = "1" },
    }.ToJson();

    private static readonly byte[] Scores = FuzzInput.Bytes(path => new ElasticScores(
        new ImportanceScores(Matrix(FuzzInput.Architecture.MlpDim), Matrix(FuzzInput.Architecture.Heads)),
        ScoreCoefficients.Initial(FuzzInput.Architecture.FullWidths),
        new KeepFloors(),
        new Dictionary<string, string> { [ElasticScores.Criterion] = "curvature" })
    {
        Moments = new StoredMoments(2, [Moments(8), Moments(8)], [Moments(12), Moments(12)]),
    }.Save(path));

    private static readonly string Latencies = Encoding.UTF8.GetString(FuzzInput.Bytes(path => LatencyTableFile.Save(path, new LatencyTable(
        new LatencyConditions
        {
            Architecture = FuzzInput.Architecture, Precision = "fp32", Device = "cpu", Threads = 2, Batch = 1, Machine = "m", Runtime = "r",
        },
        5,
        AxisTable.Rows.ToDictionary(
            row => row.Axis, row => new LatencyCurve([(0, 1.0), (Math.Max(1, row.Count(FuzzInput.Architecture)), 2.0)]))))));

    /// <summary>Makes an input.</summary>
    public static FuzzInput Create(SeededRandom random) => random.NextInt(4) switch
    {
        0 => InMetadata(random),
        1 => new(
            "config of this program beside its model",
            [(Weights, FuzzInput.Torch), (ModelFile.ConfigPath(Weights), Encoding.UTF8.GetBytes(Changed(Config, random)))],
            FuzzInput.Values),
        2 => new("scores", [("scores.safetensors", FuzzInput.Damaged(Scores, HeaderLength(Scores), random))], Expected: null)
        {
            Target = FuzzTarget.Scores,
        },
        _ => new("latency table", [("latency.json", Encoding.UTF8.GetBytes(Changed(Latencies, random)))], Expected: null)
        {
            Target = FuzzTarget.LatencyTable,
        },
    };

    private static FuzzInput InMetadata(SeededRandom random)
    {
        Dictionary<string, string> metadata = new() { ["format"] = "pt", [ModelConfig.MetadataKey] = Changed(Config, random) };
        TensorToWrite[] tensors =
            [.. FuzzInput.Shapes.Select(tensor => TensorToWrite.From(tensor.Name, FuzzInput.Values[tensor.Name]!, tensor.Shape))];
        byte[] model = FuzzInput.Bytes(path => SafetensorsWriter.Write(path, tensors, metadata));
        return new FuzzInput("config of this program in its model", [("model.safetensors", model)], FuzzInput.Values);
    }

    private static string Changed(string json, SeededRandom random)
    {
        for (int i = 1 + random.NextInt(2); i > 0 && json.Contains(':', StringComparison.Ordinal); i--)
        {
            json = FuzzInput.WithOtherValue(json, random);
        }

        return json;
    }

    private static int HeaderLength(byte[] safetensors) => 8 + (int)BitConverter.ToUInt64(safetensors);

    private static double[,] Matrix(int width)
    {
        double[,] matrix = new double[FuzzInput.Architecture.Depth, width];
        for (int i = 0; i < matrix.Length; i++)
        {
            matrix[i / width, i % width] = i;
        }

        return matrix;
    }

    private static StoredLayerMoments Moments(int inputs) => new(new double[inputs], 10, covariance => covariance.Fill(1));
}
