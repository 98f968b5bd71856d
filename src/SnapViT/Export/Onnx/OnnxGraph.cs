using System.Globalization;
using System.Runtime.InteropServices;
using Google.Protobuf;

namespace SnapViT.Export.Onnx;

/// <summary>A graph under construction. Values are named; every method that adds a node gives the name of its result.</summary>
internal sealed partial class OnnxGraph
{
    /// <summary>The operator set: the first with LayerNormalization, known to ONNX Runtime since 1.12 (2022).</summary>
    public const int Opset = 17;

    private const int IrVersion = 8;
    private const string Batch = "batch";

    private readonly GraphProto _graph = new() { Name = "vision_transformer" };
    private readonly HashSet<string> _initializers = [];

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
    public string Node(string operation, IEnumerable<string> inputs, params ReadOnlySpan<AttributeProto> attributes) => Nodes(operation, 1, inputs, attributes)[0];

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
    private string Integers(params ReadOnlySpan<long> values)
    {
        return Initializer(new TensorProto
        {
            Name = $"integers.{string.Join('_', values.ToArray())}",
            DataType = TensorProto.Types.DataType.Int64,
            Dims = { values.Length },
            RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(values)),
        });
    }

    /// <summary>A float32 scalar inside the graph, named by what it is.</summary>
    private string Number(double value) => Initializer(new TensorProto
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
}
