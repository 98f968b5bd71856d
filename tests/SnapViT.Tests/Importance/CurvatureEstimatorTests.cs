using SnapViT.Calibration;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Importance;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

[LeakCheck]
public sealed class CurvatureEstimatorTests
{
    private static readonly Damping Weak = new(DampingKind.Mean, 0.01), Strong = new(DampingKind.Mean, 1);

    [Fact]
    public void Neurons_and_heads_are_damped_each_by_their_own_share()
    {
        ImportanceScores weak = Scores(new CurvatureDamping(Weak, Weak));
        ImportanceScores heads = Scores(new CurvatureDamping(Weak, Strong)), neurons = Scores(new CurvatureDamping(Strong, Weak));
        for (int block = 0; block < weak.Depth; block++)
        {
            Assert.Equal(weak.Neurons(block), heads.Neurons(block));
            Assert.Equal(weak.Heads(block), neurons.Heads(block));
        }
    }

    // (H + ridge)^-1 falls as the ridge grows, so the cheapest removal, which is the first, costs more.
    [Fact]
    public void The_stronger_the_damping_the_dearer_is_the_cheapest_structure_of_a_block()
    {
        ImportanceScores weak = Scores(new CurvatureDamping(Weak, Weak)), strong = Scores(new CurvatureDamping(Strong, Strong));
        for (int block = 0; block < weak.Depth; block++)
        {
            Assert.True(Least(weak.Neurons(block)) < Least(strong.Neurons(block)), $"neurons of block {block}");
            Assert.True(Least(weak.Heads(block)) < Least(strong.Heads(block)), $"heads of block {block}");
        }
    }

    [Fact]
    public void Without_images_there_are_no_scores()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using CalibrationMoments moments = new(SmallModels.Vit);
        using CurvatureEstimator estimator = new(model, DistillationPairs.OnePair);
        Assert.Throws<InvalidOperationException>(() => estimator.Scores(moments, model.Weights, new CurvatureDamping()));
    }

    [Theory]
    [InlineData(-1.0)]
    [InlineData(double.PositiveInfinity)]
    public void A_share_out_of_range_is_refused(double share) =>
        Assert.Throws<ArgumentException>(() => new CurvatureDamping(Weak, new Damping(DampingKind.Mean, share)).Validated());

    private static double Least(ReadOnlySpan<double> scores)
    {
        double least = double.MaxValue;
        foreach (double score in scores)
        {
            least = Math.Min(least, score);
        }

        return least;
    }

    private static ImportanceScores Scores(CurvatureDamping damping)
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using CalibrationMoments moments = new(SmallModels.Vit);
        moments.Add(model, SmallModels.Images(SmallModels.Vit, 16));
        using CurvatureEstimator estimator = new(model, DistillationPairs.OnePair);
        int side = SmallModels.Vit.ImageSize;
        estimator.Add(SmallModels.Images(SmallModels.Vit, 8).reshape(4, 2, 3, side, side));
        return estimator.Scores(moments, model.Weights, damping);
    }
}
