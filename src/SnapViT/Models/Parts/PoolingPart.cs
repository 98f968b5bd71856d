using SnapViT.Core.Architecture;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>How one feature vector is made of the tokens, with the norm that follows it in some models and the projection.</summary>
internal sealed class PoolingPart(ViTWeights weights, ParameterTable table)
{
    private readonly ViTArchitecture _architecture = weights.Architecture;
    private readonly AttentionPoolPart? _attention = table.AttentionPool is null ? null : new(weights, table.AttentionPool);
    private readonly NormLayer? _norm = weights.Architecture.NormAfterPool ? new(weights, table.Norm) : null;
    private readonly LinearLayer? _projection = LinearLayer.Find(weights, table.Output.Projection);

    /// <summary>
    /// Tokens [B, N, D] to features, float32 [B, D] or [B, projection width]. A merged token counts as often as its patches.
    /// </summary>
    public Tensor Forward(TokenStream stream)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = stream.Tokens;
        Tensor pooled = _architecture.Pooling switch
        {
            Pooling.ClassToken => tokens.select(1, 0),
            Pooling.ClassAndDistillation => tokens.narrow(1, 0, 2).mean([1]),
            Pooling.Attention => _attention!.Forward(stream),
            Pooling.AveragePatches => MeanOfPatches(stream),
            _ => throw new InvalidOperationException($"unknown pooling {_architecture.Pooling}"),
        };
        pooled = _norm?.Forward(pooled) ?? pooled;
        pooled = _projection?.Forward(pooled) ?? pooled;
        return pooled.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Tokens to features, [batch, D] or [batch, projection width].</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="stream">Tokens; the pooled ones alone where others are not needed.</param>
    public string Forward(OnnxGraph graph, GraphTokens stream)
    {
        ViTArchitecture a = _architecture;
        string pooled = a.Pooling switch
        {
            Pooling.ClassToken => stream.First(graph, 1).Rows,
            Pooling.ClassAndDistillation => graph.Mean(graph.Slice(stream.Tokens(graph), axis: 1, 0, 2), axis: 1),
            Pooling.Attention => _attention!.Forward(graph, stream),
            Pooling.AveragePatches => MeanOfPatches(graph, stream),
            _ => throw new InvalidOperationException($"unknown pooling {a.Pooling}"),
        };
        pooled = _norm?.Forward(graph, pooled) ?? pooled;
        return _projection?.Forward(graph, pooled) ?? pooled;
    }

    private string MeanOfPatches(OnnxGraph graph, GraphTokens stream)
    {
        ViTArchitecture a = _architecture;
        int prefix = a.PrefixTokens, count = stream.Count;
        string patches = graph.Slice(stream.Tokens(graph), axis: 1, prefix, count);
        if (stream.Sizes is null)
        {
            return graph.Mean(patches, axis: 1);
        }

        string shares = graph.Multiply(graph.Slice(stream.Sizes, axis: 1, prefix, count), 1.0 / a.Patches);
        return graph.Reshape(graph.MatMul(graph.Reshape(shares, -1, 1, count - prefix), patches), -1, a.EmbedDim);
    }

    private Tensor MeanOfPatches(TokenStream stream)
    {
        long prefix = _architecture.PrefixTokens, count = stream.Tokens.shape[1] - prefix;
        Tensor patches = stream.Tokens.narrow(1, prefix, count);
        return stream.Sizes is null
            ? patches.mean([1])
            : (patches * stream.Sizes.narrow(1, prefix, count).unsqueeze(2)).sum(1).Div(_architecture.Patches);
    }
}
