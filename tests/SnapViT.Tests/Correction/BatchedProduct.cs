using static TorchSharp.torch;

namespace SnapViT.Tests.Correction;

/// <summary>Products of test data.</summary>
internal static class BatchedProduct
{
    /// <summary>x [B, N, n] times a matrix [n, m].</summary>
    public static Tensor Through(this Tensor x, Tensor matrix) => x.reshape(-1, x.shape[2]).mm(matrix).reshape(x.shape[0], x.shape[1], -1);
}
