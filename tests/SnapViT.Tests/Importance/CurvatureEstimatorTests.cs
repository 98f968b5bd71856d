using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
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
        ImportanceScores weak = Scores(Weak, Weak);
        ImportanceScores heads = Scores(Weak, Strong), neurons = Scores(Strong, Weak);
        for (int block = 0; block < weak.Depth; block++)
        {
            Assert.Equal(weak.Of(Axis.Neurons, block), heads.Of(Axis.Neurons, block));
            Assert.Equal(weak.Of(Axis.Heads, block), neurons.Of(Axis.Heads, block));
        }
    }

    // (H + ridge)^-1 falls as the ridge grows, so the cheapest removal, which is the first, costs more.
    [Fact]
    public void The_stronger_the_damping_the_dearer_is_the_cheapest_structure_of_a_block()
    {
        ImportanceScores weak = Scores(Weak, Weak), strong = Scores(Strong, Strong);
        for (int block = 0; block < weak.Depth; block++)
        {
            Assert.True(Least(weak.Of(Axis.Neurons, block)) < Least(strong.Of(Axis.Neurons, block)), $"neurons of block {block}");
            Assert.True(Least(weak.Of(Axis.Heads, block)) < Least(strong.Of(Axis.Heads, block)), $"heads of block {block}");
        }
    }

    [Fact]
    public void Without_images_there_are_no_scores()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using CalibrationMoments moments = new(SmallModels.Vit);
        using CurvatureEstimator estimator = new(model);
        Assert.Throws<InvalidOperationException>(() => estimator.Scores(moments, model.Weights, Criterion.Curvature.NeuronDamping, Criterion.Curvature.HeadDamping));
    }

    [Fact]
    public void Costs_in_features_grow_with_the_square_of_the_probes()
    {
        ImportanceScores once = OfFeatures(1), twice = OfFeatures(2);
        for (int block = 0; block < once.Depth; block++)
        {
            Assert.All(once.Of(Axis.Neurons, block).ToArray().Zip(twice.Of(Axis.Neurons, block).ToArray()), pair => Assert.Equal(4, pair.Second / pair.First, 1e-6));
        }
    }

    [Fact]
    public void Probes_that_do_not_fit_and_images_of_nan_are_refused_and_add_nothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using CalibrationMoments moments = new(SmallModels.Vit);
        using CurvatureEstimator estimator = new(model);
        Tensor images = SmallModels.Images(SmallModels.Vit, 2);
        Assert.StartsWith("probes: expected", Refused(images, ones(2, 5)), StringComparison.Ordinal);
        Assert.StartsWith("probes: expected", Refused(images.narrow(0, 0, 0), ones(0, SmallModels.Vit.FeatureDim)), StringComparison.Ordinal);
        Tensor ofNan = images * float.NaN, fitting = ones(2, SmallModels.Vit.FeatureDim);
        Assert.StartsWith("images: expected finite features", Assert.Throws<SnapViTException>(() => estimator.AddProbes(ofNan, fitting)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => estimator.Scores(moments, model.Weights, Criterion.Curvature.NeuronDamping, Criterion.Curvature.HeadDamping));

        string Refused(Tensor bad, Tensor probes) => Assert.Throws<ArgumentException>(() => estimator.AddProbes(bad, probes)).Message;
    }

    private static double Least(ReadOnlySpan<double> scores)
    {
        double least = double.MaxValue;
        foreach (double score in scores)
        {
            least = Math.Min(least, score);
        }

        return least;
    }

    private static ImportanceScores OfFeatures(double length)
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using CalibrationMoments moments = new(SmallModels.Vit);
        Tensor images = SmallModels.Images(SmallModels.Vit, 8);
        moments.Add(model, images);
        using CurvatureEstimator estimator = new(model);
        estimator.AddProbes(images, images.flatten(1).narrow(1, 0, SmallModels.Vit.FeatureDim) * length);
        return estimator.Scores(moments, model.Weights, Criterion.Curvature.NeuronDamping, Criterion.Curvature.HeadDamping);
    }

    private static ImportanceScores Scores(Damping ofNeurons, Damping ofHeads)
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using CalibrationMoments moments = new(SmallModels.Vit);
        moments.Add(model, SmallModels.Images(SmallModels.Vit, 16));
        using CurvatureEstimator estimator = new(model);
        int side = SmallModels.Vit.ImageSize;
        estimator.Add(SmallModels.Images(SmallModels.Vit, 8).reshape(4, 2, 3, side, side), DistillationPairs.OnePair);
        return estimator.Scores(moments, model.Weights, ofNeurons, ofHeads);
    }
}
