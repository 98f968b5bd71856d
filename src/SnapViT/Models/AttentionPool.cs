using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>SigLIP's pooling: one learned latent query attends to all tokens, then <c>x + mlp(norm x)</c>. Never pruned.</summary>
internal static class AttentionPool
{
    /// <summary>Tokens [B, N, D] to one vector [B, D].</summary>
    public static Tensor Apply(ViTWeights weights, Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        ViTArchitecture a = weights.Architecture;
        long batch = tokens.shape[0], count = tokens.shape[1], width = a.EmbedDim / a.Heads;
        Tensor query = Linear("q").Apply(weights["attn_pool.latent"]).expand(batch, -1, -1).reshape(batch, 1, a.Heads, width).transpose(1, 2);
        Tensor kv = Linear("kv").Apply(tokens).view(batch, count, 2, a.Heads, width);
        Tensor keys = kv.select(2, 0).transpose(1, 2);
        Tensor values = kv.select(2, 1).transpose(1, 2);
        Tensor mixed = nn.functional.scaled_dot_product_attention(query, keys, values).transpose(1, 2).reshape(batch, 1, a.EmbedDim);
        Tensor x = Linear("proj").Apply(mixed).to(ScalarType.Float32);
        Tensor hidden = Linear("mlp.fc1").Apply(NormWeights.Find(weights, "attn_pool.norm").Apply(x));
        Tensor mlp = Linear("mlp.fc2").Apply(VisionTransformer.Activate(hidden, a.Activation));
        return x.Plus(mlp).select(1, 0).MoveToOuterDisposeScope();

        LinearWeights Linear(string name) => LinearWeights.Find(weights, "attn_pool." + name);
    }
}
