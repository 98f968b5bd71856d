using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Importance;

/// <summary>
/// The self-supervised loss of the paper (section 3.1): cross-entropy between the softmax of the teacher's and of the student's
/// L2-normalised features. No temperature, no centring, no projection head.
/// </summary>
internal static class SelfDistillationLoss
{
    /// <summary>The loss of every image, summed over its pairs of views.</summary>
    /// <param name="teacher">Pooled features of the teacher's views, [B, T, D].</param>
    /// <param name="student">Pooled features of the student's views, [B, V', D].</param>
    /// <param name="pairs">Which views are compared.</param>
    /// <returns>Loss per image, [B].</returns>
    public static Tensor PerImage(Tensor teacher, Tensor student, DistillationPairs pairs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor target = F.normalize(teacher, dim: -1).softmax(-1);
        Tensor predicted = F.log_softmax(F.normalize(student, dim: -1), -1);
        Tensor entropy = bmm(target, predicted.transpose(1, 2)).neg();
        Tensor weights = tensor(pairs.Weights(), device: student.device);
        return (entropy * weights).sum([1, 2]).MoveToOuterDisposeScope();
    }
}
