using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>
/// One pre-norm block: <c>x + ls1 attention(norm1 x)</c>, then <c>x + ls2 mlp(norm2 x)</c>. A branch without heads or neurons is its bias
/// alone.
/// </summary>
internal sealed class BlockPart(ViTWeights weights, BlockSpec spec)
{
    private readonly NormLayer _norm1 = new(weights, spec.Norm1);
    private readonly NormLayer _norm2 = new(weights, spec.Norm2);
    private readonly ResidualPart _residual1 = new(weights, spec.LayerScale1);
    private readonly ResidualPart _residual2 = new(weights, spec.LayerScale2);

    /// <summary>Attention.</summary>
    public AttentionPart Attention { get; } = new(weights, spec);

    /// <summary>The MLP.</summary>
    public MlpPart Mlp { get; } = new(weights, spec.Mlp);

    /// <summary>The layers whose inputs pruning removes, in the order of the forward pass.</summary>
    public IEnumerable<LinearLayer> PrunedInputs => spec.PrunedInputs.Select(layer => this[layer.Layer!.Value]);

    /// <summary>One of its linear layers.</summary>
    public LinearLayer this[BlockLinear layer] => layer switch
    {
        BlockLinear.Qkv => Attention.Qkv,
        BlockLinear.Proj => Attention.Proj,
        BlockLinear.Fc1 => Mlp.First,
        BlockLinear.Fc2 => Mlp.Last,
        _ => throw new ArgumentOutOfRangeException(nameof(layer), layer, "no linear layer of a block"),
    };

    /// <summary>Tokens [B, N, D] to [B, N, D].</summary>
    /// <param name="x">Tokens.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    /// <param name="hook">Sees the linear layers; null for none.</param>
    public Tensor Forward(Tensor x, RotaryPart? rotary, IForwardHook? hook)
    {
        using DisposeScope scope = NewDisposeScope();
        x = _residual1.Forward(x, Attention.IsEmpty ? Attention.Proj.Bias! : Attention.Forward(_norm1.Forward(x), rotary, hook));
        return _residual2.Forward(x, Mlp.IsEmpty ? Mlp.Last.Bias! : Mlp.Forward(_norm2.Forward(x), hook)).MoveToOuterDisposeScope();
    }

    /// <summary>Rows [batch*N, D] to [batch*N, D].</summary>
    public string Forward(OnnxGraph graph, string x, RotaryPart? rotary)
    {
        x = _residual1.Forward(
            graph, x,
            Attention.IsEmpty
                ? Attention.Proj.OnnxBias(graph)
                : Attention.Forward(graph, _norm1.Forward(graph, x), rotary));
        return _residual2.Forward(graph, x, Mlp.IsEmpty ? Mlp.Last.OnnxBias(graph) : Mlp.Forward(graph, _norm2.Forward(graph, x)));
    }
}

/// <summary>What adds a branch to the residual stream, scaled per channel where the model has LayerScale.</summary>
internal sealed class ResidualPart(ViTWeights weights, ParameterSpec? layerScale)
{
    private readonly Tensor? _scale = weights.Find(layerScale);

    /// <summary><c>x + scale branch</c>.</summary>
    public Tensor Forward(Tensor x, Tensor branch) => x.Plus(_scale is null ? branch : branch * _scale);

    /// <summary><c>x + scale branch</c>.</summary>
    public string Forward(OnnxGraph graph, string x, string branch) =>
        graph.Add(x, _scale is null ? branch : graph.Multiply(branch, graph.Weights.Vector(layerScale!.Name, _scale)));
}
