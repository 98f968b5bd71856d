using System.Globalization;
using System.Runtime.InteropServices;
using Google.Protobuf;

namespace SnapViT.Onnx;

/// <summary>A graph under construction. Values are named; every method that adds a node gives the name of its result.</summary>
internal sealed class OnnxGraph
{
    /// <summary>The operator set: the first with LayerNormalization, known to ONNX Runtime since 1.12 (2022).</summary>
    public const int Opset = 17;

    private const int IrVersion = 8;
    private const string Batch = "batch";

    private readonly GraphProto _graph = new() { Name = "vision_transformer" };
    private readonly HashSet<string> _initializers = [];

    /// <summary>An empty graph.</summary>
    /// <param name="precision">How weights are stored.</param>
    /// <param name="storeOf">Where the tensors go that are made of the weight of that canonical name.</param>
    public OnnxGraph(OnnxPrecision precision, Func<string, ITensorStore> storeOf) => Weights = new OnnxWeights(this, precision, storeOf);

    /// <summary>The model's tensors as values of this graph.</summary>
    public OnnxWeights Weights { get; }

    /// <summary>Whether a tensor of that name is part of the graph.</summary>
    public bool Has(string initializer) => _initializers.Contains(initializer);

    /// <summary>A float32 input [batch, ...].</summary>
    public string Input(string name, params ReadOnlySpan<long> shape)
    {
        _graph.Input.Add(Info(name, shape));
        return name;
    }

    /// <summary>A float32 output [batch, ...] under a name of its own.</summary>
    public void Output(string name, string value, params ReadOnlySpan<long> shape)
    {
        _graph.Node.Add(new NodeProto { OpType = "Identity", Name = name, Input = { value }, Output = { name } });
        _graph.Output.Add(Info(name, shape));
    }

    /// <summary>A tensor that is part of the graph; the same name is added once.</summary>
    public string Initializer(TensorProto tensor)
    {
        if (_initializers.Add(tensor.Name))
        {
            _graph.Initializer.Add(tensor);
        }

        return tensor.Name;
    }

    /// <summary>A node with one result.</summary>
    public string Node(string operation, IEnumerable<string> inputs, params ReadOnlySpan<AttributeProto> attributes) =>
        Nodes(operation, 1, inputs, attributes)[0];

    /// <summary>A node with several results.</summary>
    public string[] Nodes(string operation, int results, IEnumerable<string> inputs, params ReadOnlySpan<AttributeProto> attributes)
    {
        string name = $"{operation}_{_graph.Node.Count}";
        NodeProto node = new() { OpType = operation, Name = name };
        node.Input.AddRange(inputs);
        node.Output.AddRange(results == 1 ? [name] : Enumerable.Range(0, results).Select(result => $"{name}.{result}"));
        node.Attribute.AddRange(attributes.ToArray());
        _graph.Node.Add(node);
        return [.. node.Output];
    }

