using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using SnapViT.Core.Errors;
using SnapViT.Evaluation;
using SnapViT.Tensors;
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

    // Every pair of a rate and a decay begins from weights of its own and is trained on its own. The log holds the loss and the accuracy on the
    // validation images after the last pass. "sweep_merge" trains the best pair once more, on training and validation images.
    [Theory]
    [InlineData("sweep_fp32", false)]
    [InlineData("sweep_merge_fp32", true)]
    public void Every_pair_of_the_reference_s_sweep_ends_with_its_loss_and_the_chosen_one_with_its_weights(string run, bool merged)
    {
        using Golden golden = Golden.Open("linear_probe", "lp.safetensors");
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "linear_probe", "lp.json")));
        JsonElement facts = index.RootElement.GetProperty(run);
        using DisposeScope scope = NewDisposeScope();
        int[] labels = Labels(golden, "train"), valid = Labels(golden, "valid");
        string[] log = [.. facts.GetProperty("log").EnumerateArray().Select(line => line.GetString()!)];
        string[] last = [.. log.Where(line => line.StartsWith($"epoch {facts.GetProperty("epochs").GetInt32() - 1} -- valid", StringComparison.Ordinal))];
        (double Rate, double Decay)[] pairs =
        [
            .. facts.GetProperty("lrs").EnumerateArray().SelectMany(
                rate => facts.GetProperty("wds").EnumerateArray().Select(decay => (rate.GetDouble(), decay.GetDouble()))),
        ];
        for (int pair = 0; pair < pairs.Length; pair++)
        {
            using LinearProbe probe = LinearProbe.Train(
                golden.Float("train"), labels, 5, Options(facts, pairs[pair]), 1, golden.Float($"{run}.init{pair}.weight"));
            Near(Figure(last[pair], "loss"), MeanOfBatches(probe, golden.Float("valid"), valid));
            Assert.Equal(Figure(last[pair], "accuracy"), Share(valid, probe.Predict(golden.Float("valid"))), 1e-6);
        }

        string best = Assert.Single(log, line => line.StartsWith("best learning rate", StringComparison.Ordinal));
        int chosen = Array.FindIndex(pairs, pair => (Figure(best, "rate"), Figure(best, "decay")) == pair);
        Tensor features = merged ? cat([golden.Float("train"), golden.Float("valid")], 0) : golden.Float("train");
        using LinearProbe final = LinearProbe.Train(
            features, merged ? [.. labels, .. valid] : labels, 5, Options(facts, pairs[chosen]), 1,
            golden.Float($"{run}.init{(merged ? pairs.Length : chosen)}.weight"));
        final.Weight.ShouldBeWithinOfLargest(1e-4, golden.Float($"{run}.final.weight"));
        final.Bias.ShouldBeWithinOfLargest(1e-4, golden.Float($"{run}.final.bias"));
        int[] test = Labels(golden, "test");
        Near(Figure(log[^1], "loss"), MeanOfBatches(final, golden.Float("test"), test));
        Assert.Equal(facts.GetProperty("test_accuracy").GetDouble(), Share(test, final.Predict(golden.Float("test"))), 1e-6);
    }

    // In bfloat16 the reference takes every step of a pass from the weights at its start: autocast rounds weights once in a context, and one context
    // is around the whole pass (docs/deviations.md). A step from the weights as they are, as here, ends near its result; with that fault, written
    // out below in float32, it ends nearer, and has the loss of its log.
    [Fact]
    public void The_reference_s_run_in_bfloat16_is_near_and_what_separates_it_is_known()
    {
        using Golden golden = Golden.Open("linear_probe", "lp.safetensors");
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "linear_probe", "lp.json")));
        JsonElement facts = index.RootElement.GetProperty("single_bf16");
        using DisposeScope scope = NewDisposeScope();
        Tensor features = golden.Float("train"), first = golden.Float("single_bf16.init0.weight"), expected = golden.Float("single_bf16.final.weight");
        int[] labels = Labels(golden, "train");
        LinearProbeOptions options = Options(facts, (0.001, 0));
        using LinearProbe probe = LinearProbe.Train(features, labels, 5, options, 1, first);
        probe.Weight.ShouldBeWithin(3e-3, expected);

        (Tensor weight, double lossOfFirstPass) = StaleSteps(features, labels, first, options);
        weight.ShouldBeWithin(6e-4, expected);
        string log = facts.GetProperty("log")[0].GetString()!;
        Assert.Equal(Figure(log, "loss"), lossOfFirstPass, 1e-4);
        Assert.NotEqual(Figure(log, "loss"), MeanOfPass(features, labels, first, options), 1e-2);
    }

    [Fact]
    public void Options_that_are_out_of_range_are_named_together()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, int[] labels) = Clusters(6, 1);
        LinearProbeOptions options = new() { LearningRates = [], BatchSize = 0, WeightDecay = -1, ValidationShare = 1 };
        Assert.Equal(
            "linear probe: expected at least one learning rate, found none; expected a weight decay of 0 or more, found -1; "
                + "expected a batch of at least 1, found 0; expected a validation share above 0 and below 1, found 1",
            Assert.Throws<SnapViTException>(() => LinearProbe.Train(features, labels, 3, options, 1)).Message);
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

    private static int[] Labels(Golden golden, string part) => [.. golden.Longs($"{part}_labels").Select(label => (int)label)];

    private static LinearProbeOptions Options(JsonElement facts, (double Rate, double Decay) pair) => LinearProbeOptions.Reference with
    {
        BatchSize = facts.GetProperty("batch_size").GetInt32(),
        Epochs = facts.GetProperty("epochs").GetInt32(),
        LearningRates = [pair.Rate],
        WeightDecay = pair.Decay,
    };

    /// <summary>The number behind a name in a line of the log.</summary>
    private static double Figure(string line, string name) => double.Parse(
        Regex.Match(line, $@"{name}: ([-+.e\d]+)").Groups[1].Value.TrimEnd('.'), CultureInfo.InvariantCulture);

    private static void Near(double expected, double found) => Assert.Equal(expected, found, 1e-4 * expected);

    private static double Share(int[] labels, int[] predicted) => labels.Zip(predicted).Count(pair => pair.First == pair.Second) / (double)labels.Length;

    /// <summary>The loss as the reference logs it: the mean over batches of 16 of their means.</summary>
    private static double MeanOfBatches(LinearProbe probe, Tensor features, int[] labels)
    {
        using Tensor answers = probe.Answers(features);
        return MeanOfBatches(answers, labels, 16);
    }

    private static double MeanOfBatches(Tensor answers, int[] labels, int size) => Enumerable.Range(0, (labels.Length + size - 1) / size).Average(batch =>
    {
        using DisposeScope scope = NewDisposeScope();
        int start = batch * size, count = Math.Min(size, labels.Length - start);
        Tensor targets = tensor(labels.Skip(start).Take(count).Select(label => (long)label).ToArray());
        return (double)nn.functional.cross_entropy(answers.narrow(0, start, count), targets).item<float>();
    });

    /// <summary>Training in which all steps of a pass have the gradients at its start.</summary>
    private static (Tensor Weight, double LossOfFirstPass) StaleSteps(Tensor features, int[] labels, Tensor first, LinearProbeOptions options)
    {
        Tensor weight = first.clone(), bias = zeros(first.shape[0]), speed = zeros_like(weight), ofBias = zeros_like(bias);
        Tensor right = nn.functional.one_hot(tensor(labels.Select(label => (long)label).ToArray()), first.shape[0]).to(ScalarType.Float32);
        double loss = MeanOfBatches(nn.functional.linear(features, weight, bias), labels, options.BatchSize);
        for (int epoch = 0; epoch < options.Epochs; epoch++)
        {
            double rate = options.LearningRates[0] * (1 + Math.Cos(Math.PI * epoch / options.Epochs)) / 2;
            Tensor wrong = nn.functional.linear(features, weight, bias).softmax(1).Minus(right);
            for (int start = 0; start < labels.Length; start += options.BatchSize)
            {
                int count = Math.Min(options.BatchSize, labels.Length - start);
                Tensor own = wrong.narrow(0, start, count).Div(count);
                speed = speed.Times(options.Momentum).Plus(own.t().mm(features.narrow(0, start, count)));
                ofBias = ofBias.Times(options.Momentum).Plus(own.sum([0L]));
                (weight, bias) = (weight.Minus(speed.Times(rate)), bias.Minus(ofBias.Times(rate)));
            }
        }

        return (weight, loss);
    }

    /// <summary>The loss of the first pass where every step begins from the weights that the one before left.</summary>
    private static double MeanOfPass(Tensor features, int[] labels, Tensor first, LinearProbeOptions options)
    {
        List<double> losses = [];
        Tensor weight = first.clone(), bias = zeros(first.shape[0]), speed = zeros_like(weight), ofBias = zeros_like(bias);
        for (int start = 0; start < labels.Length; start += options.BatchSize)
        {
            int count = Math.Min(options.BatchSize, labels.Length - start);
            int[] own = labels[start..(start + count)];
            Tensor x = features.narrow(0, start, count), answers = nn.functional.linear(x, weight, bias);
            losses.Add(MeanOfBatches(answers, own, count));
            Tensor right = nn.functional.one_hot(tensor(own.Select(label => (long)label).ToArray()), first.shape[0]).to(ScalarType.Float32);
            Tensor wrong = answers.softmax(1).Minus(right).Div(count);
            speed = speed.Times(options.Momentum).Plus(wrong.t().mm(x));
            ofBias = ofBias.Times(options.Momentum).Plus(wrong.sum([0L]));
            (weight, bias) = (weight.Minus(speed.Times(options.LearningRates[0])), bias.Minus(ofBias.Times(options.LearningRates[0])));
        }

        return losses.Average();
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
