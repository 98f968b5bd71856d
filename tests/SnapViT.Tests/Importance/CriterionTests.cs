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
public sealed class CriterionTests
{
    [Fact]
    public void Every_criterion_has_one_name()
    {
        Assert.Equal(["ssl", "fisher", "curvature", "cross-entropy", "snip-magnitude", "snip-magnitude-cross-entropy", "lamp", "random"], Criterion.All.Select(criterion => criterion.Name));
        Assert.All(Criterion.All, criterion => Assert.Same(criterion, Criterion.Named(criterion.Name)));
        SnapViTException exception = Assert.Throws<SnapViTException>(() => Criterion.Named("best"));
        Assert.Contains("expected one of ssl, fisher, ", exception.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorKind.Option, exception.Kind);
    }

    [Fact]
    public void Every_option_of_a_criterion_stands_in_the_provenance_and_those_of_others_do_not_apply()
    {
        foreach (Criterion criterion in Criterion.All)
        {
            Dictionary<string, string> described = criterion.DescribeAmongAll().ToDictionary();
            Assert.Equal(Criterion.All.SelectMany(other => other.Describe().Keys).Distinct().Order(), described.Keys.Order());
            Assert.All(described.Keys.Except(criterion.Describe().Keys), key => Assert.Equal("none", described[key]));
        }

        CurvatureCriterion[] different = [
            new(), new() { NeuronDamping = new Damping(DampingKind.Max) }, new() { HeadDamping = new Damping(DampingKind.Max) }, new() { FeatureShare = 0.5 }];
        Assert.Equal(different.Length, different.Select(criterion => string.Join(';', criterion.Describe())).Distinct().Count());
        Assert.Equal(different.Length, 1 + typeof(CurvatureCriterion).GetProperties().Count(property => property.DeclaringType == typeof(CurvatureCriterion) && property.CanWrite));
    }

    [Theory]
    [InlineData(-1.0)]
    [InlineData(double.PositiveInfinity)]
    public void A_damping_out_of_range_is_a_fault(double share)
    {
        Damping wrong = new(DampingKind.Mean, share);
        Assert.Single(new CurvatureCriterion { NeuronDamping = wrong }.Faults());
        Assert.Equal(2, new CurvatureCriterion { NeuronDamping = wrong, HeadDamping = wrong }.Faults().Count());
        Assert.Empty(Criterion.All.SelectMany(criterion => criterion.Faults()));
    }

    [Theory]
    [MemberData(nameof(SmallModels.Families), MemberType = typeof(SmallModels))]
    public void Weights_alone_score_every_structure_of_every_family(string family)
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Architecture(family));
        foreach (WeightCriterion criterion in Criterion.All.OfType<WeightCriterion>())
        {
            ImportanceScores scores = criterion.Of(model.Weights, 1);
            for (int block = 0; block < scores.Depth; block++)
            {
                Assert.DoesNotContain(scores.Of(Axis.Neurons, block).ToArray().Concat(scores.Of(Axis.Heads, block).ToArray()), score => score <= 0);
            }
        }
    }

    [Fact]
    public void Random_scores_depend_on_the_seed_and_on_nothing_else()
    {
        using VisionTransformer one = SmallModels.Create(SmallModels.Vit, seed: 1), other = SmallModels.Create(SmallModels.Vit, seed: 2);
        WeightCriterion random = Criterion.Random;
        Assert.Equal(Neurons(random.Of(one.Weights, 7)), Neurons(random.Of(other.Weights, 7)));
        Assert.NotEqual(Neurons(random.Of(one.Weights, 7)), Neurons(random.Of(one.Weights, 8)));
    }

    // By hand: of the weights 3 and 4 in one layer, the larger has 4/4, the smaller 3/5.
    [Fact]
    public void Lamp_measures_a_weight_against_those_that_are_no_smaller()
    {
        ViTArchitecture a = SmallModels.Vit;
        using VisionTransformer model = SmallModels.Create(a);
        Tensor fc1 = model.Weights["blocks.0.mlp.fc1.weight"];
        fc1.zero_().Dispose();
        using (Tensor first = fc1[0, 2], second = fc1[5, 9])
        using (Scalar three = 3f.ToScalar(), four = (-4f).ToScalar())
        {
            first.fill_(three).Dispose();
            second.fill_(four).Dispose();
        }

        double[] scores = Criterion.Lamp.Of(model.Weights, 0).Of(Axis.Neurons, 0).ToArray();
        Assert.Equal(0.6 / a.EmbedDim, scores[0], 1e-12);
        Assert.Equal(1.0 / a.EmbedDim, scores[5], 1e-12);
        Assert.Equal(2, scores.Count(score => score > 0));
    }

    [Fact]
    public void A_criterion_of_labels_needs_a_classifier_and_labels()
    {
        using VisionTransformer headless = SmallModels.Create(SmallModels.Architecture("dinov2")), model = SmallModels.Create(SmallModels.Vit);
        Assert.Contains("expected a model with a classifier", Assert.Throws<SnapViTException>(() => new ScoreEstimator(headless, Criterion.CrossEntropy, DistillationPairs.OnePair)).Message, StringComparison.Ordinal);
        using ScoreEstimator estimator = new(model, Criterion.CrossEntropy, DistillationPairs.OnePair);
        using Tensor images = SmallModels.Images(SmallModels.Vit, 3), two = tensor(new long[] { 0, 1 });
        Assert.Throws<InvalidOperationException>(() => estimator.Add(images));
        Assert.Contains("found [2] for 3 images", Assert.Throws<ArgumentException>(() => estimator.Add(images, two)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new ScoreEstimator(model, Criterion.Lamp, DistillationPairs.OnePair));
    }

    private static double[] Neurons(ImportanceScores scores) => [.. Enumerable.Range(0, scores.Depth).SelectMany(block => scores.Of(Axis.Neurons, block).ToArray())];
}
