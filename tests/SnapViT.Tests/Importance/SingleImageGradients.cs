using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Tests.Importance;

/// <summary>The fisher score by its definition: autograd of the weights themselves, one image at a time, squared, averaged over the images.</summary>
internal static class SingleImageGradients
{
    /// <summary>Scores of all neurons and heads.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="crops">[B, V, 3, S, S].</param>
    /// <param name="pairs">Which views are compared.</param>
    public static ImportanceScores Fisher(VisionTransformer model, Tensor crops, DistillationPairs pairs)
    {
        ViTArchitecture a = model.Architecture;
        double[,] neurons = new double[a.Depth, a.MlpDim], heads = new double[a.Depth, a.Heads];
        for (long image = 0; image < crops.shape[0]; image++)
        {
            using DisposeScope scope = NewDisposeScope();
            using VisionTransformer student = new(model.Weights.Map(model.Widths, (_, tensor) => tensor.clone().requires_grad_(true)));
            Loss(model, student, crops.narrow(0, image, 1), pairs).backward();
            for (int block = 0; block < a.Depth; block++)
            {
                Tensor fc1 = student.Weights[$"blocks.{block}.mlp.{(a.Mlp == MlpKind.SwiGlu ? "w1" : "fc1")}.weight"].grad!.to(ScalarType.Float64);
                Tensor values = student.Weights[$"blocks.{block}.attn.qkv.weight"].grad!.select(1, 2).to(ScalarType.Float64);
                AddRow(neurons, block, fc1.square().mean([1]) / crops.shape[0]);
                AddRow(heads, block, values.square().mean([1, 2]) / crops.shape[0]);
            }
        }

        return new ImportanceScores(neurons, heads);
    }

    private static void AddRow(double[,] sums, int block, Tensor row)
    {
        double[] values = [.. row.data<double>()];
        for (int i = 0; i < values.Length; i++)
        {
            sums[block, i] += values[i];
        }
    }

    /// <summary>The loss written out pair by pair.</summary>
    private static Tensor Loss(VisionTransformer teacher, VisionTransformer student, Tensor crops, DistillationPairs pairs)
    {
        Tensor[] views = [.. Enumerable.Range(0, pairs.Views).Select(view => crops.select(1, view))];
        Tensor loss = zeros(1);
        for (int t = 0; t < pairs.TeacherViews; t++)
        {
            Tensor target = F.normalize(teacher.Embed(views[t]), dim: -1).softmax(-1);
            for (int s = pairs.FirstStudentView; s < pairs.Views; s++)
            {
                if (s != t)
                {
                    Tensor predicted = F.log_softmax(F.normalize(student.Pool(student.Tokens(views[s])), dim: -1), -1);
                    loss = loss - (pairs.Weight * (target * predicted).sum());
                }
            }
        }

        return loss;
    }
}
