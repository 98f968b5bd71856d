using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Elastic;

/// <summary>
/// Weights in importance order: every block's heads and neurons sorted by score, descending, so that every sub-network is a prefix of each
/// block (paper, section 3.3).
/// </summary>
internal static class WeightOrder
{
    /// <summary>A copy of full-width weights with every block's heads and neurons in importance order.</summary>
    public static ViTWeights Sort(ViTWeights weights, ImportanceOrder order)
    {
        using IDisposable frozen = no_grad();
        return weights.Map(weights.Widths, (name, tensor) =>
        {
            Tensor sorted = Select(name, tensor, weights.Architecture, order, weights.Widths);
            return ReferenceEquals(sorted, tensor) ? tensor.clone() : sorted;
        });
    }

    /// <summary>The prefix of ordered weights that the widths keep: views of the same memory, no copy.</summary>
    public static ViTWeights Prefix(ViTWeights ordered, SubnetWidths widths)
    {
        using IDisposable frozen = no_grad();
        return ordered.Map(widths, (name, tensor) => Prefix(name, tensor, ordered.Architecture, widths));
    }

    /// <summary>The prefix of one ordered tensor: a view.</summary>
    public static Tensor Prefix(string name, Tensor ordered, ViTArchitecture architecture, SubnetWidths widths) =>
        PrunedAxis.Of(name, architecture) is PrunedAxis axis ? ordered.narrow(axis.Dimension, 0, axis.KeptLength(widths)) : ordered.alias();

    /// <summary>
    /// What the widths keep of one full-width tensor, in importance order: a new tensor; the tensor itself where pruning leaves it as it is.
    /// </summary>
    public static Tensor Select(string name, Tensor tensor, ViTArchitecture architecture, ImportanceOrder order, SubnetWidths widths)
    {
        if (PrunedAxis.Of(name, architecture) is not PrunedAxis axis)
        {
            return tensor;
        }

        ReadOnlySpan<int> structures = axis.OfHeads ? order.Heads(axis.Block) : order.Neurons(axis.Block);
        long[] positions = new long[axis.KeptLength(widths)];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = ((long)structures[i / axis.Unit] * axis.Unit) + (i % axis.Unit);
        }

        using Tensor index = torch.tensor(positions, device: tensor.device);
        return tensor.index_select(axis.Dimension, index);
    }
}
