namespace SnapViT.Core.Architecture;

/// <summary>A linear layer of a block.</summary>
internal enum BlockLinear
{
    /// <summary>Fused queries, keys and values: [B, N, D] to [B, N, A*3*d], head-major.</summary>
    Qkv,

    /// <summary>Output projection of attention: [B, N, A*d] to [B, N, D].</summary>
    Proj,

    /// <summary>First layer of the MLP (SwiGLU: <c>w1</c>): [B, N, D] to [B, N, H].</summary>
    Fc1,

    /// <summary>Last layer of the MLP (SwiGLU: <c>w3</c>): [B, N, H] to [B, N, D].</summary>
    Fc2,
}
