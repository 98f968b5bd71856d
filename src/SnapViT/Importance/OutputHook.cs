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

    /// <summary>After the backward pass: block, layer and gradient [B, N, D] of every kept output.</summary>
    public void Visit(Action<int, BlockLinear, Tensor> visit)
    {
        foreach ((int block, BlockLinear layer, Tensor output) in _kept)
        {
            using Tensor gradient = output.grad
                ?? throw new InvalidOperationException($"block {block}: no gradient reached {layer}; run backward first");
            visit(block, layer, gradient);
        }
    }

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
