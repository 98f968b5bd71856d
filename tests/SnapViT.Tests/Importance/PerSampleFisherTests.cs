using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Tests.Importance;

/// <summary>The fisher score against its definition: the weight gradient of every image by itself, squared, then averaged.</summary>
public sealed class PerSampleFisherTests
{
    [Theory, LeakCheck]
    [InlineData(false)]
    [InlineData(true)]
    public void Scores_are_the_mean_of_the_squared_gradients_of_single_images(bool allCrops)
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel loaded = Golden.TimmVit();
        using Golden golden = Golden.Open("timm_vit", "dino.safetensors");
        Tensor crops = golden.Float("crops_0");
        DistillationPairs pairs = allCrops ? DistillationPairs.TwoGlobalTenLocal : DistillationPairs.OnePair;
        crops = allCrops ? crops : stack([crops.select(1, 0), crops.select(1, 5)], 1);
        using ScoreEstimator estimator = new(loaded.Model, ScoreCriterion.Fisher, pairs);
        estimator.Add(crops);
        ImportanceScores scores = estimator.Scores();

        (double[][] neurons, double[][] heads) = FromWeightGradients(loaded.Model, crops, pairs);
        for (int block = 0; block < neurons.Length; block++)
        {
            Close(neurons[block], scores.Neurons(block));
            Close(heads[block], scores.Heads(block));
        }
    }

    private static void Close(double[] expected, ReadOnlySpan<double> actual) =>
        actual.ShouldBeWithinEach(1e-4, expected.Select(value => (float)value).ToArray());

    private static (double[][] Neurons, double[][] Heads) FromWeightGradients(VisionTransformer model, Tensor crops, DistillationPairs pairs)
    {
        ViTArchitecture a = model.Architecture;
        double[][] neurons = [.. Enumerable.Range(0, a.Depth).Select(_ => new double[a.Hidden])];
        double[][] heads = [.. Enumerable.Range(0, a.Depth).Select(_ => new double[a.Heads])];
        for (long image = 0; image < crops.shape[0]; image++)
        {
            using DisposeScope scope = NewDisposeScope();
            using VisionTransformer student = new(model.Weights.Map(model.Widths, (_, tensor) => tensor.clone().requires_grad_(true)));
            Loss(model, student, crops.narrow(0, image, 1), pairs).backward();
            for (int block = 0; block < a.Depth; block++)
            {
                double[] rows = RowMeans(student.Weights[$"blocks.{block}.mlp.fc1.weight"].grad!.square().mean([1]));
                double[] values = RowMeans(student.Weights[$"blocks.{block}.attn.qkv.weight"].grad!.select(1, 2).square().mean([1, 2]));
                neurons[block] = [.. neurons[block].Zip(rows, (sum, row) => sum + (row / crops.shape[0]))];
                heads[block] = [.. heads[block].Zip(values, (sum, row) => sum + (row / crops.shape[0]))];
            }
        }

        return (neurons, heads);
    }

    private static double[] RowMeans(Tensor means) => [.. means.to(ScalarType.Float64).data<double>()];

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
