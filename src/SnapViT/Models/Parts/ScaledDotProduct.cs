using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary><c>softmax(q k^T / sqrt(d)) v</c> over heads.</summary>
internal static class ScaledDotProduct
{
    /// <summary>Mixes the values; [B, A, N, d] each, any strides, to [B, A, N, d].</summary>
    /// <remarks>
    /// In bfloat16 on a CPU two batched products and a softmax are about twice as fast as torch's fused kernel, which is best in float32.
    /// </remarks>
    public static Tensor Attend(Tensor queries, Tensor keys, Tensor values)
    {
        if (queries.dtype != ScalarType.BFloat16 || queries.device_type != TorchSharp.DeviceType.CPU)
        {
            return F.scaled_dot_product_attention(queries, keys, values);
        }

        using DisposeScope scope = NewDisposeScope();
        long[] shape = queries.shape;
        long pairs = shape[0] * shape[1], tokens = shape[2], width = shape[3];
        Tensor q = queries.Div(Math.Sqrt(width)).reshape(pairs, tokens, width);
        Tensor k = keys.reshape(pairs, tokens, width);
        Tensor v = values.reshape(pairs, tokens, width);
        Tensor mixing = bmm(q, k.transpose(1, 2)).softmax(-1);
        return bmm(mixing, v).view(shape).MoveToOuterDisposeScope();
    }

    /// <summary>Mixes the values; [1, batch, A, N, d] each, to [1, batch, A, N, d].</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="queries">Queries.</param>
    /// <param name="keys">Keys.</param>
    /// <param name="values">Values.</param>
    /// <param name="width">Width of a head, d.</param>
    public static string Attend(OnnxGraph graph, string queries, string keys, string values, long width)
    {
        string products = graph.MatMul(graph.Multiply(queries, 1 / Math.Sqrt(width)), graph.Transpose(keys, 0, 1, 2, 4, 3));
        return graph.MatMul(graph.Softmax(products), values);
    }
}
