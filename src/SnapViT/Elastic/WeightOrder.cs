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
        return weights.Map(weights.Widths, (parameter, tensor) =>
        {
            Tensor sorted = Select(parameter, tensor, order, weights.Widths);
            return ReferenceEquals(sorted, tensor) ? tensor.clone() : sorted;
        });
    }

    /// <summary>The prefix of ordered weights that the widths keep: views of the same memory, no copy.</summary>
    public static ViTWeights Prefix(ViTWeights ordered, SubnetWidths widths)
    {
        using IDisposable frozen = no_grad();
        return ordered.Map(widths, (parameter, tensor) => Prefix(parameter, tensor, widths), fits: true);
    }

    /// <summary>The prefix of one ordered tensor: a view.</summary>
    public static Tensor Prefix(ParameterSpec parameter, Tensor ordered, SubnetWidths widths)
    {
        // Switching budgets is nothing but this, for every tensor of a model: no handle more than is needed.
        Tensor? prefix = null;
        foreach (PrunedDimension pruned in parameter.Pruned)
        {
            long kept = pruned.KeptLength(widths[parameter.Block!.Value]);
            if (kept < ordered.size(pruned.Dimension))
            {
                Tensor? longer = prefix;
                prefix = (longer ?? ordered).narrow(pruned.Dimension, 0, kept);
                longer?.Dispose();
            }
        }

        return prefix ?? ordered.alias();
    }

    /// <summary>
    /// What the widths keep of one full-width tensor, scored units in importance order: a new tensor; the tensor itself where pruning
    /// leaves it as it is.
    /// </summary>
    public static Tensor Select(ParameterSpec parameter, Tensor tensor, ImportanceOrder order, SubnetWidths widths)
    {
        if (parameter.Pruned.Count == 0)
        {
            return tensor;
        }

        using DisposeScope scope = NewDisposeScope();
        int block = parameter.Block!.Value;
        Tensor selected = tensor;
        foreach (PrunedDimension pruned in parameter.Pruned)
        {
            long kept = pruned.KeptLength(widths[block]);
            selected = AxisTable.Of(pruned.Axis).IsScored
                ? selected.index_select(pruned.Dimension, torch.tensor(order.Longs(pruned.Axis, block, kept), device: tensor.device))
                : selected.narrow(pruned.Dimension, 0, kept);
        }

        return selected.contiguous().MoveToOuterDisposeScope();
    }
}
