using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>A linear layer of a block.</summary>
public enum BlockLinear
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

/// <summary>Sees the input and output of every linear layer of every block while a forward pass runs.</summary>
/// <remarks>The tensors are valid during the call; an observer that keeps one takes its own alias. It may ask outputs for their gradient.</remarks>
public interface IForwardHook
{
    /// <summary>Called right after a layer has run; not called for a branch that has no heads or no neurons.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer">Which of its layers.</param>
    /// <param name="input">Input of the layer, [B, N, in].</param>
    /// <param name="output">Output of the layer before any activation or layer scale, [B, N, out].</param>
    void Observe(int block, BlockLinear layer, Tensor input, Tensor output);
}
