using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Elastic;

/// <summary>
/// The order of queries and keys that rotary positions turn: as published, where a pair is the dimensions i and i + d/2, or sorted, where
/// its two dimensions are side by side and the most important pairs first.
/// </summary>
internal static class RotaryOrder
{
    /// <summary>Rows [A, 3, d, D] or biases [A, 3, d] with the queries and keys of every head in an order of pairs.</summary>
    /// <param name="tensor">Rows or biases as published.</param>
    /// <param name="pairs">The pairs 0..d/2-1 in their order.</param>
    public static Tensor Sorted(Tensor tensor, IReadOnlyList<int> pairs) => Reordered(tensor, [.. RotarySpec.Dims(pairs)]);

    /// <summary>Weights with the queries and keys as published where every block has all of them; else the same weights.</summary>
    /// <param name="weights">Weights with sorted pairs or without; owned from here on.</param>
    public static ViTWeights Published(ViTWeights weights)
    {
        if (weights.RotaryPairs is not IReadOnlyList<IReadOnlyList<int>> pairs
            || !RotarySpec.IsWhole(weights.Architecture, weights.Widths))
        {
            return weights;
        }

        using (weights)
        {
            return new ViTWeights(weights.Architecture, weights.Widths, weights.Table.Select(parameter =>
                new KeyValuePair<string, Tensor>(parameter.Name, Restored(parameter, weights[parameter]).DetachFromDisposeScope())));
        }

        Tensor Restored(ParameterSpec parameter, Tensor tensor)
        {
            if (parameter.Block is not int block || !parameter.Layout.IsHeadMajor || tensor.shape[0] == 0)
            {
                return tensor.alias();
            }

            // Where every published dimension lies in the order.
            long[] dims = [.. RotarySpec.Dims(pairs[block])], places = new long[dims.Length];
            for (int place = 0; place < dims.Length; place++)
            {
                places[dims[place]] = place;
            }

            return Reordered(tensor, places);
        }
    }

    private static Tensor Reordered(Tensor tensor, long[] dims)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor turned = tensor.narrow(1, 0, 2).index_select(2, torch.tensor(dims, device: tensor.device));
        return cat([turned, tensor.narrow(1, 2, 1)], 1).MoveToOuterDisposeScope();
    }
}
