using CsCheck;
using SnapViT.Calibration;
using SnapViT.Core.Errors;
using SnapViT.Correction;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Correction;

public sealed class LayerCorrectionTests
{
    private const int Outputs = 5, Inputs = 24, Tokens = 7;

    // Numbers: golden/sparsegpt_unit, the reference's layer alone, pruned columns a suffix, eliminated from the right; two columns are always 0.
    [Theory, LeakCheck]
    [InlineData(DampingKind.Mean, 0.01, "tail.rtl.mean.0.01.f64", 1e-6)]
    [InlineData(DampingKind.Max, 0.1, "tail.rtl.max.0.1", 1e-4)]
    [InlineData(DampingKind.Percentile, 0.01, "tail.rtl.percentile.0.01", 1e-4)]
    public void A_suffix_is_corrected_as_the_reference_s_elimination_from_the_right(DampingKind kind, double share, string key, double tolerance)
    {
        using Golden golden = Golden.Open("sparsegpt_unit", "unit.safetensors");
        using DisposeScope scope = NewDisposeScope();
        int kept = golden.Bytes("mask_tail_cols").Count(removed => removed == 0);
        using SecondMoments moments = new(golden.Shape("inputs")[2]);
        moments.Add(golden.Float("inputs"));
        Tensor order = arange(golden.Shape("weight")[1]);
        CorrectionOptions options = new() { Mode = CorrectionMode.SparseGpt, Damping = new Damping(kind, share), Precision = ScalarType.Float64 };
        using LayerCorrection correction = LayerCorrection.Factor(golden.Float("weight"), golden.Float("bias"), moments, golden.Shape("inputs")[1], order, options);
        (Tensor weight, _) = correction.At(kept);
        Tensor expected = key.EndsWith("f64", StringComparison.Ordinal)
            ? tensor(golden.Doubles(key)).view(golden.Shape(key))
            : golden.Float(key);
        weight.ShouldBeWithinOfLargest(tolerance, expected.narrow(1, 0, kept));
    }

    [Theory, LeakCheck]
    [InlineData(CorrectionMode.SparseGpt)]
    [InlineData(CorrectionMode.Affine)]
    public void One_factorisation_gives_what_a_solve_from_scratch_gives_for_a_hundred_budgets(CorrectionMode mode)
    {
        Generator random = new(3);
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn([40, Tokens, Inputs], generator: random).Through(randn([Inputs, Inputs], generator: random));
        Tensor weight = randn([Outputs, Inputs], generator: random), bias = randn([Outputs], generator: random);
        long[] shuffled = [.. randperm(Inputs, generator: random).data<long>()];
        CorrectionOptions options = new() { Mode = mode, Damping = new Damping(DampingKind.Mean, 0.02), Precision = ScalarType.Float64 };
        using SecondMoments moments = new(Inputs);
        moments.Add(x);
        using LayerCorrection correction = LayerCorrection.Factor(weight, bias, moments, Tokens, tensor(shuffled), options);
        Random budgets = new(5);
        for (int budget = 0; budget < 100; budget++)
        {
            int kept = budgets.Next(Inputs + 1);
            (Tensor expectedWeight, Tensor expectedBias) = FromScratch(moments, weight, bias, shuffled, kept, options);
            (Tensor actualWeight, Tensor? actualBias) = correction.At(kept);
            actualWeight.ShouldBeWithin(1e-8, expectedWeight);
            actualBias!.ShouldBeWithin(1e-8, expectedBias);
        }
    }

    // Inputs whose variances span five orders of magnitude: the condition number that the damping allows is reached.
    [Theory, LeakCheck]
    [InlineData(CorrectionMode.SparseGpt)]
    [InlineData(CorrectionMode.Affine)]
    public void Solved_in_float32_every_budget_is_within_1e_5_of_double(CorrectionMode mode)
    {
        Generator random = new(21);
        using DisposeScope scope = NewDisposeScope();
        Tensor x = (randn([40, Tokens, Inputs], generator: random) * logspace(0, -2.5, Inputs)).Through(randn([Inputs, Inputs], generator: random));
        Tensor weight = randn([Outputs, Inputs], generator: random), bias = randn([Outputs], generator: random);
        using SecondMoments moments = new(Inputs);
        moments.Add(x);
        CorrectionOptions options = new() { Mode = mode };
        using LayerCorrection single = LayerCorrection.Factor(weight, bias, moments, Tokens, arange(Inputs), options);
        using LayerCorrection exact = LayerCorrection.Factor(weight, bias, moments, Tokens, arange(Inputs), options with { Precision = ScalarType.Float64 });
        for (int kept = 1; kept < Inputs; kept++)
        {
            (Tensor expected, Tensor? expectedBias) = exact.At(kept);
            (Tensor actual, Tensor? actualBias) = single.At(kept);
            Assert.Equal(ScalarType.Float32, actual.dtype);
            actual.to(ScalarType.Float64).ShouldBeWithinOfLargest(1e-5, expected);
            actualBias!.ShouldBeWithinOfLargest(1e-5, expectedBias!);
        }
    }

