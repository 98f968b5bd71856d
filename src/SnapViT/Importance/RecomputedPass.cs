using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// A backward pass in the memory of one block: the forward pass keeps the tokens before every block and nothing else, and the backward pass
/// computes a block again before it is differentiated (Chen et al., 2016). The same numbers to the last bit, for one more forward pass.
/// </summary>
/// <param name="model">A model that merges no tokens; it stays the caller's.</param>
internal sealed class RecomputedPass(VisionTransformer model) : IDisposable
{
    private readonly Tensor?[] _before = new Tensor?[model.Architecture.Depth];

    /// <summary>Gradient at the tokens behind the blocks that are not yet differentiated.</summary>
    private Tensor? _gradient;

    /// <summary>Runs the model and differentiates the loss as far as the last block's tokens.</summary>
    /// <param name="loss">Makes the loss.</param>
    /// <returns>The loss summed over images.</returns>
    public double Forward(Func<TokenLoss> loss)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        TokenLoss ofTokens = loss();
        Tensor tokens = model.EmbedTokens(ofTokens.Seen);
        for (int block = 0; block < _before.Length; block++)
        {
            _before[block] = tokens.DetachFromDisposeScope();
            tokens = model.Block(tokens, block, hook: null);
        }

        using IDisposable mode = enable_grad();
        tokens.requires_grad_(true);
        Tensor sum = ofTokens.Sum(model.Normed(tokens));
        sum.backward();
        _gradient = Gradient(tokens);
        return sum.item<float>();
    }

    /// <summary>Differentiates one block, after all behind it; afterwards the hook's tensors of this block have their gradients.</summary>
    /// <param name="block">Block, L-1 first.</param>
    /// <param name="hook">Asks for gradients at what it keeps.</param>
    public void Backward(int block, IForwardHook hook)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable mode = enable_grad();

        // Nothing before the first block's first layer that the hook keeps is differentiated.
        Tensor before = _before[block]!.MoveToOtherDisposeScope(scope).requires_grad_(block > 0);
        Tensor behind = _gradient!.MoveToOtherDisposeScope(scope);
        (_before[block], _gradient) = (null, null);
        model.Block(before, block, hook).backward([behind]);
        _gradient = block > 0 ? Gradient(before) : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Array.ForEach(_before, tokens => tokens?.Dispose());
        _gradient?.Dispose();
    }

    private static Tensor Gradient(Tensor tokens) =>
        (tokens.grad ?? throw new InvalidOperationException("no gradient reached the tokens of a block")).DetachFromDisposeScope();
}
