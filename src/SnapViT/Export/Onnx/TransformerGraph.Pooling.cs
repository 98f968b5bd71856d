using SnapViT.Core.Architecture;

namespace SnapViT.Export.Onnx;

internal sealed partial class TransformerGraph
{
    private void AddOutputs(string rows, OnnxOutputs outputs)
    {
        ViTArchitecture a = _architecture;
        string tokens = _graph.Reshape(rows, -1, a.Tokens, a.EmbedDim);
        string features = a.Pooling == Pooling.ClassAndDistillation && outputs == OnnxOutputs.Logits ? "" : Pool(rows, tokens);
        if (outputs.HasFlag(OnnxOutputs.Features))
        {
            _graph.Output("features", features, a.FeatureDim);
        }

        if (outputs.HasFlag(OnnxOutputs.Logits))
        {
            _graph.Output("logits", a.Pooling == Pooling.ClassAndDistillation ? BothClassifiers(tokens) : _weights.Linear(features, "head"), a.Classes);
        }
    }

    private string Pool(string rows, string tokens)
    {
        ViTArchitecture a = _architecture;
        string pooled = a.Pooling switch
        {
            Pooling.ClassToken => Token(tokens, 0),
            Pooling.ClassAndDistillation => _graph.Mean(_graph.Slice(tokens, axis: 1, 0, 2), axis: 1),
            Pooling.Attention => AttentionPool(rows),
            Pooling.AveragePatches => _graph.Mean(_graph.Slice(tokens, axis: 1, a.PrefixTokens, a.Tokens), axis: 1),
            _ => throw new InvalidOperationException($"unknown pooling {a.Pooling}"),
        };
        pooled = a.NormAfterPool ? _weights.Norm(pooled, "norm") : pooled;
        return _weights.Has("projection.weight") ? _weights.Linear(pooled, "projection") : pooled;
    }

    /// <summary>One token of every image, [batch, D].</summary>
    private string Token(string tokens, int index) =>
        _graph.Reshape(_graph.Slice(tokens, axis: 1, index, index + 1), -1, _architecture.EmbedDim);

    private string BothClassifiers(string tokens) => _graph.Multiply(
        _graph.Add(_weights.Linear(Token(tokens, 0), "head"), _weights.Linear(Token(tokens, 1), "head_dist")), 0.5);

    /// <summary>SigLIP's pooling: one latent query attends to all tokens, then <c>x + mlp(norm x)</c>; [batch, D].</summary>
    private string AttentionPool(string rows)
    {
        ViTArchitecture a = _architecture;
        long heads = a.Heads, width = a.EmbedDim / a.Heads;
        string latent = _graph.Reshape(_weights.Vector("attn_pool.latent"), 1, a.EmbedDim);
        string query = _graph.Reshape(_weights.Linear(latent, "attn_pool.q"), 1, 1, heads, 1, width);
        string kv = _graph.Reshape(_weights.Linear(rows, "attn_pool.kv"), -1, a.Tokens, 2, heads, width);
        string[] parts = _graph.Split(_graph.Transpose(kv, 2, 0, 3, 1, 4), axis: 0, parts: 2);
        string x = _weights.Linear(_graph.Reshape(Attend(query, parts[0], parts[1], width), -1, a.EmbedDim), "attn_pool.proj");
        string hidden = _graph.Activate(_weights.Linear(_weights.Norm(x, "attn_pool.norm"), "attn_pool.mlp.fc1"), a.Activation);
        return _graph.Add(x, _weights.Linear(hidden, "attn_pool.mlp.fc2"));
    }
}
