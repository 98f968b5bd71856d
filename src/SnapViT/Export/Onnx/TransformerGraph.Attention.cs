using static TorchSharp.torch;

namespace SnapViT.Export.Onnx;

internal sealed partial class TransformerGraph
{
    private string? _rotaryCos;
    private string? _rotarySin;

    /// <summary>Attention over the heads that a block keeps; its qkv rows are head-major, [A, 3, d].</summary>
    private string Attention(string x, int heads, string prefix)
    {
        if (heads == 0)
        {
            return _weights.Vector(prefix + "attn.proj.bias");
        }

        long tokens = _architecture.Tokens, width = _architecture.HeadDim;
        string qkv = _weights.Linear(_weights.Norm(x, prefix + "norm1"), prefix + "attn.qkv");
        string headMajor = _graph.Reshape(qkv, -1, tokens, heads, 3, width);
        string[] parts = _graph.Split(_graph.Transpose(headMajor, 3, 0, 2, 1, 4), axis: 0, parts: 3);
        string mixed = Attend(Rotate(parts[0]), Rotate(parts[1]), parts[2], width);
        return _weights.Linear(_graph.Reshape(_graph.Transpose(mixed, 0, 1, 3, 2, 4), -1, heads * width), prefix + "attn.proj");
    }

    /// <summary><c>softmax(q k^T / sqrt(d)) v</c> over [1, batch, A, N, d].</summary>
    private string Attend(string queries, string keys, string values, long width)
    {
        string products = _graph.MatMul(_graph.Multiply(queries, 1 / Math.Sqrt(width)), _graph.Transpose(keys, 0, 1, 2, 4, 3));
        return _graph.MatMul(_graph.Softmax(products), values);
    }

    /// <summary>Rotary positions of queries or keys [1, batch, A, N, d], where the model has them: <c>x cos + (x2, x1) sin</c> of the halves x1, x2.</summary>
    private string Rotate(string x)
    {
        if (_model.Rotary is not (Tensor cos, Tensor sin))
        {
            return x;
        }

        // Prefix tokens turn by an angle of 0.
        Tensor still = zeros(_architecture.PrefixTokens, _architecture.HeadDim, device: cos.device);
        _rotaryCos ??= _weights.Table("rope.cos", cat([still.cos(), cos], 0));
        _rotarySin ??= _weights.Table("rope.sin", cat([still.sin(), Signed(sin)], 0));
        string[] halves = _graph.Split(x, axis: -1, parts: 2);
        return _graph.Add(_graph.Multiply(x, _rotaryCos), _graph.Multiply(_graph.Concat(-1, halves[1], halves[0]), _rotarySin));
    }

    /// <summary>The sign of the turn, which rotating (x2, x1) instead of (-x2, x1) leaves to the table.</summary>
    private static Tensor Signed(Tensor sin)
    {
        Tensor[] halves = sin.chunk(2, 1);
        return cat([halves[0].neg(), halves[1]], 1);
    }
}
