using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

[LeakCheck]
public sealed class RecomputedPassTests
{
    public static TheoryData<string, string> Cases =>
    [
        .. from family in SmallModels.Families
           from criterion in new[] { "ssl", "fisher", "snip-magnitude", "cross-entropy" }
           where criterion != "cross-entropy" || SmallModels.Architecture(family.Data).Classes > 0
           select (family.Data, criterion),
    ];

    [Theory, MemberData(nameof(Cases))]
    public void Scores_of_recomputed_activations_are_those_of_kept_ones_to_the_last_bit(string family, string criterion)
    {
        ViTArchitecture a = SmallModels.Architecture(family);
        foreach (ScalarType precision in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            foreach (int images in new[] { 1, 5 })
            {
                Same(OfGradients(a, precision, criterion, images, recomputes: false), OfGradients(a, precision, criterion, images, recomputes: true));
            }
        }
    }

    [Theory, MemberData(nameof(SmallModels.Families), MemberType = typeof(SmallModels))]
    public void Curvature_of_recomputed_activations_is_that_of_kept_ones_to_the_last_bit(string family)
    {
        ViTArchitecture a = SmallModels.Architecture(family);
        Same(OfCurvature(a, recomputes: false), OfCurvature(a, recomputes: true));
    }

    // Its FLOPs are enough for threads inside the products of one image.
    [Fact]
    public void One_image_of_a_large_model_has_the_same_scores_too()
    {
        ViTArchitecture large = SmallModels.Vit with { Depth = 2, EmbedDim = 768, Heads = 12, HeadDim = 64, MlpDim = 3072, PatchSize = 16, ImageSize = 224 };
        Same(OfGradients(large, ScalarType.Float32, "ssl", 1, recomputes: false), OfGradients(large, ScalarType.Float32, "ssl", 1, recomputes: true));
    }

    [Fact]
    public void Only_one_block_is_differentiated_at_a_time()
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        Tensor images = SmallModels.Images(SmallModels.Vit, 1), probes = ones(1, SmallModels.Vit.FeatureDim);
        List<string> seen = [];
        new BackwardPasses(model, recomputes: true).Run(
            images, probes, (piece, ofPiece) => FeatureProbes.Of(model, piece, ofPiece), () => new OutputHook(),
            hooks => seen.Add(string.Join(" ", hooks.Single().Gradients().Select(kept => $"{kept.Block}{kept.Layer}"))));
        Assert.Equal(["2Proj 2Fc2", "1Proj 1Fc2", "0Proj 0Fc2"], seen);
    }

    [Fact]
    public void Images_of_nan_add_nothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using ScoreEstimator estimator = new(model, Criterion.Ssl, DistillationPairs.OnePair, recomputes: true);
        Tensor crops = Crops(SmallModels.Vit, 4);
        crops[3] = float.NaN;
        Assert.StartsWith("crops: expected a finite", Assert.Throws<SnapViTException>(() => estimator.Add(crops)).Message, StringComparison.Ordinal);
        Assert.Equal((0, 0), (estimator.Images, estimator.LossSum));
    }

    private static Tensor Crops(ViTArchitecture a, int images) =>
        SmallModels.Images(a, 2 * images).reshape(images, 2, 3, a.ImageSize, a.ImageSize);

    private static VisionTransformer In(ViTArchitecture a, ScalarType precision)
    {
        using VisionTransformer model = SmallModels.Create(a);
        return new VisionTransformer(model.Weights.To(precision));
    }

    private static ImportanceScores OfGradients(ViTArchitecture a, ScalarType precision, string criterion, int images, bool recomputes)
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = In(a, precision);
        using ScoreEstimator estimator = new(model, Criterion.Named(criterion), DistillationPairs.OnePair, recomputes);
        if (criterion == "cross-entropy")
        {
            estimator.Add(SmallModels.Images(a, images), arange(images).remainder(a.Classes));
        }
        else
        {
            estimator.Add(Crops(a, images));
        }

        Assert.True(double.IsFinite(estimator.LossSum) && estimator.LossSum != 0);
        return estimator.Scores();
    }

    private static ImportanceScores OfCurvature(ViTArchitecture a, bool recomputes)
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(a);
        using CalibrationMoments moments = new(a);
        Tensor images = SmallModels.Images(a, 8);
        moments.Add(model, images);
        using CurvatureEstimator estimator = new(model, recomputes);
        estimator.Add(Crops(a, 4), DistillationPairs.OnePair);
        estimator.AddProbes(images, images.flatten(1).narrow(1, 0, a.FeatureDim));
        return estimator.Scores(moments, model.Weights, Criterion.Curvature.NeuronDamping, Criterion.Curvature.HeadDamping);
    }

    private static void Same(ImportanceScores expected, ImportanceScores found)
    {
        foreach (Axis axis in new[] { Axis.Neurons, Axis.Heads })
        {
            for (int block = 0; block < expected.Depth; block++)
            {
                Assert.Contains(expected.Of(axis, block).ToArray(), score => score > 0);
                Assert.Equal(expected.Of(axis, block), found.Of(axis, block));
            }
        }
    }
}
