using SnapViT.Core.Architecture;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// Keeps the inputs of the two scored layers of every block, the first MLP layer and the values of qkv, and the gradients at their outputs.
/// No weight asks for a gradient: whatever a score needs of one follows from these two. The graph begins at the first layer kept, so that
/// nothing before it is differentiated.
/// </summary>
internal sealed class GradientHook : IForwardHook, IDisposable
{
    private readonly List<(int Block, BlockLinear Layer, Tensor Input, Tensor Output)> _kept = [];

    /// <inheritdoc/>
    public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
    {
        if (layer is not (BlockLinear.Fc1 or BlockLinear.Qkv))
        {
            return;
        }

        if (output.requires_grad)
        {
            output.retain_grad();
        }
        else
        {
            output.requires_grad_(true);
        }

        _kept.Add((block, layer, input.detach().DetachFromDisposeScope(), output.DetachFromDisposeScope()));
    }

    /// <summary>
    /// After the backward passes of the pieces of a batch: every kept layer with its input X and output gradient delta, tokens of a sample
    /// joined.
    /// </summary>
    /// <param name="pieces">What was kept of each piece, in the order of its images.</param>
    /// <param name="samples">Images of the batch, B; the views of one image follow each other.</param>
    /// <param name="visit">Block, layer, X [B, T, D] and delta [B, T, rows]; for qkv only the rows of the values, [B, T, A*d].</param>
    public static void Visit(IReadOnlyList<GradientHook> pieces, long samples, Action<int, BlockLinear, Tensor, Tensor> visit)
    {
        for (int kept = 0; kept < pieces[0]._kept.Count; kept++)
        {
            using DisposeScope scope = NewDisposeScope();
            int layer = kept;
            Tensor input = Joined(pieces.Select(piece => piece._kept[layer].Input));
            Tensor delta = Joined(pieces.Select(piece => piece.Delta(layer)));
            visit(
                pieces[0]._kept[kept].Block, pieces[0]._kept[kept].Layer, input.reshape(samples, -1, input.shape[^1]),
                delta.reshape(samples, -1, delta.shape[^1]));
        }
    }

    /// <summary>Heads per block, needed to find the rows of the values; set before the first <see cref="Visit"/>.</summary>
    public required int HeadDim { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, _, Tensor input, Tensor output) in _kept)
        {
            input.Dispose();
            output.Dispose();
        }

        _kept.Clear();
    }

    private static Tensor Joined(IEnumerable<Tensor> pieces)
    {
        Tensor[] all = [.. pieces];
        return all.Length == 1 ? all[0] : cat(all, 0);
    }

    private Tensor Delta(int kept)
    {
        (int block, BlockLinear layer, _, Tensor output) = _kept[kept];
        Tensor gradient = output.grad
            ?? throw new InvalidOperationException($"block {block}: no gradient reached {layer}; run backward first");
        return layer == BlockLinear.Qkv ? Values(gradient) : gradient;
    }

    private Tensor Values(Tensor gradient)
    {
        long heads = gradient.shape[^1] / (3L * HeadDim);
        return gradient.view(gradient.shape[0], gradient.shape[1], heads, 3, HeadDim)
            .select(3, 2)
            .reshape(gradient.shape[0], gradient.shape[1], heads * HeadDim);
    }
}
