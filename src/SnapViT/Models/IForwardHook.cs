using SnapViT.Core.Architecture;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>Sees the input and output of every linear layer of every block while a forward pass runs.</summary>
/// <remarks>
/// The tensors are valid during the call; an observer that keeps one takes its own alias. It may ask outputs for their gradient.
/// </remarks>
internal interface IForwardHook
{
    /// <summary>Called right after a layer has run; not called for a branch that has no heads or no neurons.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer">Which of its layers.</param>
    /// <param name="input">Input of the layer, [B, N, in].</param>
    /// <param name="output">Output of the layer before any activation or layer scale, [B, N, out].</param>
    void Observe(int block, BlockLinear layer, Tensor input, Tensor output);
}
