using SnapViT.Core.Errors;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>The self-supervised loss: the frozen model as teacher, the same model as student.</summary>
internal static class SelfDistillation
{
    /// <summary>Runs the teacher over a batch of crops; the loss is of the student's tokens, and throws where it is not finite.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="pairs">Which views are compared.</param>
    /// <param name="crops">Normalised crops, float32 [B, V, 3, S, S].</param>
    /// <exception cref="ArgumentException">No image, or another number of views than the pairs name.</exception>
    public static TokenLoss Of(VisionTransformer model, DistillationPairs pairs, Tensor crops)
    {
        if (crops.shape.Length != 5 || crops.shape[0] == 0 || crops.shape[1] != pairs.Views)
        {
            throw new ArgumentException(
                $"crops: expected shape [B, {pairs.Views}, 3, S, S] of at least one image, "
                    + $"found [{string.Join(", ", crops.shape)}]",
                nameof(crops));
        }

        Tensor teacher = ByImage(model.Embed(Views(crops, 0, pairs.TeacherViews)), pairs.TeacherViews);
        return new TokenLoss(Views(crops, pairs.FirstStudentView, pairs.StudentViews), tokens =>
        {
            Tensor student = ByImage(model.Pool(tokens), pairs.StudentViews);
            Tensor loss = SelfDistillationLoss.PerImage(teacher, student, pairs).sum();
            float sum = loss.item<float>();
            return float.IsFinite(sum) ? loss : throw new SnapViTException(
                ErrorKind.Numbers,
                $"crops: expected a finite self-supervised loss, found {sum}; the model or the images hold NaN or infinite values");
        });
    }

    /// <summary>Some views of all images, [B * views, 3, S, S].</summary>
    private static Tensor Views(Tensor crops, int first, int views) =>
        crops.narrow(1, first, views).reshape([crops.shape[0] * views, .. crops.shape.AsSpan(2)]);

    /// <summary>Features [B * views, D] as [B, views, D].</summary>
    private static Tensor ByImage(Tensor features, int views) => features.view(-1, views, features.shape[1]);
}
