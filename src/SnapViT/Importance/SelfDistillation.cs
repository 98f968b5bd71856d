using SnapViT.Core.Errors;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>One backward pass of the self-supervised loss: the frozen model as teacher, the same model as student.</summary>
internal static class SelfDistillation
{
    /// <summary>Runs teacher and student over a batch of crops; afterwards the hook's tensors have their gradients.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="pairs">Which views are compared.</param>
    /// <param name="crops">Normalised crops, float32 [B, V, 3, S, S].</param>
    /// <param name="hook">Asks for gradients at what it keeps.</param>
    /// <returns>The loss summed over images.</returns>
    /// <exception cref="ArgumentException">No image, or another number of views than the pairs name.</exception>
    /// <exception cref="SnapViTException">A loss that is not finite.</exception>
    public static double Backward(VisionTransformer model, DistillationPairs pairs, Tensor crops, IForwardHook hook)
    {
        if (crops.shape.Length != 5 || crops.shape[0] == 0 || crops.shape[1] != pairs.Views)
        {
            throw new ArgumentException(
                $"crops: expected shape [B, {pairs.Views}, 3, S, S] of at least one image, "
                    + $"found [{string.Join(", ", crops.shape)}]",
                nameof(crops));
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable mode = enable_grad();
        Tensor teacher = Features(model, crops, 0, pairs.TeacherViews, hook: null);
        Tensor student = Features(model, crops, pairs.FirstStudentView, pairs.StudentViews, hook);
        Tensor loss = SelfDistillationLoss.PerImage(teacher, student, pairs).sum();
        double sum = loss.item<float>();
        if (!double.IsFinite(sum))
        {
            throw new SnapViTException(
                ErrorKind.Numbers,
                $"crops: expected a finite self-supervised loss, found {sum}; the model or the images hold NaN or infinite values");
        }

        loss.backward();
        return sum;
    }

    /// <summary>
    /// Pooled features [B, views, D] of some views; with a hook they can be differentiated down to the first layer it keeps.
    /// </summary>
    private static Tensor Features(VisionTransformer model, Tensor crops, int firstView, int views, IForwardHook? hook)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable mode = set_grad_enabled(hook is not null);
        Tensor images = crops.narrow(1, firstView, views).reshape([crops.shape[0] * views, .. crops.shape.AsSpan(2)]);
        Tensor pooled = hook is null ? model.Embed(images) : model.Pool(model.Tokens(images, hook));
        return pooled.view(crops.shape[0], views, pooled.shape[1]).MoveToOuterDisposeScope();
    }
}
