using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

[LeakCheck]
public sealed class ScoreEstimatorTests
{
    private static readonly DistillationPairs Pair = DistillationPairs.OnePair;

    public static TheoryData<string, string> Cases => [.. from family in SmallModels.Families from criterion in new[] { "ssl", "fisher", "snip-magnitude" } select (family.Data, criterion)];

    [Theory, MemberData(nameof(Cases))]
    public void Images_add_up_however_they_are_cut_into_batches(string family, string criterion)
    {
        ViTArchitecture a = SmallModels.Architecture(family);
        using VisionTransformer model = SmallModels.Create(a);
        using DisposeScope scope = NewDisposeScope();
        Tensor crops = Crops(a, 6, Pair);
        using ScoreEstimator whole = Estimate(model, Criterion.Named(criterion), Pair, crops);
        foreach (int size in new[] { 1, 4 })
        {
            using ScoreEstimator parts = Estimate(model, Criterion.Named(criterion), Pair, crops.split(size));
            Assert.Equal(6, parts.Images);
            Assert.Equal(whole.LossSum, parts.LossSum, 1e-5 * whole.LossSum);
            Close(whole.Scores(), parts.Scores(), 1e-4);
        }
    }

    [Fact]
    public void Of_one_image_both_criteria_are_the_same_and_of_many_fisher_is_never_less()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using DisposeScope scope = NewDisposeScope();
        Tensor crops = Crops(SmallModels.Vit, 5, Pair), one = crops.narrow(0, 0, 1);
        using ScoreEstimator sslOfOne = Estimate(model, Criterion.Ssl, Pair, one), fisherOfOne = Estimate(model, Criterion.Fisher, Pair, one);
        Close(sslOfOne.Scores(), fisherOfOne.Scores(), 1e-4);
        using ScoreEstimator ssl = Estimate(model, Criterion.Ssl, Pair, crops), fisher = Estimate(model, Criterion.Fisher, Pair, crops);
        Assert.All(All(ssl.Scores()).Zip(All(fisher.Scores())), pair => Assert.True(pair.First <= pair.Second * 1.0001, $"{pair.First} > {pair.Second}"));
    }

    // The reference's twelve crops are two different ones: every pair of equal crops has no gradient, and 2 times 10 pairs remain.
    [Theory]
    [InlineData("ssl")]
    [InlineData("fisher")]
    public void One_pair_scores_as_the_reference_s_twelve_crops_of_which_two_are_different(string criterion)
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using DisposeScope scope = NewDisposeScope();
        Tensor pair = Crops(SmallModels.Vit, 3, Pair);
        Tensor twelve = pair.index_select(1, tensor([.. Enumerable.Range(0, 12).Select(view => view < 2 ? 0L : 1L)]));
        using ScoreEstimator few = Estimate(model, Criterion.Named(criterion), Pair, pair), many = Estimate(model, Criterion.Named(criterion), DistillationPairs.TwoGlobalTenLocal, twelve);
        Close(few.Scores(), many.Scores(), 1e-4);
    }

    [Fact]
    public void Where_teacher_and_student_see_the_same_crop_nothing_matters()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using DisposeScope scope = NewDisposeScope();
        Tensor crops = Crops(SmallModels.Vit, 3, Pair), global = crops.narrow(1, 0, 1);
        using ScoreEstimator different = Estimate(model, Criterion.Fisher, Pair, crops), same = Estimate(model, Criterion.Fisher, Pair, cat([global, global], 1));
        Assert.True(All(same.Scores()).Max() < 1e-9 * All(different.Scores()).Max());
    }

    [Theory]
    [InlineData(new long[] { 2, 12, 3, 16, 16 }, "crops: expected shape [B, 2, 3, S, S] of at least one image, found [2, 12, 3, 16, 16]")]
    [InlineData(new long[] { 2, 3, 16, 16 }, "crops: expected shape [B, 2, 3, S, S] of at least one image, found [2, 3, 16, 16]")]
    [InlineData(new long[] { 0, 2, 3, 16, 16 }, "crops: expected shape [B, 2, 3, S, S] of at least one image, found [0, 2, 3, 16, 16]")]
    [InlineData(new long[] { 2, 2, 3, 8, 8 }, "images: expected shape [B, 3, 16, 16], found [2, 3, 8, 8]")]
    public void Crops_of_another_shape_are_refused_and_count_for_nothing(long[] shape, string fault)
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using ScoreEstimator estimator = new(model, Criterion.Fisher, Pair);
        using Tensor crops = zeros(shape);
        Assert.StartsWith(fault, Assert.Throws<ArgumentException>(() => estimator.Add(crops)).Message, StringComparison.Ordinal);
        Assert.Equal(0, estimator.Images);
        Assert.Equal("no image was scored", Assert.Throws<InvalidOperationException>(estimator.Scores).Message);
    }

    [Theory]
    [InlineData(float.NaN, 0)]
    [InlineData(float.NaN, 1)]
    [InlineData(float.NegativeInfinity, 1)]
    public void A_pixel_that_is_not_finite_is_refused_at_once_and_the_batch_counts_for_nothing(float pixel, int view)
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using DisposeScope scope = NewDisposeScope();
        Tensor crops = Crops(SmallModels.Vit, 3, Pair), broken = crops.clone();
        broken[1, view, 2, 5, 7] = tensor(pixel);
        using ScoreEstimator expected = Estimate(model, Criterion.Ssl, Pair, crops), estimator = Estimate(model, Criterion.Ssl, Pair, crops);
        SnapViTException fault = Assert.Throws<SnapViTException>(() => estimator.Add(broken));
        Assert.Contains("expected a finite self-supervised loss, found NaN; the model or the images hold NaN", fault.Message, StringComparison.Ordinal);
        Assert.Equal((3, expected.LossSum), (estimator.Images, estimator.LossSum));
        Assert.Equal(All(expected.Scores()), All(estimator.Scores()));
    }

    [Fact]
    public void A_model_whose_weights_are_not_finite_is_refused()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using DisposeScope scope = NewDisposeScope();
        model.Weights["blocks.1.mlp.fc2.weight"].copy_(tensor(float.NaN));
        using ScoreEstimator estimator = new(model, Criterion.Ssl, Pair);
        Tensor crops = Crops(SmallModels.Vit, 1, Pair);
        Assert.Contains("finite self-supervised loss", Assert.Throws<SnapViTException>(() => estimator.Add(crops)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_was_cut_already_is_refused()
    {
        using VisionTransformer pruned = SmallModels.Create(SmallModels.Vit, SmallModels.Uneven(SmallModels.Vit));
        SnapViTException fault = Assert.Throws<SnapViTException>(() => new ScoreEstimator(pruned, Criterion.Ssl, Pair));
        Assert.StartsWith("model: expected an unpruned one, found widths 4h/", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Neither_weights_nor_crops_ask_for_a_gradient_or_get_one()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using Tensor crops = Crops(SmallModels.Vit, 2, Pair);
        using ScoreEstimator estimator = Estimate(model, Criterion.Ssl, Pair, crops);
        Assert.All(model.Weights.Tensors.Values.Append(crops), tensor => Assert.True(!tensor.requires_grad && tensor.grad is null));
    }

    [Fact]
    public void The_graph_begins_at_the_first_scored_layer()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using Tensor images = SmallModels.Images(SmallModels.Vit, 2);
        using GradientHook hook = new() { HeadDim = SmallModels.Vit.HeadDim };
        Watcher watcher = new(hook);
        using Tensor tokens = model.Tokens(images, watcher);
        Assert.True(tokens.requires_grad);
        Assert.Equal((0, BlockLinear.Qkv), watcher.Leaves.Single());
        Assert.Equal((0, BlockLinear.Qkv), watcher.WithoutGradient.Single());
        InvalidOperationException fault = Assert.Throws<InvalidOperationException>(() => GradientHook.Visit([hook], 2, (_, _, _, _) => { }));
        Assert.Contains("block 0: no gradient reached Qkv; run backward first", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scores_are_the_same_where_the_caller_has_turned_gradients_off()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using Tensor crops = Crops(SmallModels.Vit, 2, Pair);
        using ScoreEstimator expected = Estimate(model, Criterion.Ssl, Pair, crops);
        Assert.True(is_grad_enabled());
        using (no_grad())
        {
            using ScoreEstimator estimator = Estimate(model, Criterion.Ssl, Pair, crops);
            Assert.Equal(All(expected.Scores()), All(estimator.Scores()));
            Assert.False(is_grad_enabled());
        }
    }

    [Fact]
    public void A_hundred_batches_keep_no_more_tensors_than_one()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        using Tensor crops = Crops(SmallModels.Vit, 1, Pair);
        using ScoreEstimator estimator = Estimate(model, Criterion.Fisher, Pair, crops);
        long before = LiveTensors.Undisposed();
        for (int batch = 0; batch < 100; batch++)
        {
            estimator.Add(crops);
        }

        Assert.Equal(before, LiveTensors.Undisposed());
    }

    private static Tensor Crops(ViTArchitecture a, int images, DistillationPairs pairs)
    {
        using Tensor flat = SmallModels.Images(a, images * pairs.Views);
        return flat.reshape(images, pairs.Views, 3, a.ImageSize, a.ImageSize);
    }

    private static ScoreEstimator Estimate(VisionTransformer model, Criterion criterion, DistillationPairs pairs, params IEnumerable<Tensor> batches)
    {
        ScoreEstimator estimator = new(model, criterion, pairs);
        foreach (Tensor batch in batches)
        {
            estimator.Add(batch);
        }

        return estimator;
    }

    private static double[] All(ImportanceScores scores) =>
        [.. Enumerable.Range(0, scores.Depth).SelectMany(block => (double[])[.. scores.Of(Axis.Neurons, block), .. scores.Of(Axis.Heads, block)])];

    /// <summary>Every score within a share of itself, or of a millionth of the largest: sums of gradients that cancel keep fewer digits.</summary>
    private static void Close(ImportanceScores expected, ImportanceScores actual, double relative)
    {
        double[] all = All(expected);
        double floor = all.Max() * 1e-6;
        Assert.All(all.Zip(All(actual)), pair => Assert.True(
            Math.Abs(pair.First - pair.Second) <= relative * Math.Max(pair.First, floor), $"expected {pair.First:G6}, found {pair.Second:G6}"));
    }

    /// <summary>Lets a hook work and notes which of its outputs begin the graph, and which inputs lie before it.</summary>
    private sealed class Watcher(IForwardHook hook) : IForwardHook
    {
        public List<(int, BlockLinear)> Leaves { get; } = [];

        public List<(int, BlockLinear)> WithoutGradient { get; } = [];

        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
        {
            hook.Observe(block, layer, input, output);
            if (output.is_leaf)
            {
                Leaves.Add((block, layer));
            }

            if (!input.requires_grad)
            {
                WithoutGradient.Add((block, layer));
            }
        }
    }
}
