using SnapViT.Core.Architecture;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// Keeps the outputs of <c>proj</c> and <c>fc2</c> of every block and, after the backward pass, gives the gradients at them.
/// </summary>
internal sealed class OutputHook : IForwardHook, IDisposable
{
    private readonly List<(int Block, BlockLinear Layer, Tensor Output)> _kept = [];

    /// <inheritdoc/>
    public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
    {
        if (layer is not (BlockLinear.Proj or BlockLinear.Fc2))
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

        _kept.Add((block, layer, output.DetachFromDisposeScope()));
    }

    /// <summary>After the backward pass: block, layer and gradient [B, N, D] of every kept output; the caller disposes them.</summary>
    public IReadOnlyList<(int Block, BlockLinear Layer, Tensor Gradient)> Gradients() =>
    [
        .. _kept.Select(kept => (kept.Block, kept.Layer, kept.Output.grad
            ?? throw new InvalidOperationException($"block {kept.Block}: no gradient reached {kept.Layer}; run backward first"))),
    ];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, _, Tensor output) in _kept)
        {
            output.Dispose();
        }

        _kept.Clear();
    }
}
