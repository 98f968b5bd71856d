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
            PrunedAxis.Of(name, weights.Architecture) is PrunedAxis axis ? Sorted(tensor, axis, order) : tensor.clone());
    }

    /// <summary>The prefix of ordered weights that the widths keep: views of the same memory, no copy.</summary>
    public static ViTWeights Prefix(ViTWeights ordered, SubnetWidths widths)
    {
        using IDisposable frozen = no_grad();
        return ordered.Map(widths, (name, tensor) =>
            PrunedAxis.Of(name, ordered.Architecture) is PrunedAxis axis
                ? tensor.narrow(axis.Dimension, 0, axis.KeptLength(widths))
                : tensor.alias());
    }

    private static Tensor Sorted(Tensor tensor, PrunedAxis axis, ImportanceOrder order)
    {
        using DisposeScope scope = NewDisposeScope();
        ReadOnlySpan<int> structures = axis.OfHeads ? order.Heads(axis.Block) : order.Neurons(axis.Block);
        long[] positions = new long[structures.Length * axis.Unit];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = ((long)structures[i / axis.Unit] * axis.Unit) + (i % axis.Unit);
        }

        using Tensor index = torch.tensor(positions, device: tensor.device);
        return tensor.index_select(axis.Dimension, index).MoveToOuterDisposeScope();
    }
}
