using System.Text.Json;
using SnapViT.Core.Errors;
using SnapViT.Evaluation;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Evaluation;

[LeakCheck]
public sealed class LinearProbeTests
{
    // Numbers: golden/linear_probe. Final weights of the last epoch, batches of 16; of the merged run the validation images are trained on.
    [Theory]
    [InlineData("single_fp32", false)]
    [InlineData("single_merge_fp32", true)]
    public void The_reference_s_settings_give_its_weights_and_its_accuracy(string run, bool merged)
    {
        using Golden golden = Golden.Open("linear_probe", "lp.safetensors");
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "linear_probe", "lp.json")));
        JsonElement facts = index.RootElement.GetProperty(run);
        using DisposeScope scope = NewDisposeScope();
        Tensor features = merged ? cat([golden.Float("train"), golden.Float("valid")], 0) : golden.Float("train");
        int[] labels = [.. golden.Longs("train_labels").Concat(merged ? golden.Longs("valid_labels") : []).Select(label => (int)label)];
        LinearProbeOptions options = LinearProbeOptions.Reference with
        {
            BatchSize = facts.GetProperty("batch_size").GetInt32(),
            Epochs = facts.GetProperty("epochs").GetInt32(),
            LearningRates = [facts.GetProperty("lrs")[0].GetDouble()],
            WeightDecay = facts.GetProperty("wds")[0].GetDouble(),
        };
        using LinearProbe probe = LinearProbe.Train(features, labels, 5, options, 1, golden.Float($"{run}.init0.weight"));
        probe.Weight.ShouldBeWithin(1e-4, golden.Float($"{run}.final.weight"));
        probe.Bias.ShouldBeWithin(1e-4, golden.Float($"{run}.final.bias"));
        int[] predicted = probe.Predict(golden.Float("test"));
        double accuracy = golden.Longs("test_labels").Zip(predicted).Count(pair => pair.First == pair.Second) / 60.0;
        if (!merged)
        {
            Assert.Equal(facts.GetProperty("test_accuracy").GetDouble(), accuracy, 1e-6);
        }
    }

    [Fact]
    public void The_settings_of_the_paper_are_the_reference_s_preset()
    {
        LinearProbeOptions reference = LinearProbeOptions.Reference;
        Assert.Equal((0.001, 0.9, 0, 100, 256), (Assert.Single(reference.LearningRates), reference.Momentum, reference.WeightDecay, reference.Epochs, reference.BatchSize));
        Assert.False(reference.IsShuffled || reference.IsStandardised);
    }

    // A step written out by autograd: the gradients here are formulas.
    [Fact]
    public void One_step_is_that_of_torch_s_own_gradient()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor features = randn([7, 3], generator: new Generator(1)), first = randn([4, 3], generator: new Generator(2));
        int[] labels = [0, 1, 2, 3, 0, 1, 2];
        Tensor weight = first.clone().requires_grad_(), bias = zeros(4).requires_grad_();
        Tensor loss = nn.functional.cross_entropy(features.mm(weight.t()) + bias, tensor(labels.Select(label => (long)label).ToArray()));
        loss.backward();
        using LinearProbe probe = LinearProbe.Train(
            features, labels, 4, new LinearProbeOptions { Epochs = 1, LearningRates = [0.5] }, 1, first);
        probe.Weight.ShouldBeWithin(1e-6, first - (0.5 * weight.grad!));
        probe.Bias.ShouldBeWithin(1e-6, -0.5 * bias.grad!);
    }

    [Fact]
    public void Rates_side_by_side_do_not_disturb_each_other_and_the_best_on_the_validation_part_wins()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, int[] labels) = Clusters(60, 1);
        LinearProbeOptions options = LinearProbeOptions.Recommended with { Epochs = 20, LearningRates = [1e-7, 0.1, 1e-6] };
        using LinearProbe swept = LinearProbe.Train(features, labels, 3, options, 5);
        using LinearProbe alone = LinearProbe.Train(features, labels, 3, options with { LearningRates = [0.1] }, 5);
        Assert.Equal(0.1, swept.LearningRate);
        Assert.Equal(alone.Weight.data<float>().ToArray(), swept.Weight.data<float>().ToArray());
    }

    [Fact]
    public void Features_of_any_scale_are_told_apart_where_they_are_standardised()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, int[] labels) = Clusters(90, 1);
        (Tensor queries, int[] expected) = Clusters(60, 2);
        using Tensor scale = tensor([1e-4f, 1f, 1000f, 3f]), shift = tensor([5f, -100f, 3f, 0f]);
        using LinearProbe probe = LinearProbe.Train(features * scale + shift, labels, 3, LinearProbeOptions.Recommended, 1);
        int[] predicted = probe.Predict(queries * scale + shift);
        Assert.InRange(expected.Zip(predicted).Count(pair => pair.First == pair.Second), 57, 60);
    }

    [Fact]
    public void A_seed_gives_the_same_probe_each_time()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, int[] labels) = Clusters(40, 1);
        LinearProbeOptions options = LinearProbeOptions.Recommended with { Epochs = 3, BatchSize = 7 };
        Assert.Equal(Weights(1), Weights(1));
        Assert.NotEqual(Weights(1), Weights(2));

        float[] Weights(ulong seed)
        {
            using LinearProbe probe = LinearProbe.Train(features, labels, 3, options, seed);
            return probe.Weight.data<float>().ToArray();
        }
    }

    [Fact]
    public void Every_class_is_held_out_in_part_and_trained_in_part()
    {
        int[] labels = [.. Enumerable.Range(0, 50).Select(row => row % 4), 9];
        bool[] held = LinearProbe.HeldOut(labels, 0.2, 1);
        Assert.All(Enumerable.Range(0, 4), label => Assert.Equal(2, labels.Where((own, row) => own == label && held[row]).Count()));
        Assert.False(held[^1]);
    }

    [Fact]
    public void Features_that_are_not_finite_or_do_not_fit_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using Tensor broken = tensor(new[,] { { 1, float.NaN } }), fine = ones(2, 2);
        Assert.Throws<SnapViTException>(() => LinearProbe.Train(broken, [0], 1, LinearProbeOptions.Reference, 1));
        Assert.Throws<ArgumentException>(() => LinearProbe.Train(fine, [0], 1, LinearProbeOptions.Reference, 1));
        Assert.Throws<ArgumentException>(() => LinearProbe.Train(fine, [0, 1], 1, LinearProbeOptions.Reference, 1));
    }

    /// <summary>Three classes around corners, four features.</summary>
    private static (Tensor Features, int[] Labels) Clusters(int rows, long seed)
    {
        int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % 3)];
        Tensor corners = eye(3, 4) * 4;
        Tensor noise = randn([rows, 4], generator: new Generator((ulong)seed));
        return (corners.index_select(0, tensor(labels.Select(label => (long)label).ToArray())) + noise, labels);
    }
}
