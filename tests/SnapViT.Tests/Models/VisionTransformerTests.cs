using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Models;
using SnapViT.Tests.Export;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

[LeakCheck]
public sealed class VisionTransformerTests
{
    public static TheoryData<string> Families => [.. TinyModels.Families.Keys];

    /// <summary>Every family with all heads and neurons, and with blocks that have lost some or all of them.</summary>
    public static TheoryData<string, bool> Models => [.. TinyModels.Families.Keys.SelectMany(family => new (string, bool)[] { (family, false), (family, true) })];

    [Theory, MemberData(nameof(Models))]
    public void Tokens_and_features_are_those_of_plain_loops_in_double(string family, bool pruned)
    {
        using VisionTransformer model = Create(family, pruned);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 2);
        PlainVisionTransformer plain = new(model);
        double[][][] tokens = [.. Enumerable.Range(0, 2).Select(image => plain.Tokens([.. images[image].data<float>().Select(pixel => (double)pixel)]))];
        double[] features = [.. tokens.SelectMany(plain.Pool)];
        Assert.Equal([2, model.Architecture.Tokens, model.Architecture.EmbedDim], model.Tokens(images).shape);
        Assert.Equal([2, model.Architecture.FeatureDim], model.Embed(images).shape);
        model.Tokens(images).ShouldBeWithinOfLargest(1e-5, tensor([.. tokens.SelectMany(all => all.SelectMany(token => token))], [2, model.Architecture.Tokens, model.Architecture.EmbedDim]));
        model.Embed(images).ShouldBeWithinOfLargest(1e-5, tensor(features, [2, model.Architecture.FeatureDim]));
    }

    // How far bfloat16 carries depends on the weights; what rounding these weights alone costs, computed in float32, is the yardstick. A layer
    // rounds its input, output and, in attention, queries, mixing and mixed values besides its weights: 4 times the error stands for 16 roundings.
    [Theory, MemberData(nameof(Models))]
    public void In_bfloat16_features_are_about_as_far_off_as_rounding_the_weights_alone_makes_them(string family, bool pruned)
    {
        using VisionTransformer model = Create(family, pruned);
        using VisionTransformer halved = new(model.Weights.To(ScalarType.BFloat16));
        using VisionTransformer rounded = new(halved.Weights.To(ScalarType.Float32));
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 8), exact = model.Embed(images), features = halved.Embed(images);
        Assert.Equal(ScalarType.Float32, features.dtype);
        double unavoidable = (rounded.Embed(images) - exact).norm().item<float>(), error = (features - exact).norm().item<float>(), size = exact.norm().item<float>();
        Assert.InRange(unavoidable / size, 1e-4, 0.03);
        Assert.True(error <= 4 * unavoidable, $"{error / size:P2} off, {error / unavoidable:F2} times what rounding the weights costs");
    }

    // Branches a thousand times smaller bring a thousandth of their errors; a stream or norm in bfloat16 would be 0.2 % off itself.
    [Fact]
    public void In_bfloat16_the_residual_stream_and_the_norms_stay_in_float32()
    {
        using VisionTransformer full = Create("vit", pruned: false);
        using VisionTransformer model = new(full.Weights.Map(full.Widths, (parameter, tensor) =>
            parameter.Name.Contains("attn.proj.", StringComparison.Ordinal) || parameter.Name.Contains("mlp.fc2.", StringComparison.Ordinal) ? tensor * 0.001 : tensor.clone()));
        using VisionTransformer halved = new(model.Weights.To(ScalarType.BFloat16));
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 8);
        halved.Embed(images).ShouldBeWithinOfLargest(5e-4, model.Embed(images));
    }

    [Theory, MemberData(nameof(Families))]
    public void Eight_threads_get_the_serial_result(string family)
    {
        using VisionTransformer model = Create(family, pruned: false);
        using Tensor images = TinyModels.Images(model.Architecture, 2);

        // OpenMP keeps the number per calling thread, and another number splits sums in another place: the last bit would differ.
        set_num_threads(1);
        float[] serial = Features(model, images);
        bool[] same = new bool[64];
        Parallel.For(
            0, same.Length, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestContext.Current.CancellationToken },
            request =>
            {
                set_num_threads(1);
                same[request] = Features(model, images).AsSpan().SequenceEqual(serial);
            });
        Assert.DoesNotContain(false, same);
    }

    [Theory, MemberData(nameof(Families))]
    public void An_image_has_the_same_feature_alone_as_in_a_batch(string family)
    {
        using VisionTransformer model = Create(family, pruned: false);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 3);
        Tensor alone = cat([.. Enumerable.Range(0, 3).Select(image => model.Embed(images.narrow(0, image, 1)))], 0);
        model.Embed(images).ShouldBeWithinOfLargest(1e-5, alone);
    }

    [Theory, MemberData(nameof(Families))]
    public void Logits_are_the_classifiers_of_the_feature_or_do_not_exist(string family)
    {
        using VisionTransformer model = Create(family, pruned: false);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 2);
        if (model.Architecture.Classes == 0)
        {
            Assert.Contains("no classifier", Assert.Throws<SnapViTException>(() => model.Logits(images)).Message, StringComparison.Ordinal);
            return;
        }

        Tensor tokens = model.Tokens(images);
        Tensor expected = model.Architecture.Pooling == Pooling.ClassAndDistillation
            ? (Classifier("head", tokens.select(1, 0)) + Classifier("head_dist", tokens.select(1, 1))) / 2
            : Classifier("head", model.Pool(tokens));
        model.Logits(images).ShouldBeWithinOfLargest(1e-6, expected);

        Tensor Classifier(string name, Tensor x) => x.mm(model.Weights[name + ".weight"].t()) + model.Weights[name + ".bias"];
    }

    // A position turns every pair by an angle of its own, which turning both dimensions of a pair by another angle, and scaling them in queries and back
    // in keys, leaves as it is.
    [Theory]
    [InlineData("dinov3")]
    [InlineData("dinov3 huge")]
    public void Sorted_turned_and_scaled_rotary_pairs_give_the_published_model(string family)
    {
        using VisionTransformer model = Create(family, pruned: false);
        ViTArchitecture a = model.Architecture;
        IReadOnlyList<IReadOnlyList<int>> pairs = TinyModels.Pairs(a, TinyModels.EveryAxis(a))!;
        using VisionTransformer sorted = new(model.Weights.Map(
            a.FullWidths, (parameter, tensor) => parameter.Layout.IsHeadMajor ? Sorted(tensor, pairs[parameter.Block!.Value]) : tensor.clone(), pairs));
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(a, 2);
        sorted.Tokens(images).ShouldBeWithinOfLargest(1e-5, model.Tokens(images));
        sorted.Embed(images).ShouldBeWithinOfLargest(1e-5, model.Embed(images));

        Tensor Sorted(Tensor qkv, IReadOnlyList<int> order)
        {
            using DisposeScope inner = NewDisposeScope();
            return stack([Part(qkv.select(1, 0), order, scale: 1.5), Part(qkv.select(1, 1), order, scale: 1 / 1.5), qkv.select(1, 2)], 1).MoveToOuterDisposeScope();
        }

        Tensor Part(Tensor rows, IReadOnlyList<int> order, double scale)
        {
            Tensor first = rows.index_select(1, tensor(order.Select(pair => (long)pair).ToArray()));
            Tensor second = rows.index_select(1, tensor(order.Select(pair => (long)pair + (a.HeadDim / 2)).ToArray()));
            (double cos, double sin) = (Math.Cos(0.7), Math.Sin(0.7));
            return stack([((first * cos) - (second * sin)) * scale, ((first * sin) + (second * cos)) * scale], 2).reshape(rows.shape);
        }
    }

    [Theory]
    [InlineData(new long[] { 2, 3, 16, 16 })]
    [InlineData(new long[] { 2, 1, 32, 32 })]
    [InlineData(new long[] { 2, 3, 32, 16 })]
    [InlineData(new long[] { 3, 32, 32 })]
    public void Images_of_another_shape_are_refused_with_both_shapes(long[] shape)
    {
        using VisionTransformer model = Create("vit", pruned: false);
        using Tensor images = zeros(shape);
        string expected = $"images: expected shape [B, 3, 32, 32], found [{string.Join(", ", shape)}]";
        Assert.StartsWith(expected, Assert.Throws<ArgumentException>(() => model.Embed(images)).Message, StringComparison.Ordinal);
        Assert.StartsWith(expected, Assert.Throws<ArgumentException>(() => model.Tokens(images)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => model.Embed(null!));
    }

    [Fact]
    public void Features_carry_no_gradient_and_leave_the_caller_s_mode_as_it_was()
    {
        using VisionTransformer model = new(TinyWeightsWithGradient());
        using Tensor images = TinyModels.Images(model.Architecture, 1);
        using Tensor features = model.Embed(images), tokens = model.Tokens(images);
        Assert.False(features.requires_grad);
        Assert.True(tokens.requires_grad);
        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void A_tap_sees_every_layer_once_and_no_layer_of_a_branch_that_is_its_bias()
    {
        using VisionTransformer model = Create("vit", pruned: true);
        using Tensor images = TinyModels.Images(model.Architecture, 2);
        Recorder recorder = new();
        model.Tokens(images, recorder).Dispose();
        Assert.Equal(
            [
                "0 Qkv [24] to [48]", "0 Proj [16] to [24]", "0 Fc1 [24] to [17]", "0 Fc2 [17] to [24]",
                "1 Fc1 [24] to [40]", "1 Fc2 [40] to [24]",
                "2 Qkv [24] to [72]", "2 Proj [24] to [24]",
            ],
            recorder.Seen);
    }

    private static VisionTransformer Create(string family, bool pruned) => TinyModels.Create(family, pruned ? TinyModels.Uneven(family) : null);

    private static ViTWeights TinyWeightsWithGradient()
    {
        using VisionTransformer model = Create("vit", pruned: false);
        return model.Weights.Map(model.Widths, (_, tensor) => tensor.clone().requires_grad_(true));
    }

    private static float[] Features(VisionTransformer model, Tensor images)
    {
        using Tensor features = model.Embed(images);
        return [.. features.data<float>()];
    }

    private sealed class Recorder : IForwardHook
    {
        public List<string> Seen { get; } = [];

        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output) => Seen.Add($"{block} {layer} [{input.shape[^1]}] to [{output.shape[^1]}]");
    }
}