    /// <summary>The finished model.</summary>
    /// <param name="metadata">Free text by key.</param>
    public ModelProto Model(IEnumerable<KeyValuePair<string, string>> metadata)
    {
        ModelProto model = new()
        {
            IrVersion = IrVersion,
            ProducerName = "snapvit",
            ProducerVersion = typeof(OnnxGraph).Assembly.GetName().Version?.ToString(3) ?? "",
            Graph = _graph,
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = Opset } },
        };
        model.MetadataProps.AddRange(metadata.Select(pair => new StringStringEntryProto { Key = pair.Key, Value = pair.Value }));
        return model;
    }

    /// <summary>Integers [n] inside the graph, named by what they are.</summary>
    public string Integers(params ReadOnlySpan<long> values)
    {
        return Initializer(new TensorProto
        {
            Name = $"integers.{string.Join('_', values.ToArray())}",
            DataType = TensorProto.Types.DataType.Int64,
            Dims = { values.Length },
            RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(values)),
        });
    }

    /// <summary>The numbers 0, 1, ... inside the graph, float32 [count].</summary>
    public string Range(int count) => Initializer(new TensorProto
    {
        Name = string.Create(CultureInfo.InvariantCulture, $"range.{count}"),
        DataType = TensorProto.Types.DataType.Float,
        Dims = { count },
        RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes<float>([.. Enumerable.Range(0, count).Select(i => (float)i)])),
    });

    /// <summary>A float32 scalar inside the graph, named by what it is.</summary>
    public string Number(double value) => Initializer(new TensorProto
    {
        Name = string.Create(CultureInfo.InvariantCulture, $"number.{(float)value:R}"),
        DataType = TensorProto.Types.DataType.Float,
        RawData = ByteString.CopyFrom(BitConverter.GetBytes((float)value)),
    });

    private static ValueInfoProto Info(string name, ReadOnlySpan<long> shape)
    {
        TensorShapeProto sizes = new() { Dim = { new TensorShapeProto.Types.Dimension { DimParam = Batch } } };
        foreach (long size in shape)
        {
            sizes.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = size });
        }

        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = TensorProto.Types.DataType.Float, Shape = sizes } },
        };
    }

    public string Add(string a, string b) => Node("Add", [a, b]);

    public string Subtract(string a, string b) => Node("Sub", [a, b]);

    public string Divide(string a, string b) => Node("Div", [a, b]);

    public string Multiply(string a, string b) => Node("Mul", [a, b]);

    /// <summary>float32 to int64.</summary>
    public string Integer(string x) => Node("Cast", [x], OnnxAttribute.Int("to", (long)TensorProto.Types.DataType.Int64));

    public string Multiply(string a, double factor) => Node("Mul", [a, Number(factor)]);

    public string MatMul(string a, string b) => Node("MatMul", [a, b]);

    public string Softmax(string x) => Node("Softmax", [x], OnnxAttribute.Int("axis", -1));

    public string Transpose(string x, params ReadOnlySpan<long> order) => Node("Transpose", [x], OnnxAttribute.Ints("perm", order));

    /// <summary>-1 stands for what is left; the batch is never written as a number.</summary>
    public string Reshape(string x, params ReadOnlySpan<long> shape) => Node("Reshape", [x, Integers(shape)]);

    /// <summary>Equal parts of an axis, which stays with size 1 when there are as many parts as elements.</summary>
    public string[] Split(string x, int axis, int parts) => Nodes("Split", parts, [x], OnnxAttribute.Int("axis", axis));

    /// <summary>Parts of an axis of those sizes.</summary>
    public string[] Split(string x, int axis, params ReadOnlySpan<long> sizes) =>
        Nodes("Split", sizes.Length, [x, Integers(sizes)], OnnxAttribute.Int("axis", axis));

    public string Concat(int axis, params IEnumerable<string> parts) => Node("Concat", parts, OnnxAttribute.Int("axis", axis));

    /// <summary>Elements start..end-1 of an axis, or every so many of them.</summary>
    public string Slice(string x, int axis, long start, long end, long step = 1) => Node(
        "Slice", [x, Integers(start), Integers(end), Integers(axis), .. step == 1 ? [] : new[] { Integers(step) }]);

    /// <summary>Ones of the first dimensions of x, float32.</summary>
    public string Ones(string x, int dimensions) => Node(
        "Expand", [Number(1), Node("Shape", [x], OnnxAttribute.Int("end", dimensions))]);

    /// <summary>Places and values of the largest elements of the last axis, the largest first; of equal ones the first.</summary>
    public (string Values, string Places) Largest(string x, long count) =>
        Nodes("TopK", 2, [x, Integers(count)], OnnxAttribute.Int("axis", -1)) is [string values, string places] ? (values, places)
        : throw new InvalidOperationException("a node with two results has two");

    /// <summary>The elements of x [batch, n] at places [batch, m].</summary>
    public string Gather(string x, string places) => Node("GatherElements", [x, places], OnnxAttribute.Int("axis", 1));

    /// <summary>The rows of x [batch, n, D] at places [batch, m].</summary>
    /// <param name="x">Rows.</param>
    /// <param name="places">Their places.</param>
    /// <param name="count">Rows that are taken, m.</param>
    public string GatherRows(string x, string places, long count) =>
        Node("GatherND", [x, Reshape(places, -1, count, 1)], OnnxAttribute.Int("batch_dims", 1));

    /// <summary>Puts values [batch, m, ...] at places of the same shape into axis 1 of x, or adds them there.</summary>
    public string Scatter(string x, string places, string values, bool add = false) => Node(
        "ScatterElements",
        [x, places, values],
        [OnnxAttribute.Int("axis", 1), .. add ? new[] { OnnxAttribute.String("reduction", "add") } : []]);

    public string Mean(string x, int axis) => Node("ReduceMean", [x], OnnxAttribute.Ints("axes", axis), OnnxAttribute.Int("keepdims", 0));

    /// <summary>Puts rows of zeros before axis 1 of x [batch, rows, D].</summary>
    public string PadRows(string x, int before) => before == 0 ? x : Node("Pad", [x, Integers(0, before, 0, 0, 0, 0)]);

    /// <summary><c>x W + b</c> over rows, W [in, out]; or <c>x W^T + b</c>, W [out, in].</summary>
    public string Gemm(string x, string weight, string? bias, bool transposed) =>
        Node("Gemm", bias is null ? [x, weight] : [x, weight, bias], OnnxAttribute.Int("transB", transposed ? 1 : 0));

    /// <summary>A convolution of x [batch, channels, h, w] whose steps are as long as its kernel.</summary>
    public string Convolution(string x, string kernel, string? bias, long stride) =>
        Node("Conv", bias is null ? [x, kernel] : [x, kernel, bias], OnnxAttribute.Ints("strides", stride, stride));

    public string LayerNorm(string x, string weight, string bias, double epsilon) =>
        Node("LayerNormalization", [x, weight, bias], OnnxAttribute.Int("axis", -1), OnnxAttribute.Float("epsilon", epsilon));

    public string Sigmoid(string x) => Node("Sigmoid", [x]);
}

/// <summary>Attributes of nodes.</summary>
internal static class OnnxAttribute
{
    public static AttributeProto Int(string name, long value) =>
        new() { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = value };

    public static AttributeProto Float(string name, double value) =>
        new() { Name = name, Type = AttributeProto.Types.AttributeType.Float, F = (float)value };

    public static AttributeProto String(string name, string value) =>
        new() { Name = name, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(value) };

    public static AttributeProto Ints(string name, params ReadOnlySpan<long> values)
    {
        AttributeProto attribute = new() { Name = name, Type = AttributeProto.Types.AttributeType.Ints };
        attribute.Ints.AddRange(values.ToArray());
        return attribute;
    }
}
