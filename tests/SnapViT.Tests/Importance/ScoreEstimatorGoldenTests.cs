using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Models.Parts;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

// Numbers: golden/<family>/dino.safetensors, the reference's self-supervised gradients of two batches of 3 images with 12 crops each.
// The reference sums batch means, so its gradient is that of the sum over all images divided by 3, and its score (6/3)^2 of the mean's.
public sealed class ScoreEstimatorGoldenTests
{
    private const int BatchSize = 3;
    private const int Images = 6;

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Losses_are_the_reference_s(string family)
    {
        using Golden golden = Golden.Open(family, "dino.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ScoreEstimator estimator = new(loaded.Model, Criterion.Ssl, DistillationPairs.TwoGlobalTenLocal);
        using var scope = NewDisposeScope();
        estimator.Add(golden.Float("crops_0"));
        Assert.Equal(golden.Floats("loss_per_sample_0").Sum(), estimator.LossSum, 1e-3);
    }

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Gradients_of_the_first_mlp_layer_and_of_the_values_are_the_reference_s(string family)
    {
        using Golden golden = Golden.Open(family, "dino.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ScoreEstimator estimator = Estimate(golden, loaded, Criterion.Ssl);
        SquaredMeanGradient gradients = (SquaredMeanGradient)estimator.Score;
        using var scope = NewDisposeScope();
        for (int block = 0; block < 4; block++)
        {
            Tensor fc1 = golden.Float($"blocks.{block}.mlp.{(family == "dinov3_swiglu" ? "w1" : "fc1")}.weight.grad");
            (gradients.Sum(block, BlockLinear.Fc1) / BatchSize).ShouldBeWithinOfLargest(1e-4, fc1);
            Tensor values = golden.Float($"blocks.{block}.attn.qkv.weight.grad").narrow(0, 96, 48);
            (gradients.Sum(block, BlockLinear.Qkv) / BatchSize).ShouldBeWithinOfLargest(1e-4, values);
        }
    }

    // The estimator keeps what it scores, the values; queries and keys are differentiated here by torch itself.
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Gradients_of_queries_keys_and_values_are_the_reference_s(string family)
    {
        using Golden golden = Golden.Open(family, "dino.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using VisionTransformer model = new(loaded.Model.Weights.Map(loaded.Model.Widths, (parameter, tensor) => tensor.clone().requires_grad_(parameter.Layout.IsHeadMajor)));
        using var scope = NewDisposeScope();
        foreach (string crops in new[] { "crops_0", "crops_1" })
        {
            Tensor images = golden.Float(crops), teacher = Features(loaded.Model, images.narrow(1, 0, 2)).detach();
            (SelfDistillationLoss.PerImage(teacher, Features(model, images), DistillationPairs.TwoGlobalTenLocal).sum() / BatchSize).backward();
        }

        for (int block = 0; block < 4; block++)
        {
            LinearLayer qkv = model.Weights.Blocks[block][BlockLinear.Qkv];
            using Tensor gradient = qkv.Weight.grad!;
            qkv.Spec.Weight.ToCheckpoint(gradient).ShouldBeWithinOfLargest(1e-4, golden.Float($"blocks.{block}.attn.qkv.weight.grad"));
        }

        static Tensor Features(VisionTransformer model, Tensor crops) =>
            model.Pool(model.Tokens(crops.reshape([-1, .. crops.shape.AsSpan(2)]))).view(crops.shape[0], crops.shape[1], -1);
    }

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Ssl_scores_are_the_reference_s_for_every_neuron_and_head(string family)
    {
        using Golden golden = Golden.Open(family, "dino.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ScoreEstimator estimator = Estimate(golden, loaded, Criterion.Ssl);
        ImportanceScores scores = estimator.Scores();
        float[] mlp = golden.Floats("mlp_raw"), heads = golden.Floats("head_raw");
        int count = loaded.Model.Architecture.Heads;
        for (int block = 0; block < 4; block++)
        {
            ReferenceScale(scores.Of(Axis.Neurons, block)).ShouldBeWithinEach(1e-4, mlp.AsSpan(block * 192, 192));
            ReferenceScale(scores.Of(Axis.Heads, block)).ShouldBeWithinEach(1e-4, heads.AsSpan(block * count, count));
        }
    }

    // The reference scores DINOv3 in training mode, where its positions are rescaled at random; here there is no such mode.
    [Theory, LeakCheck]
    [InlineData("dinov3_mlp")]
    [InlineData("dinov3_swiglu")]
    public void Two_runs_on_dinov3_give_identical_scores(string family)
    {
        using Golden golden = Golden.Open(family, "dino.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ScoreEstimator first = Estimate(golden, loaded, Criterion.Ssl), second = Estimate(golden, loaded, Criterion.Ssl);
        ImportanceScores once = first.Scores(), again = second.Scores();
        for (int block = 0; block < 4; block++)
        {
            Assert.Equal(once.Of(Axis.Neurons, block).ToArray(), again.Of(Axis.Neurons, block).ToArray());
            Assert.Equal(once.Of(Axis.Heads, block).ToArray(), again.Of(Axis.Heads, block).ToArray());
        }
    }

    private static ReadOnlySpan<double> ReferenceScale(ReadOnlySpan<double> scores)
    {
        double[] scaled = scores.ToArray();
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] *= Math.Pow(Images / (double)BatchSize, 2);
        }

        return scaled;
    }

    private static ScoreEstimator Estimate(Golden golden, LoadedModel loaded, Criterion criterion)
    {
        ScoreEstimator estimator = new(loaded.Model, criterion, DistillationPairs.TwoGlobalTenLocal);
        using Tensor first = golden.Float("crops_0");
        using Tensor second = golden.Float("crops_1");
        estimator.Add(first);
        estimator.Add(second);
        return estimator;
    }
}
