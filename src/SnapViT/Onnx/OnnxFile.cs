using System.Globalization;
using Google.Protobuf;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Onnx;

/// <summary>An input or output of a graph.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Type of its elements, such as <c>float32</c>.</param>
/// <param name="Shape">Its dimensions: a number, a name, or <c>?</c>.</param>
internal sealed record OnnxValue(string Name, string Type, IReadOnlyList<string> Shape)
{
    /// <summary>Such as <c>images: float32 [batch, 3, 224, 224]</c>.</summary>
    public override string ToString() => $"{Name}: {Type} [{string.Join(", ", Shape)}]";
}

/// <summary>What an ONNX file says about itself, of whatever program it is.</summary>
internal sealed class OnnxFile
{
    private const int Examined = 9;

    /// <summary>The numbers of the standard for types of elements.</summary>
    private static readonly Dictionary<int, string> Types = new()
    {
        [1] = "float32", [2] = "uint8", [3] = "int8", [4] = "uint16", [5] = "int16",
        [6] = "int32", [7] = "int64", [8] = "string", [9] = "bool",
        [10] = "float16", [11] = "float64", [12] = "uint32", [13] = "uint64", [16] = "bfloat16",
    };

    private OnnxFile(ModelProto model)
    {
        GraphProto graph = model.Graph;
        HashSet<string> weights = [.. graph.Initializer.Select(tensor => tensor.Name)];
        Producer = $"{model.ProducerName} {model.ProducerVersion}".Trim();
        Opset = model.OpsetImport.FirstOrDefault(set => set.Domain is "" or "ai.onnx")?.Version ?? 0;
        Nodes = graph.Node.Count;
        Inputs = [.. graph.Input.Where(input => !weights.Contains(input.Name)).Select(Value)];
        Outputs = [.. graph.Output.Select(Value)];
        Metadata = model.MetadataProps.DistinctBy(pair => pair.Key).ToDictionary(pair => pair.Key, pair => pair.Value);
        Weights = graph.Initializer.Sum(Elements);
        Precision = graph.Initializer.GroupBy(tensor => tensor.DataType).MaxBy(group => group.Sum(Elements)) is { } most
            ? TypeName(most.Key)
            : "none";
        DataFiles = [.. graph.Initializer.SelectMany(tensor => tensor.ExternalData)
            .Where(pair => pair.Key == "location").Select(pair => pair.Value).Distinct()];
    }

    /// <summary>The program that wrote it, with its version; empty where it does not say.</summary>
    public string Producer { get; }

    /// <summary>Version of the operator set; 0 where it does not say.</summary>
    public long Opset { get; }

    /// <summary>Nodes of the graph.</summary>
    public int Nodes { get; }

    /// <summary>What it takes.</summary>
    public IReadOnlyList<OnnxValue> Inputs { get; }

    /// <summary>What it gives.</summary>
    public IReadOnlyList<OnnxValue> Outputs { get; }

    /// <summary>Free text by key.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Values of all weights.</summary>
    public long Weights { get; }

    /// <summary>The type that most of them have.</summary>
    public string Precision { get; }

    /// <summary>Files beside the graph in which weights stand.</summary>
    public IReadOnlyList<string> DataFiles { get; }

    /// <summary>Whether a file is an ONNX graph, by its name or its first bytes.</summary>
    public static bool IsOne(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        if (Path.GetExtension(path).Equals(".onnx", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        byte[] start = new byte[Examined];
        using FileStream stream = File.OpenRead(path);
        return stream.ReadAtLeast(start, Examined, throwOnEndOfStream: false) == Examined
            && start[0] == 8 && start[1] is > 0 and < 32 && start[2] is 0x12 or 0x3a && start[Examined - 1] != '{';
    }

    /// <summary>Reads a graph.</summary>
    /// <exception cref="CheckpointFormatException">It is damaged, or no ONNX graph.</exception>
    public static OnnxFile Read(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            ModelProto model = ModelProto.Parser.ParseFrom(stream);
            return model.Graph is { Output.Count: > 0 }
                ? new OnnxFile(model)
                : throw new CheckpointFormatException(path, "expected an ONNX graph with outputs, found none");
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw new CheckpointFormatException(
                path,
                $"expected an ONNX graph, found damaged or other data ({exception.Message.ReplaceLineEndings(" ")})",
                innerException: exception);
        }
    }

    private static long Elements(TensorProto tensor) => tensor.Dims.Aggregate(1L, (product, side) => product * side);

    private static string TypeName(TensorProto.Types.DataType type) =>
        Types.GetValueOrDefault((int)type, string.Create(CultureInfo.InvariantCulture, $"type {(int)type}"));

    private static OnnxValue Value(ValueInfoProto info) => new(
        info.Name,
        info.Type?.TensorType is { } tensor ? TypeName(tensor.ElemType) : "no tensor",
        [.. (info.Type?.TensorType?.Shape?.Dim ?? []).Select(dimension => dimension.ValueCase switch
        {
            TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue => dimension.DimValue.ToString(CultureInfo.InvariantCulture),
            TensorShapeProto.Types.Dimension.ValueOneofCase.DimParam => dimension.DimParam,
            _ => "?",
        })]);
}
