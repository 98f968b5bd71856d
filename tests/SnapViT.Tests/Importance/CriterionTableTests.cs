using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

[LeakCheck]
public sealed class CriterionTableTests
{
    [Fact]
    public void Every_criterion_has_one_row_and_one_name()
    {
        Assert.Equal(Enum.GetValues<ScoreCriterion>().Order(), CriterionTable.All.Select(row => row.Criterion).Order());
        Assert.All(CriterionTable.All, row => Assert.Same(row, CriterionTable.Named(row.Name)));
        Assert.Contains("expected one of ssl, fisher, ", Assert.Throws<ArgumentException>(() => CriterionTable.Named("best")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(SmallModels.Families), MemberType = typeof(SmallModels))]
    public void Weights_alone_score_every_structure_of_every_family(string family)
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Architecture(family));
        foreach (CriterionRow row in CriterionTable.All.Where(row => row.Source == ScoreSource.Weights))
        {
            ImportanceScores scores = row.OfWeights(model.Weights, 1);
            for (int block = 0; block < scores.Depth; block++)
            {
                Assert.DoesNotContain(scores.Neurons(block).ToArray().Concat(scores.Heads(block).ToArray()), score => score <= 0);
            }
        }
    }

    [Fact]
    public void Random_scores_depend_on_the_seed_and_on_nothing_else()
    {
        using VisionTransformer one = SmallModels.Create(SmallModels.Vit, seed: 1), other = SmallModels.Create(SmallModels.Vit, seed: 2);
        CriterionRow random = CriterionTable.Of(ScoreCriterion.Random);
        Assert.Equal(Neurons(random.OfWeights(one.Weights, 7)), Neurons(random.OfWeights(other.Weights, 7)));
        Assert.NotEqual(Neurons(random.OfWeights(one.Weights, 7)), Neurons(random.OfWeights(one.Weights, 8)));
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

        double[] scores = CriterionTable.Of(ScoreCriterion.Lamp).OfWeights(model.Weights, 0).Neurons(0).ToArray();
        Assert.Equal(0.6 / a.EmbedDim, scores[0], 1e-12);
        Assert.Equal(1.0 / a.EmbedDim, scores[5], 1e-12);
        Assert.Equal(2, scores.Count(score => score > 0));
    }

    [Fact]
    public void A_criterion_of_labels_needs_a_classifier_and_labels()
    {
        using VisionTransformer headless = SmallModels.Create(SmallModels.Architecture("dinov2")), model = SmallModels.Create(SmallModels.Vit);
        Assert.Contains("expected a model with a classifier", Assert.Throws<ArgumentException>(() => new ScoreEstimator(headless, ScoreCriterion.CrossEntropy, DistillationPairs.OnePair)).Message, StringComparison.Ordinal);
        using ScoreEstimator estimator = new(model, ScoreCriterion.CrossEntropy, DistillationPairs.OnePair);
        using Tensor images = SmallModels.Images(SmallModels.Vit, 3), two = tensor(new long[] { 0, 1 });
        Assert.Throws<InvalidOperationException>(() => estimator.Add(images));
        Assert.Contains("found [2] for 3 images", Assert.Throws<ArgumentException>(() => estimator.Add(images, two)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new ScoreEstimator(model, ScoreCriterion.Lamp, DistillationPairs.OnePair));
    }

    private static double[] Neurons(ImportanceScores scores) => [.. Enumerable.Range(0, scores.Depth).SelectMany(block => scores.Neurons(block).ToArray())];
}
