using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>Accumulates the score of every row of every scored layer, batch by batch.</summary>
internal interface IGradientScore : IRunningSums, IDisposable
{
    /// <summary>Adds a batch of one layer.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer">Fc1, or Qkv for the rows of the values.</param>
    /// <param name="input">X, [B, T, D].</param>
    /// <param name="delta">Gradient of the loss summed over images at the output of the layer, [B, T, rows].</param>
    void Add(int block, BlockLinear layer, Tensor input, Tensor delta);

    /// <summary>Mean over the row of what the score makes of every weight, one value per row of the layer.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer">Fc1, or Qkv for the rows of the values.</param>
    /// <param name="images">Images seen, n.</param>
    double[] Rows(int block, BlockLinear layer, long images);
}
