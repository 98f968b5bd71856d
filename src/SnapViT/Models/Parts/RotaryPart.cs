using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>
/// Rotary positions of queries and keys: <c>x cos + (-x2, x1) sin</c> of the halves x1, x2 of every patch token. Owns its tables.
/// </summary>
internal sealed class RotaryPart : IDisposable
{
    private readonly int _prefixTokens;

    /// <summary>Computes the tables.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="device">Where they are kept.</param>
    public RotaryPart(ViTArchitecture architecture, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        _prefixTokens = architecture.PrefixTokens;
        Tensor angles = tensor(RotarySpec.Angles(architecture), [architecture.Patches, architecture.HeadDim], device: device);
        (Cos, Sin) = (angles.cos().DetachFromDisposeScope(), angles.sin().DetachFromDisposeScope());
    }

    /// <summary>Cosines, [P, d].</summary>
    public Tensor Cos { get; }

    /// <summary>Sines, [P, d].</summary>
    public Tensor Sin { get; }

    /// <summary>Rotates the patch tokens of queries or keys [B, A, N, d]; prefix tokens stay as they are.</summary>
    /// <param name="x">Queries or keys of the first tokens of the stream.</param>
    /// <param name="stream">Says which patch's position a token has.</param>
    public Tensor Forward(Tensor x, TokenStream stream)
    {
        using DisposeScope scope = NewDisposeScope();
        long patches = x.shape[2] - _prefixTokens, half = x.shape[3] / 2;
        if (patches <= 0)
        {
            return x.alias().MoveToOuterDisposeScope();
        }

        (Tensor cos, Tensor sin) = (Cos, Sin);
        if (stream.Positions is Tensor positions)
        {
            Tensor ofPatches = positions.narrow(1, _prefixTokens, patches).reshape(-1);
            (cos, sin) = (Selected(Cos), Selected(Sin));

            Tensor Selected(Tensor table) => table.index_select(0, ofPatches).view(x.shape[0], 1, patches, -1);
        }

        Tensor before = x.narrow(2, 0, _prefixTokens);
        Tensor patch = x.narrow(2, _prefixTokens, patches).to(ScalarType.Float32);
        Tensor turned = cat([patch.narrow(3, half, half).neg(), patch.narrow(3, 0, half)], -1);
        Tensor rotated = (patch * cos).Plus(turned * sin).to(x.dtype);
        return cat([before, rotated], 2).MoveToOuterDisposeScope();
    }

    /// <summary>Rotates the tokens of queries or keys [batch, A, M, d]; prefix tokens turn by an angle of 0.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Queries or keys of the first tokens of the stream.</param>
    /// <param name="stream">Says which place in the image a token has.</param>
    /// <param name="count">How many tokens they are, M: all, or prefix tokens only.</param>
    public string Forward(OnnxGraph graph, string x, GraphTokens stream, long count)
    {
        if (count <= _prefixTokens)
        {
            return x;
        }

        string cosines = OfTokens(graph.Weights.Table("rope.cos", () => cat([Still().cos(), Cos], 0)));
        string sines = OfTokens(graph.Weights.Table("rope.sin", () => cat([Still().sin(), Signed(Sin)], 0)));
        string[] halves = graph.Split(x, axis: -1, parts: 2);
        return graph.Add(graph.Multiply(x, cosines), graph.Multiply(graph.Concat(-1, halves[1], halves[0]), sines));

        string OfTokens(string table) => stream.Places is null
            ? table
            : graph.Reshape(graph.Node("Gather", [table, stream.Places]), -1, 1, count, Cos.shape[1]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cos.Dispose();
        Sin.Dispose();
    }

    private Tensor Still() => zeros(_prefixTokens, Cos.shape[1], device: Cos.device);

    /// <summary>The sign of the turn, which rotating (x2, x1) instead of (-x2, x1) leaves to the table.</summary>
    private static Tensor Signed(Tensor sin)
    {
        Tensor[] halves = sin.chunk(2, 1);
        return cat([halves[0].neg(), halves[1]], 1);
    }
}
