using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>Backward passes of the pieces of a batch side by side.</summary>
/// <param name="model">The model, which stays the caller's.</param>
/// <param name="recomputes">
/// Whether a block's activations are computed again for the backward pass instead of being kept: <see cref="RecomputedPass"/>.
/// </param>
internal sealed class BackwardPasses(VisionTransformer model, bool recomputes)
{
    /// <summary>Runs them, and hands over what their hooks kept, without gradients.</summary>
    /// <param name="images">Images, [B, ...].</param>
    /// <param name="others">What else there is of every image, [B, ...].</param>
    /// <param name="loss">The loss of a piece of both.</param>
    /// <param name="create">Makes the hook of a piece.</param>
    /// <param name="take">
    /// Takes the hooks in the order of the images; they are disposed afterwards. Called once with what was kept of all blocks, or for one
    /// block after the other, the last one first.
    /// </param>
    /// <returns>The sum of the losses.</returns>
    public double Run<THook>(
        Tensor images,
        Tensor others,
        Func<Tensor, Tensor, TokenLoss> loss,
        Func<THook> create,
        Action<IReadOnlyList<THook>> take)
        where THook : IForwardHook, IDisposable
    {
        using DisposeScope scope = NewDisposeScope();

        // A loss says what is wrong with a batch that does not fit together.
        Tensor[] pieces = others.shape[0] == images.shape[0] ? SideBySide.Pieces(images) : [images.alias()];
        Tensor[] ofOthers = ReferenceEquals(images, others) ? pieces : pieces.Length == 1 ? [others] : SideBySide.Pieces(others);

        // One piece alone would leave the other threads idle.
        bool isAlone = pieces.Length == 1 && model.IsWorthThreads(images.shape.SkipLast(3).Aggregate(1L, (all, count) => all * count));
        return recomputes ? ByBlock() : AtOnce();

        double AtOnce() => Hooked((at, hook) =>
        {
            using DisposeScope ofPiece = NewDisposeScope();
            using IDisposable mode = enable_grad();
            TokenLoss ofTokens = loss(pieces[at], ofOthers[at]);
            Tensor sum = ofTokens.Sum(model.Tokens(ofTokens.Seen, hook));
            sum.backward();
            return (double)sum.item<float>();
        }).Sum();

        double ByBlock()
        {
            RecomputedPass[] passes = [.. pieces.Select(_ => new RecomputedPass(model))];
            try
            {
                double[] sums = Each(at => passes[at].Forward(() => loss(pieces[at], ofOthers[at])));
                for (int block = model.Architecture.Depth - 1; block >= 0; block--)
                {
                    int current = block;
                    Hooked((at, hook) =>
                    {
                        passes[at].Backward(current, hook);
                        return at;
                    });
                }

                return sums.Sum();
            }
            finally
            {
                Array.ForEach(passes, pass => pass.Dispose());
            }
        }

        TResult[] Hooked<TResult>(Func<int, THook, TResult> work)
        {
            THook[] hooks = [.. pieces.Select(_ => create())];
            try
            {
                TResult[] results = Each(at => work(at, hooks[at]));
                using IDisposable frozen = no_grad();
                take(hooks);
                return results;
            }
            finally
            {
                Array.ForEach(hooks, hook => hook.Dispose());
            }
        }

        TResult[] Each<TResult>(Func<int, TResult> work) =>
            isAlone ? [work(0)] : SideBySide.Run([.. Enumerable.Range(0, pieces.Length)], work);
    }
}
