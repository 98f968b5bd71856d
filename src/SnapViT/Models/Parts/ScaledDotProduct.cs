using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary><c>softmax(q k^T / sqrt(d)) v</c> over heads.</summary>
internal static class ScaledDotProduct
{
    /// <summary>
    /// Attention weights of a thread at a time, 2 MiB in bfloat16: heads that have as many are multiplied together. More leave the cache
    /// between the products, and beyond 32 MiB the allocator asks the system for every tensor anew.
    /// </summary>
    private const long Cached = 1 << 20;

    /// <summary>Mixes the values: queries [B, A, M, q], keys [B, A, N, q] and values [B, A, N, v], any strides, to [B, A, M, v].</summary>
    /// <param name="queries">Queries.</param>
    /// <param name="keys">Keys.</param>
    /// <param name="values">Values.</param>
    /// <param name="divisor">What logits are divided by: sqrt(d) of the unpruned head, whatever dimensions are left of it.</param>
    /// <param name="keyBias">What is added to the logits of every key, [B, 1, 1, N]; null for nothing.</param>
    /// <remarks>
    /// Whichever form is faster, by the shapes of <c>bench/results/attention.md</c>: in bfloat16 on a CPU two batched products and a
    /// softmax, else torch's fused kernel.
    /// </remarks>
    public static Tensor Attend(Tensor queries, Tensor keys, Tensor values, double divisor, Tensor? keyBias = null) =>
        queries.dtype == ScalarType.BFloat16 && queries.device_type == TorchSharp.DeviceType.CPU
            ? ByProducts(queries, keys, values, divisor, keyBias)
            : Fused(queries, keys, values, divisor, keyBias);

    /// <summary>By torch's kernel.</summary>
    /// <inheritdoc cref="Attend(Tensor, Tensor, Tensor, double, Tensor?)"/>
    public static Tensor Fused(Tensor queries, Tensor keys, Tensor values, double divisor, Tensor? keyBias = null)
    {
        using DisposeScope scope = NewDisposeScope();

        // The kernel divides by the root of the width that it sees, and wants all three of one width.
        long q = queries.shape[^1], v = values.shape[^1], wide = Math.Max(q, v);
        double factor = Math.Sqrt(wide) / divisor;
        Tensor scaled = factor == 1 ? queries : queries.Times(factor);
        return F.scaled_dot_product_attention(Padded(scaled, wide), Padded(keys, wide), Padded(values, wide), keyBias)
            .narrow(-1, 0, v).MoveToOuterDisposeScope();
    }

    /// <summary>By two batched products and a softmax.</summary>
    /// <inheritdoc cref="Attend(Tensor, Tensor, Tensor, double, Tensor?)"/>
    public static Tensor ByProducts(Tensor queries, Tensor keys, Tensor values, double divisor, Tensor? keyBias = null)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long heads, long asked, long tokens) = (queries.shape[0], queries.shape[1], queries.shape[2], keys.shape[2]);
        Tensor rows = queries.Div(divisor).reshape(batch * heads, asked, queries.shape[^1]);
        Tensor k = keys.reshape(batch * heads, tokens, keys.shape[^1]);
        Tensor content = values.reshape(batch * heads, tokens, values.shape[^1]);
        Tensor? bias = keyBias?.expand(batch, heads, 1, tokens).reshape(batch * heads, 1, tokens);
        long together = Math.Max(1, Cached * SideBySide.Free / (asked * tokens));
        (Tensor[] ofKeys, Tensor[] ofContent) = (k.split(together, 0), content.split(together, 0));
        Tensor[]? ofBias = bias?.split(together, 0);
        Tensor[] mixed = [.. rows.split(together, 0).Select((part, at) => Mixed(part, ofKeys[at], ofContent[at], ofBias?[at]))];
        return (mixed.Length == 1 ? mixed[0] : cat(mixed, 0)).view(batch, heads, asked, values.shape[^1]).MoveToOuterDisposeScope();
    }

    /// <summary>Some heads: queries [h, M, q], keys [h, N, q], values [h, N, v] and a bias [h, 1, N] to [h, M, v].</summary>
    private static Tensor Mixed(Tensor queries, Tensor keys, Tensor values, Tensor? bias)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor logits = bmm(queries, keys.transpose(1, 2));
        return bmm((bias is null ? logits : logits.Plus(bias)).softmax(-1), values).MoveToOuterDisposeScope();
    }

    private static Tensor Padded(Tensor x, long width) =>
        x.shape[^1] == width ? x : F.pad(x, [0, width - x.shape[^1]]);

    /// <summary>Mixes the values: queries [batch, A, M, q], keys [batch, A, N, q], values [batch, A, N, v] to [batch, A, M, v].</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="queries">Queries.</param>
    /// <param name="keys">Keys.</param>
    /// <param name="values">Values.</param>
    /// <param name="divisor">What logits are divided by.</param>
    /// <param name="keyBias">What is added to the logits of every key, [batch, 1, 1, N]; null for nothing.</param>
    public static string Attend(OnnxGraph graph, string queries, string keys, string values, double divisor, string? keyBias)
    {
        return graph.MatMul(Weights(graph, queries, keys, divisor, keyBias), values);
    }

    /// <summary>How much of every value is in the mix, [batch, A, M, N].</summary>
    /// <inheritdoc cref="Attend(OnnxGraph, string, string, string, double, string)"/>
    public static string Weights(OnnxGraph graph, string queries, string keys, double divisor, string? keyBias)
    {
        string logits = graph.MatMul(graph.Multiply(queries, 1 / divisor), graph.Transpose(keys, 0, 1, 3, 2));
        return graph.Softmax(keyBias is null ? logits : graph.Add(logits, keyBias));
    }
}