    // Products of a batch are float32 (1e-7 relative), so that damping must be above that for a factor to exist.
    [Fact, LeakCheck]
    public void Inputs_that_the_others_determine_are_removed_without_loss()
    {
        using DisposeScope scope = NewDisposeScope();
        Generator random = new(11);
        Tensor free = randn([30, Tokens, 6], generator: random);
        Tensor x = cat([free, free.Through(randn([6, 4], generator: random)) + 2], 2);
        Tensor weight = randn([Outputs, 10], generator: random), bias = randn([Outputs], generator: random);
        using SecondMoments moments = new(10);
        moments.Add(x);
        CorrectionOptions options = new() { Damping = new Damping(DampingKind.Mean, 1e-6) };
        using LayerCorrection correction = LayerCorrection.Factor(weight, bias, moments, Tokens, arange(10), options);
        (Tensor kept, Tensor? keptBias) = correction.At(6);
        Tensor before = nn.functional.linear(x, weight, bias);
        Tensor after = nn.functional.linear(free, kept.to(ScalarType.Float32), keptBias!.to(ScalarType.Float32));
        after.ShouldBeWithinOfLargest(1e-4, before);
    }

    [Fact, LeakCheck]
    public void Without_inputs_the_affine_layer_gives_the_mean_of_its_outputs()
    {
        using DisposeScope scope = NewDisposeScope();
        Generator random = new(12);
        Tensor x = randn([30, Tokens, Inputs], generator: random) + 3;
        Tensor weight = randn([Outputs, Inputs], generator: random), bias = randn([Outputs], generator: random);
        using SecondMoments moments = new(Inputs);
        moments.Add(x);
        using LayerCorrection correction = LayerCorrection.Factor(weight, bias, moments, Tokens, arange(Inputs), new CorrectionOptions());
        (Tensor none, Tensor? constant) = correction.At(0);
        Assert.Equal([Outputs, 0], none.shape);
        constant!.ShouldBeWithin(1e-4, nn.functional.linear(x, weight, bias).mean([0, 1]));
    }

    [Fact]
    public void More_damping_never_moves_the_weights_further_from_the_original()
    {
        Gen.Select(Gen.Double[0.001, 0.5], Gen.Double[1.5, 50], Gen.Int[1, Inputs - 1]).Sample((share, factor, kept) =>
        {
            using DisposeScope scope = NewDisposeScope();
            Generator random = new(17);
            Tensor x = randn([20, Tokens, Inputs], generator: random);
            Tensor weight = randn([Outputs, Inputs], generator: random);
            using SecondMoments moments = new(Inputs);
            moments.Add(x);
            double near = Distance(share * factor), far = Distance(share);
            Assert.True(near <= far + 1e-9, $"{near} > {far}");

            double Distance(double damping)
            {
                CorrectionOptions options = new() { Damping = new Damping(DampingKind.Mean, damping), Precision = ScalarType.Float64 };
                using LayerCorrection correction = LayerCorrection.Factor(weight, null, moments, Tokens, arange(Inputs), options);
                (Tensor corrected, _) = correction.At(kept);
                return (corrected - weight.narrow(1, 0, kept).to(ScalarType.Float64)).norm().item<double>();
            }
        }, iter: 20);
    }

    [Fact, LeakCheck]
    public void Singular_moments_without_damping_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using SecondMoments moments = new(Inputs);
        moments.Add(randn([1, 3, Inputs], generator: new Generator(1)));
        CorrectionOptions options = new() { Damping = new Damping(DampingKind.Mean, 0) };
        SnapViTException fault = Assert.Throws<SnapViTException>(() =>
            LayerCorrection.Factor(ones([Outputs, Inputs]), null, moments, 3, arange(Inputs), options));
        Assert.Equal(ErrorKind.Numbers, fault.Kind);
        Assert.Contains("singular", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(double.NaN)]
    public void Damping_out_of_range_is_refused(double share) =>
        Assert.Throws<SnapViTException>(() => new Damping(DampingKind.Mean, share).Validated());

    [Fact]
    public void A_precision_other_than_single_and_double_is_refused() => Assert.Contains(
        "expected the precision float32 or float64, found BFloat16",
        Assert.Throws<SnapViTException>(() => new CorrectionOptions { Precision = ScalarType.BFloat16 }.Validated()).Message,
        StringComparison.Ordinal);

    private static (Tensor Weight, Tensor Bias) FromScratch(SecondMoments moments, Tensor weight, Tensor bias, long[] order, int kept, CorrectionOptions options)
    {
        bool affine = options.Mode == CorrectionMode.Affine;
        Tensor w = weight.to(ScalarType.Float64), mean = moments.Mean();
        Tensor h = affine ? moments.Covariance() : moments.Products() * (2.0 * Tokens);
        h += eye(Inputs, dtype: ScalarType.Float64) * (options.Damping.Share * h.diagonal().mean().item<double>());
        Tensor prefix = tensor(order[..kept]);
        Tensor columns = h.index_select(1, prefix);
        Tensor solved = kept == 0 ? zeros([Outputs, 0], ScalarType.Float64) : linalg.solve(columns.index_select(0, prefix), w.mm(columns).t()).t();
        Tensor corrected = bias.to(ScalarType.Float64);
        if (affine)
        {
            corrected = corrected + w.mv(mean) - (kept == 0 ? zeros_like(corrected) : solved.mv(mean.index_select(0, prefix)));
        }

        return (solved, corrected);
    }
}
