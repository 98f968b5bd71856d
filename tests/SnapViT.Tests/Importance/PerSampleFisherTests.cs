using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

/// <summary>The fisher score against its definition: the weight gradient of every image by itself, squared, then averaged.</summary>
[LeakCheck]
public sealed class PerSampleFisherTests
{
    public static TheoryData<string, bool> Cases => [.. from family in SmallModels.Families from all in new[] { false, true } select (family.Data, all)];

    // Images of 4 patches: a student's one view has few tokens and goes through X X^T, twelve views have many and make the gradient itself.
    [Theory, MemberData(nameof(Cases))]
    public void Scores_are_the_mean_of_the_squared_gradients_of_single_images(string family, bool allCrops)
    {
        ViTArchitecture a = SmallModels.Architecture(family) with { ImageSize = 8 };
        DistillationPairs pairs = allCrops ? DistillationPairs.TwoGlobalTenLocal : DistillationPairs.OnePair;
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(a);
        Tensor crops = SmallModels.Images(a, 3 * pairs.Views).view(3, pairs.Views, 3, 8, 8);
        using ScoreEstimator estimator = new(model, Criterion.Fisher, pairs);
        estimator.Add(crops);
        ImportanceScores scores = estimator.Scores(), expected = SingleImageGradients.Fisher(model, crops, pairs);
        for (int block = 0; block < a.Depth; block++)
        {
            Close(expected.Of(Axis.Neurons, block), scores.Of(Axis.Neurons, block));
            Close(expected.Of(Axis.Heads, block), scores.Of(Axis.Heads, block));
        }
    }

    // 5 tokens of width 16 to 24 rows multiply less as X X^T, 40 tokens of width 6 to 4 rows as the gradient itself.
    [Theory]
    [InlineData(5, 16, 24, 1)]
    [InlineData(40, 6, 4, 1)]
    [InlineData(5, 16, 24, 1e-20f)]
    [InlineData(40, 6, 4, 1e-20f)]
    [InlineData(5, 16, 24, 1e-35f)]
    [InlineData(40, 6, 4, 1e-35f)]
    public void Both_forms_give_the_norms_of_a_plain_loop_at_any_size_of_gradient(int tokens, int width, int rows, float size)
    {
        Assert.Equal(tokens == 5, tokens * (width + rows) <= width * rows);
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn([3, tokens, width], generator: new Generator(1)), delta = randn([3, tokens, rows], generator: new Generator(2)) * size;
        Close(ByLoop(x, delta), Rows(x, delta));
    }

    // Gradients of 1e-25 of the largest in the same batch: squared and relative to that they would vanish in float32.
    [Theory]
    [InlineData(5, 16, 24)]
    [InlineData(40, 6, 4)]
    public void A_row_or_image_of_tiny_gradients_beside_large_ones_does_not_vanish(int tokens, int width, int rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn([2, tokens, width], generator: new Generator(1)), delta = randn([2, tokens, rows], generator: new Generator(2));
        Tensor sizes = ones(2, 1, rows);
        sizes[.., .., 1..3] = tensor(1e-25f);
        sizes[1] = sizes[1] * 1e-12;
        delta = delta * sizes;
        double[] found = Rows(x, delta);
        Close(ByLoop(x, delta), found);
        Assert.InRange(found[1], 1e-52, 1e-46);
    }

    [Fact]
    public void A_row_without_any_gradient_scores_exactly_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn([2, 5, 16], generator: new Generator(1)), delta = zeros(2, 5, 24);
        Assert.Equal(new double[24], Rows(x, delta));
    }

    private static double[] Rows(Tensor x, Tensor delta)
    {
        using PerSampleFisher fisher = new();
        fisher.Add(0, BlockLinear.Fc1, x, delta);
        return fisher.Rows(0, BlockLinear.Fc1, x.shape[0]);
    }

    private static double[] ByLoop(Tensor x, Tensor delta)
    {
        long images = x.shape[0], tokens = x.shape[1], width = x.shape[2];
        double[] inputs = [.. x.data<float>().Select(value => (double)value)], deltas = [.. delta.contiguous().data<float>().Select(value => (double)value)];
        double[] scores = new double[delta.shape[2]];
        for (long row = 0; row < scores.Length; row++)
        {
            for (long image = 0; image < images; image++)
            {
                for (long column = 0; column < width; column++)
                {
                    double gradient = 0;
                    for (long token = image * tokens; token < (image + 1) * tokens; token++)
                    {
                        gradient += deltas[(token * scores.Length) + row] * inputs[(token * width) + column];
                    }

                    scores[row] += gradient * gradient / (width * images);
                }
            }
        }

        return scores;
    }

    private static void Close(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(actual[i] - expected[i]) <= 1e-4 * expected[i], $"element {i}: expected {expected[i]:G6}, found {actual[i]:G6}");
        }
    }
}
