using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>Multi-head self-attention of one block over the heads that it keeps.</summary>
internal sealed class AttentionPart(ViTWeights weights, BlockSpec block)
{
    private readonly ViTArchitecture _architecture = weights.Architecture;
    private readonly AttentionSpec _spec = block.Attention;

    /// <summary>Queries, keys and values in one layer: weight [A, 3, d, D], bias [A, 3, d].</summary>
    public LinearLayer Qkv { get; } = new(weights, block.Attention.Qkv);

    /// <summary>The output projection.</summary>
    public LinearLayer Proj { get; } = new(weights, block.Attention.Proj);

    /// <summary>Whether no head is left; the branch is then the bias of <see cref="Proj"/> alone.</summary>
    public bool IsEmpty => _spec.Heads == 0;

    /// <summary>Tokens after the norm, [B, N, D] to [B, N, D].</summary>
    /// <param name="x">Tokens.</param>
    /// <param name="rotary">Rotary positions; null where the model has none.</param>
    /// <param name="hook">Sees the linear layers; null for none.</param>
    public Tensor Forward(Tensor x, RotaryPart? rotary, IForwardHook? hook)
    {
        using DisposeScope scope = NewDisposeScope();
        long batch = x.shape[0], tokens = x.shape[1], heads = _spec.Heads, width = _architecture.HeadDim;
        Tensor input = x.to(Qkv.Weight.dtype);
        Tensor qkv = Qkv.Forward(input);
        hook?.Observe(block.Block, BlockLinear.Qkv, input, qkv);
        Tensor headMajor = qkv.view(batch, tokens, heads, 3, width);
        Tensor[] parts = [.. Enumerable.Range(0, 3).Select(part => headMajor.select(3, part).transpose(1, 2))];
        Tensor queries = rotary?.Forward(parts[0]) ?? parts[0], keys = rotary?.Forward(parts[1]) ?? parts[1];
        Tensor mixed = ScaledDotProduct.Attend(queries, keys, parts[2]).transpose(1, 2).reshape(batch, tokens, heads * width);
        Tensor output = Proj.Forward(mixed);
        hook?.Observe(block.Block, BlockLinear.Proj, mixed, output);
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>Tokens after the norm, rows [batch*N, D] to [batch*N, D].</summary>
    public string Forward(OnnxGraph graph, string x, RotaryPart? rotary)
    {
        long tokens = _architecture.Tokens, heads = _spec.Heads, width = _architecture.HeadDim;
        string headMajor = graph.Reshape(Qkv.Forward(graph, x), -1, tokens, heads, 3, width);
        string[] parts = graph.Split(graph.Transpose(headMajor, 3, 0, 2, 1, 4), axis: 0, parts: 3);
        string queries = rotary?.Forward(graph, parts[0]) ?? parts[0], keys = rotary?.Forward(graph, parts[1]) ?? parts[1];
        string mixed = ScaledDotProduct.Attend(graph, queries, keys, parts[2], width);
        return Proj.Forward(graph, graph.Reshape(graph.Transpose(mixed, 0, 1, 3, 2, 4), -1, heads * width));
    }

    /// <summary>The rows of the values of all heads of a weight [A, 3, d, D], as [A*d, D].</summary>
    public static Tensor Values(Tensor qkvWeight) => qkvWeight.select(1, 2).reshape(-1, qkvWeight.shape[^1]);
}
