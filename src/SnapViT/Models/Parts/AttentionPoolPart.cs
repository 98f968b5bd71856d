using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>SigLIP's pooling: one learned latent query attends to all tokens, then <c>x + mlp(norm x)</c>. Never pruned.</summary>
internal sealed class AttentionPoolPart(ViTWeights weights, AttentionPoolSpec spec)
{
    private readonly ViTArchitecture _architecture = weights.Architecture;
    private readonly Tensor _latent = weights[spec.Latent];
    private readonly LinearLayer _query = new(weights, spec.Query);
    private readonly LinearLayer _keysValues = new(weights, spec.KeysValues);
    private readonly LinearLayer _proj = new(weights, spec.Proj);
    private readonly NormLayer _norm = new(weights, spec.Norm);
    private readonly MlpPart _mlp = new(weights, spec.Mlp);

    /// <summary>Tokens [B, N, D] to one vector [B, D].</summary>
    public Tensor Forward(TokenStream stream)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = stream.Tokens;
        ViTArchitecture a = _architecture;
        long batch = tokens.shape[0], count = tokens.shape[1], width = a.EmbedDim / a.Heads;
        Tensor query = _query.Forward(_latent).expand(batch, -1, -1).reshape(batch, 1, a.Heads, width).transpose(1, 2);
        Tensor kv = _keysValues.Forward(tokens).view(batch, count, 2, a.Heads, width);
        Tensor keys = kv.select(2, 0).transpose(1, 2);
        Tensor values = kv.select(2, 1).transpose(1, 2);
        Tensor mixed = nn.functional.scaled_dot_product_attention(query, keys, values, stream.KeyBias(query.dtype))
            .transpose(1, 2).reshape(batch, 1, a.EmbedDim);
        Tensor x = _proj.Forward(mixed).to(ScalarType.Float32);
        return x.Plus(_mlp.Forward(_norm.Forward(x))).select(1, 0).MoveToOuterDisposeScope();
    }

    /// <summary>Tokens to one vector, [batch, D].</summary>
    public string Forward(OnnxGraph graph, GraphTokens stream)
    {
        ViTArchitecture a = _architecture;
        long heads = a.Heads, width = a.EmbedDim / a.Heads;
        string latent = graph.Reshape(graph.Weights.Vector(spec.Latent.Name, _latent), 1, a.EmbedDim);
        string query = graph.Reshape(_query.Forward(graph, latent), 1, heads, 1, width);
        string kv = graph.Reshape(_keysValues.Forward(graph, stream.Rows), -1, stream.Count, 2 * heads, width);
        string[] parts = graph.Split(graph.Transpose(kv, 0, 2, 1, 3), axis: 1, parts: 2);
        string mixed = ScaledDotProduct.Attend(graph, query, parts[0], parts[1], Math.Sqrt(width), stream.KeyBias(graph));
        string x = _proj.Forward(graph, graph.Reshape(mixed, -1, a.EmbedDim));
        return graph.Add(x, _mlp.Forward(graph, _norm.Forward(graph, x)));
    }
}
