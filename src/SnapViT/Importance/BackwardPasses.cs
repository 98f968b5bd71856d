using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>Backward passes of the pieces of a batch side by side.</summary>
internal static class BackwardPasses
{
    /// <summary>Runs them, and hands over what their hooks kept, without gradients.</summary>
    /// <param name="images">Images, [B, ...].</param>
    /// <param name="others">What else there is of every image, [B, ...].</param>
    /// <param name="create">Makes the hook of a piece.</param>
    /// <param name="backward">One pass of a piece of both.</param>
    /// <param name="take">Takes the hooks in the order of the images; they are disposed afterwards.</param>
    /// <returns>The sum of what the passes returned.</returns>
    public static double Run<THook>(
        Tensor images, Tensor others, Func<THook> create, Func<Tensor, Tensor, THook, double> backward, Action<IReadOnlyList<THook>> take)
        where THook : IDisposable
    {
        using DisposeScope scope = NewDisposeScope();

        // A pass says what is wrong with a batch that does not fit together.
        Tensor[] pieces = others.shape[0] == images.shape[0] ? SideBySide.Pieces(images) : [images.alias()];
        Tensor[] ofOthers = ReferenceEquals(images, others) ? pieces : pieces.Length == 1 ? [others] : SideBySide.Pieces(others);
        THook[] hooks = [.. pieces.Select(_ => create())];
        try
        {
            double[] sums = SideBySide.Run(
                [.. Enumerable.Range(0, pieces.Length)], at => backward(pieces[at], ofOthers[at], hooks[at]));
            using IDisposable frozen = no_grad();
            take(hooks);
            return sums.Sum();
        }
        finally
        {
            Array.ForEach(hooks, hook => hook.Dispose());
        }
    }
}
