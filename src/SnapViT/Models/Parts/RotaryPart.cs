using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>
/// Rotary positions of queries and keys: <c>x cos + (-x2, x1) sin</c> of the halves x1, x2 of every patch token; of sorted pairs, whose two
/// dimensions are side by side, the same pair by pair. Owns its tables.
/// </summary>
internal sealed class RotaryPart : IDisposable
{
    private readonly int _prefixTokens;
    private readonly (Tensor Cos, Tensor Sin)[]? _ofBlocks;

    /// <summary>Computes the tables.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="device">Where they are kept.</param>
    /// <param name="pairs">The pairs of every block in the order of its queries and keys; null where they lie as published.</param>
    public RotaryPart(ViTArchitecture architecture, Device device, IReadOnlyList<IReadOnlyList<int>>? pairs = null)
    {
        using DisposeScope scope = NewDisposeScope();
        _prefixTokens = architecture.PrefixTokens;
        Tensor angles = tensor(RotarySpec.Angles(architecture), [architecture.Patches, architecture.HeadDim], device: device);
        (Cos, Sin) = (angles.cos().DetachFromDisposeScope(), angles.sin().DetachFromDisposeScope());
        _ofBlocks = pairs is null ? null : [.. pairs.Select(order => (OfPairs(Cos, order), OfPairs(Sin, order)))];

        Tensor OfPairs(Tensor table, IReadOnlyList<int> order) => table
            .index_select(1, tensor(order.SelectMany(pair => new long[] { pair, pair }).ToArray(), device: device))
            .DetachFromDisposeScope();
    }

    /// <summary>Cosines, [P, d].</summary>
    public Tensor Cos { get; }

    /// <summary>Sines, [P, d].</summary>
    public Tensor Sin { get; }

    /// <summary>Rotates the patch tokens of queries or keys [B, A, N, d]; prefix tokens stay as they are.</summary>
    /// <param name="x">Queries or keys of the first tokens of the stream.</param>
    /// <param name="stream">Says which patch's position a token has.</param>
    /// <param name="block">The block, which may have pairs of its own.</param>
    public Tensor Forward(Tensor x, TokenStream stream, int block)
    {
        using DisposeScope scope = NewDisposeScope();
        long patches = x.shape[2] - _prefixTokens, width = x.shape[3];
        if (patches <= 0)
        {
            return x.alias().MoveToOuterDisposeScope();
        }

        (Tensor cos, Tensor sin) = Tables(block, width);
        if (stream.Positions is Tensor positions)
        {
            Tensor ofPatches = positions.narrow(1, _prefixTokens, patches).reshape(-1);
            (cos, sin) = (Selected(cos), Selected(sin));

            Tensor Selected(Tensor table) => table.index_select(0, ofPatches).view(x.shape[0], 1, patches, -1);
        }

        Tensor before = x.narrow(2, 0, _prefixTokens);
        Tensor patch = x.narrow(2, _prefixTokens, patches).to(ScalarType.Float32);
        Tensor rotated = (patch * cos).Plus(Turned(patch) * sin).to(x.dtype);
        return cat([before, rotated], 2).MoveToOuterDisposeScope();
    }

    /// <summary>Rotates the tokens of queries or keys [batch, A, M, d]; prefix tokens turn by an angle of 0.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Queries or keys of the first tokens of the stream.</param>
    /// <param name="stream">Says which place in the image a token has.</param>
    /// <param name="count">How many tokens they are, M: all, or prefix tokens only.</param>
    /// <param name="block">The block, which may have pairs of its own.</param>
    /// <param name="width">Dimensions of a head's queries and keys, d or those of the kept pairs.</param>
    public string Forward(OnnxGraph graph, string x, GraphTokens stream, long count, int block, int width)
    {
        if (count <= _prefixTokens)
        {
            return x;
        }

        string cosines = OfTokens(Table("rope.cos", () => cat([Still(width).cos(), Tables(block, width).Cos], 0)));
        string sines = OfTokens(Table("rope.sin", () => cat([Still(width).sin(), Signed(Tables(block, width).Sin)], 0)));
        string[] halves = graph.Split(_ofBlocks is null ? x : graph.Reshape(x, -1, 2), axis: -1, parts: 2);
        string swapped = graph.Concat(-1, halves[1], halves[0]);
        swapped = _ofBlocks is null ? swapped : graph.Node("Reshape", [swapped, graph.Node("Shape", [x])]);
        return graph.Add(graph.Multiply(x, cosines), graph.Multiply(swapped, sines));

        // Tables of sorted pairs are stored with a row per dimension, so that those of fewer pairs are the first rows.
        string Table(string name, Func<Tensor> values) => _ofBlocks is null
            ? graph.Weights.Table(name, values)
            : graph.Transpose(graph.Weights.Table($"{name}.{block}", () => values().t()), 1, 0);
        string OfTokens(string table) => stream.Places is null
            ? table
            : graph.Reshape(graph.Node("Gather", [table, stream.Places]), -1, 1, count, width);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((Tensor cos, Tensor sin) in (_ofBlocks ?? []).Append((Cos, Sin)))
        {
            cos.Dispose();
            sin.Dispose();
        }
    }

    private Tensor Still(long width) => zeros(_prefixTokens, width, device: Cos.device);

    private (Tensor Cos, Tensor Sin) Tables(int block, long width) => _ofBlocks is null
        ? (Cos, Sin)
        : (_ofBlocks[block].Cos.narrow(1, 0, width), _ofBlocks[block].Sin.narrow(1, 0, width));

    /// <summary>(-x2, x1) of both dimensions of every pair.</summary>
    private Tensor Turned(Tensor x)
    {
        if (_ofBlocks is null)
        {
            Tensor[] halves = x.chunk(2, -1);
            return cat([halves[1].neg(), halves[0]], -1);
        }

        Tensor pairs = x.reshape([.. x.shape[..^1], -1, 2]);
        return stack([pairs.select(-1, 1).neg(), pairs.select(-1, 0)], -1).reshape(x.shape);
    }

    /// <summary>The sign of the turn, which rotating (x2, x1) instead of (-x2, x1) leaves to the table.</summary>
    private Tensor Signed(Tensor sin)
    {
        if (_ofBlocks is not null)
        {
            Tensor pairs = sin.reshape(sin.shape[0], -1, 2);
            return stack([pairs.select(-1, 0).neg(), pairs.select(-1, 1)], -1).reshape(sin.shape);
        }

        Tensor[] halves = sin.chunk(2, 1);
        return cat([halves[0].neg(), halves[1]], 1);
    }
}
