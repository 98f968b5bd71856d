using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Loading;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

// Numbers: golden/<family>/criteria.safetensors, the reference's other criteria on two batches: 4 labelled images each, 3 images of 12 crops each.
// The reference crashes on SwiGLU (lamp, snip) and takes features for logits where there is no classifier; neither is copied.
public sealed class CriterionGoldenTests
{
    private const int LabelledBatch = 4, CropBatch = 3;

    public static TheoryData<string> Classifiers => ["timm_vit", "deit_distilled", "deit3"];

    public static TheoryData<string> PlainMlps => ["timm_vit", "deit_distilled", "deit3", "siglip2", "dinov3_mlp"];

    [Theory, LeakCheck, MemberData(nameof(PlainMlps))]
    public void Lamp_is_the_reference_s_for_every_neuron_and_head(string family)
    {
        using Golden golden = Golden.Open(family, "criteria.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        ShouldBe(golden, "lamp", Criterion.Lamp.Of(loaded.Model.Weights, 0), 1);
    }

    // A weight over the root of the squares of all that are no smaller, every one in a loop of its own over the whole layer, in double. Of weights of
    // the same magnitude a sorted sum holds those before it, so that a score lies between those with all and with none of the others.
    [Theory, LeakCheck, MemberData(nameof(PlainMlps)), InlineData("dinov3_swiglu")]
    public void Lamp_is_its_definition_in_double_for_every_neuron_and_head(string family)
    {
        using LoadedModel loaded = Golden.Model(family);
        ViTArchitecture a = loaded.Model.Architecture;
        ImportanceScores scores = Criterion.Lamp.Of(loaded.Model.Weights, 0);
        using Golden checkpoint = Golden.Open(family, "model.safetensors");
        string prefix = family == "siglip2" ? "trunk." : "", first = family == "dinov3_swiglu" ? "w1" : "fc1";
        for (int block = 0; block < a.Depth; block++)
        {
            float[] qkv = checkpoint.Floats($"{prefix}blocks.{block}.attn.qkv.weight");
            ShouldBe(checkpoint.Floats($"{prefix}blocks.{block}.mlp.{first}.weight"), a.EmbedDim, scores.Of(Axis.Neurons, block));
            ShouldBe(qkv[(2 * qkv.Length / 3)..], a.HeadDim * a.EmbedDim, scores.Of(Axis.Heads, block));
        }

        static void ShouldBe(float[] weights, int perUnit, ReadOnlySpan<double> found)
        {
            double[] least = Defined(weights, perUnit, withEqual: true), most = Defined(weights, perUnit, withEqual: false);
            Assert.Equal(least.Length, found.Length);
            for (int unit = 0; unit < least.Length; unit++)
            {
                Assert.InRange(found[unit], least[unit] * (1 - 1e-9), most[unit] * (1 + 1e-9));
                Assert.Equal(least[unit], found[unit], 1e-4 * least[unit]);
            }
        }

        static double[] Defined(float[] weights, int perUnit, bool withEqual)
        {
            double[] values = Array.ConvertAll(weights, weight => Math.Abs((double)weight));
            double[] own = Array.ConvertAll(values, value =>
            {
                double squares = withEqual ? 0 : value * value;
                foreach (double other in values)
                {
                    squares += other > value || (withEqual && other == value) ? other * other : 0;
                }

                return value / Math.Sqrt(squares);
            });
            return [.. own.Chunk(perUnit).Select(chunk => chunk.Average())];
        }
    }

    // The reference sums the means of two batches of 4: its gradient is twice the mean over 8 images, its score four times.
    [Theory, LeakCheck, MemberData(nameof(Classifiers))]
    public void Cross_entropy_is_the_reference_s_for_every_neuron_and_head(string family)
    {
        using Golden golden = Golden.Open(family, "criteria.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ScoreEstimator estimator = new(loaded.Model, Criterion.CrossEntropy, DistillationPairs.OnePair);
        AddLabelled(golden, estimator);
        Assert.Equal(golden.Floats("ce.loss").Sum(), estimator.LossSum / LabelledBatch, 1e-4);
        ShouldBe(golden, "ce", estimator.Scores(), 4);
    }

    [Theory, LeakCheck, MemberData(nameof(Classifiers))]
    public void Sensitivity_by_cross_entropy_is_the_reference_s_for_every_neuron_and_head(string family)
    {
        using Golden golden = Golden.Open(family, "criteria.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ScoreEstimator estimator = new(loaded.Model, Sensitivity(Criterion.SnipMagnitudeCrossEntropy, LabelledBatch), DistillationPairs.OnePair);
        AddLabelled(golden, estimator);
        ShouldBe(golden, "snip_ce", estimator.Scores(), 1);
    }

    [Theory, LeakCheck, MemberData(nameof(PlainMlps))]
    public void Self_supervised_sensitivity_is_the_reference_s_for_every_neuron_and_head(string family)
    {
        using Golden golden = Golden.Open(family, "criteria.safetensors"), crops = Golden.Open(family, "dino.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ScoreEstimator estimator = new(loaded.Model, Sensitivity(Criterion.SnipMagnitude, CropBatch), DistillationPairs.TwoGlobalTenLocal);
        using DisposeScope scope = NewDisposeScope();
        estimator.Add(crops.Float("crops_0"));
        estimator.Add(crops.Float("crops_1"));
        ShouldBe(golden, "snip_dino", estimator.Scores(), 1);
    }

    /// <summary>The criterion for the batches of the golden file, which are smaller than the reference's own.</summary>
    private static GradientCriterion Sensitivity(Criterion criterion, int batchSize) =>
        (GradientCriterion)criterion with { Score = weights => new SensitivityMagnitude(weights, batchSize) };

    private static void AddLabelled(Golden golden, ScoreEstimator estimator)
    {
        using DisposeScope scope = NewDisposeScope();
        for (int batch = 0; batch < 2; batch++)
        {
            estimator.Add(golden.Float($"ce_images_{batch}"), tensor(golden.Longs($"ce_labels_{batch}")));
        }
    }

    private static void ShouldBe(Golden golden, string criterion, ImportanceScores scores, double scale)
    {
        float[] neurons = golden.Floats($"{criterion}.mlp"), heads = golden.Floats($"{criterion}.head");
        for (int block = 0; block < scores.Depth; block++)
        {
            Scaled(scores.Of(Axis.Neurons, block), scale).ShouldBeWithinEach(1e-4, neurons.AsSpan(block * scores.Counts[0][Axis.Neurons], scores.Counts[0][Axis.Neurons]));
            Scaled(scores.Of(Axis.Heads, block), scale).ShouldBeWithinEach(1e-4, heads.AsSpan(block * scores.Counts[0][Axis.Heads], scores.Counts[0][Axis.Heads]));
        }
    }

    private static ReadOnlySpan<double> Scaled(ReadOnlySpan<double> scores, double scale) => scores.ToArray().Select(score => scale * score).ToArray();
}
