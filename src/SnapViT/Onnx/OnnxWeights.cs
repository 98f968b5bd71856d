using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Onnx;

/// <summary>The tensors of a model as values of a graph, each stored once.</summary>
/// <param name="graph">The graph.</param>
/// <param name="precision">How weights of linear layers and convolutions are stored.</param>
/// <param name="storeOf">Where the tensors go that are made of the weight of that canonical name.</param>
internal sealed class OnnxWeights(OnnxGraph graph, OnnxPrecision precision, Func<string, ITensorStore> storeOf)
{
    private const double LargestHalf = 65504;

    /// <summary>A bias, scale or token, flat: float32 in every precision.</summary>
    /// <param name="name">Its canonical name.</param>
    /// <param name="values">Its values, of any shape.</param>
    /// <param name="heads">How they belong to heads; null where they do not.</param>
    public string Vector(string name, Tensor values, HeadRows? heads = null)
    {
        using Tensor flat = values.reshape(-1);
        return Store(name, name, flat, ScalarType.Float32, heads);
    }

    /// <summary>A table that is computed from the architecture and from weights that are never pruned.</summary>
    /// <param name="name">A name that no weight has.</param>
    /// <param name="values">Computes it, when the graph does not have it yet.</param>
    public string Table(string name, Func<Tensor> values)
    {
        if (graph.Has(name))
        {
            return name;
        }

        using DisposeScope scope = NewDisposeScope();
        return Store(name, name, values(), ScalarType.Float32);
    }

    /// <summary>
    /// The weight of a linear layer or the kernel of a convolution, in the precision of the graph and float32 again where it is used.
    /// </summary>
    /// <param name="source">Its canonical name.</param>
    /// <param name="values">Its values in the layout of the graph.</param>
    /// <param name="outputs">The dimension of the output channels.</param>
    /// <param name="suffix">What its name in the graph adds to the canonical one.</param>
    /// <param name="heads">How its rows, of whatever they are, belong to heads; null where they do not.</param>
    /// <exception cref="SnapViTException">A value is beyond half precision, in which it is to be stored.</exception>
    public string Matrix(string source, Tensor values, int outputs, string suffix = "", HeadRows? heads = null)
    {
        string name = source + suffix;
        return precision switch
        {
            OnnxPrecision.Float32 => Store(source, name, values, ScalarType.Float32, heads),
            OnnxPrecision.Float16 => graph.Node(
                "Cast",
                [Store(source, name, RequireHalf(name, values), ScalarType.Float16, heads)],
                OnnxAttribute.Int("to", (long)TensorProto.Types.DataType.Float)),
            OnnxPrecision.Int8 => Quantised(source, name, values, outputs, heads),
            _ => throw new InvalidOperationException($"unknown precision {precision}"),
        };
    }

    private string Quantised(string source, string name, Tensor values, int outputs, HeadRows? heads)
    {
        (Tensor integers, Tensor scales) = ChannelQuantisation.Of(values, outputs);
        return graph.Node(
            "DequantizeLinear",
            [
                Store(source, name, integers, ScalarType.Int8, heads),
                Store(source, name + ".scale", scales, ScalarType.Float32, outputs == 0 ? heads : null),
            ],
            OnnxAttribute.Int("axis", outputs));
    }

    private string Store(string source, string name, Tensor values, ScalarType type, HeadRows? heads = null)
    {
        TensorType stored = type switch
        {
            ScalarType.Int8 => TensorType.Int8,
            ScalarType.Float16 => TensorType.Float16,
            _ => TensorType.Float32,
        };
        TensorToWrite tensor = new(name, stored, heads?.Shape(values.shape) ?? values.shape, stream =>
        {
            using Tensor cast = values.to(type, CPU);
            using Tensor contiguous = cast.contiguous();
            stream.Write(contiguous.bytes);
        });
        TensorProto placed = storeOf(source).Place(tensor, isOfHeads: heads is not null);
        return heads?.Take(graph, placed) ?? graph.Initializer(placed);
    }

    private static Tensor RequireHalf(string name, Tensor values)
    {
        double largest = values.numel() == 0 ? 0 : values.to(ScalarType.Float32).abs().max().item<float>();
        return largest <= LargestHalf
            ? values
            : throw new SnapViTException(
                ErrorKind.Numbers,
                $"{name}: expected values within half precision (up to {LargestHalf}), found {largest:G4}; write float32");
    }
}

/// <summary>
/// How the rows of a weight or bias belong to heads, and which of them a graph wants. The rows of a head stand together, its parts
/// (queries, keys, values) one after the other; of every part the first rows are kept. Heads may be stored whole, for graphs that keep
/// fewer rows to share them.
/// </summary>
/// <param name="Heads">Heads, A.</param>
/// <param name="Rows">Rows of one head that are kept, of every part.</param>
/// <param name="WholeRows">Rows of every part in the unpruned model, d.</param>
internal sealed record HeadRows(long Heads, IReadOnlyList<int> Rows, int WholeRows)
{
    /// <summary>The first part that is wanted.</summary>
    public int First { get; init; }

    /// <summary>The part behind the last one that is wanted.</summary>
    public int End { get; init; } = Rows.Count;

    /// <summary>The shape [A, rows of a head, ...] of a tensor [A * rows of a head, ...].</summary>
    public long[] Shape(long[] flat) => [Heads, Rows.Sum(), .. flat.Skip(1)];

    /// <summary>
    /// The rows that are wanted of a stored tensor, [A * wanted rows of a head, ...]: the tensor as it is where that is all of it, else
    /// pieces of a constant, which engines put together once.
    /// </summary>
    public string Take(OnnxGraph graph, TensorProto stored)
    {
        long[] rest = [.. stored.Dims.Skip(2)];
        bool isWhole = stored.Dims[1] != Rows.Sum();
        if (!isWhole && First == 0 && End == Rows.Count)
        {
            long rows = stored.Dims[0] * stored.Dims[1];
            stored.Dims.Clear();
            stored.Dims.AddRange([rows, .. rest]);
            return graph.Initializer(stored);
        }

        string all = graph.Initializer(stored);
        List<string> parts = [];
        for (int part = First; part < End; part++)
        {
            long start = isWhole ? (long)part * WholeRows : Rows.Take(part).Sum();
            parts.Add(graph.Slice(all, axis: 1, start, start + Rows[part]));
        }

        string wanted = parts.Count == 1 ? parts[0] : graph.Concat(1, parts);
        return graph.Reshape(wanted, [-1, .. rest]);
    }
}
