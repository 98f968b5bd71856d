using SnapViT.Core.Architecture;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models;

/// <summary>Weight [out, in] and bias [out] of a linear layer.</summary>
internal sealed record LinearWeights(Tensor Weight, Tensor? Bias)
{
    /// <summary>x [.., in] to [.., out], in the weight's precision.</summary>
    public Tensor Apply(Tensor x)
    {
        if (x.dtype == Weight.dtype)
        {
            return F.linear(x, Weight, Bias);
        }

        using Tensor cast = x.to(Weight.dtype);
        return F.linear(cast, Weight, Bias);
    }

    public static LinearWeights Find(ViTWeights weights, string name) => new(weights[name + ".weight"], weights.Find(name + ".bias"));
}

/// <summary>Weight and bias [D] of a LayerNorm, always applied in float32.</summary>
internal sealed record NormWeights(Tensor Weight, Tensor Bias, double Epsilon)
{
    public Tensor Apply(Tensor x) => F.layer_norm(x, [Weight.shape[0]], Weight, Bias, Epsilon);

    public static NormWeights Find(ViTWeights weights, string name) =>
        new(weights[name + ".weight"], weights[name + ".bias"], weights.Architecture.LayerNormEpsilon);
}

/// <summary>The tensors of one block, looked up once. They belong to the <see cref="ViTWeights"/> they were found in.</summary>
internal sealed record BlockWeights
{
    public required BlockWidths Widths { get; init; }

    public required NormWeights Norm1 { get; init; }

    /// <summary>Weight [A, 3, d, D] and bias [A, 3, d].</summary>
    public required LinearWeights Qkv { get; init; }

    public required LinearWeights Proj { get; init; }

    public required Tensor? LayerScale1 { get; init; }

    public required NormWeights Norm2 { get; init; }

    /// <summary>First layer of the MLP: <c>fc1</c>, or SwiGLU's gate <c>w1</c>.</summary>
    public required LinearWeights Fc1 { get; init; }

    /// <summary>SwiGLU's <c>w2</c>; null in a standard MLP.</summary>
    public required LinearWeights? GatedFc1 { get; init; }

    /// <summary>Last layer of the MLP: <c>fc2</c>, or SwiGLU's <c>w3</c>.</summary>
    public required LinearWeights Fc2 { get; init; }

    public required Tensor? LayerScale2 { get; init; }

    public static BlockWeights Find(ViTWeights weights, int block)
    {
        string prefix = $"blocks.{block}.";
        bool gated = weights.Architecture.Mlp == MlpKind.SwiGlu;
        return new BlockWeights
        {
            Widths = weights.Widths[block],
            Norm1 = NormWeights.Find(weights, prefix + "norm1"),
            Qkv = LinearWeights.Find(weights, prefix + "attn.qkv"),
            Proj = LinearWeights.Find(weights, prefix + "attn.proj"),
            LayerScale1 = weights.Find(prefix + "ls1.gamma"),
            Norm2 = NormWeights.Find(weights, prefix + "norm2"),
            Fc1 = LinearWeights.Find(weights, prefix + (gated ? "mlp.w1" : "mlp.fc1")),
            GatedFc1 = gated ? LinearWeights.Find(weights, prefix + "mlp.w2") : null,
            Fc2 = LinearWeights.Find(weights, prefix + (gated ? "mlp.w3" : "mlp.fc2")),
            LayerScale2 = weights.Find(prefix + "ls2.gamma"),
        };
    }
}
