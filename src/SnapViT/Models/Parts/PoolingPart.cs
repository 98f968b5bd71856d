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
    /// <param name="rows">Tokens as rows [batch*N, D].</param>
    /// <param name="tokens">The same as [batch, N, D].</param>
    public string Forward(OnnxGraph graph, string rows, string tokens)
    {
        ViTArchitecture a = _architecture;
        string pooled = a.Pooling switch
        {
            Pooling.ClassToken => graph.Reshape(graph.Slice(tokens, axis: 1, 0, 1), -1, a.EmbedDim),
            Pooling.ClassAndDistillation => graph.Mean(graph.Slice(tokens, axis: 1, 0, 2), axis: 1),
            Pooling.Attention => _attention!.Forward(graph, rows),
            Pooling.AveragePatches => graph.Mean(graph.Slice(tokens, axis: 1, a.PrefixTokens, a.Tokens), axis: 1),
            _ => throw new InvalidOperationException($"unknown pooling {a.Pooling}"),
        };
        pooled = _norm?.Forward(graph, pooled) ?? pooled;
        return _projection?.Forward(graph, pooled) ?? pooled;
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
