using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Planning;

public sealed class BudgetTests
{
    public static TheoryData<string, Budget> Good { get; } = new()
    {
        { "0.6", Budget.Flops(0.6) },
        { " 0.6 ", Budget.Flops(0.6) },
        { ".5", Budget.Flops(0.5) },
        { "1", Budget.Whole },
        { "1.0", Budget.Whole },
        { "6e-1", Budget.Flops(0.6) },
        { "4.3G", Budget.AbsoluteFlops(4_300_000_000) },
        { "4.3g", Budget.AbsoluteFlops(4_300_000_000) },
        { "22M", Budget.AbsoluteFlops(22_000_000) },
        { "500k", Budget.AbsoluteFlops(500_000) },
        { "1T", Budget.AbsoluteFlops(1_000_000_000_000) },
        { "0.45:0.3", Budget.Ratios(0.45, 0.3) },
        { "flops=0.6", Budget.Flops(0.6) },
        { "params=22M", Budget.AbsoluteParameters(22_000_000) },
        { "Params = 0.5", Budget.Parameters(0.5) },
        { "size=40MB", Budget.AbsoluteFileSize(40_000_000) },
        { "latency=12ms", Budget.AbsoluteLatency(TimeSpan.FromMilliseconds(12)) },
        { "ratios=0.45:0.3", Budget.Ratios(0.45, 0.3) },
        { "0:0", Budget.Ratios(0, 0) },
        { "1:1", Budget.Ratios(1, 1) },
    };

    [Theory]
    [MemberData(nameof(Good), DisableDiscoveryEnumeration = true)]
    public void A_budget_is_read(string text, Budget expected) => Assert.Equal(expected, Budget.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("G")]
    [InlineData("half")]
    [InlineData("60%")]
    [InlineData("0,6")]
    [InlineData("4,3G")]
    [InlineData("4.3 G")]
    [InlineData("4.3GB")]
    [InlineData("4.3P")]
    [InlineData("0x10")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("1e999")]
    [InlineData("NaNG")]
    [InlineData(":")]
    [InlineData("0.4:")]
    [InlineData(":0.4")]
    [InlineData("0.4:0.3:0.2")]
    [InlineData("0.4G:0.3")]
    public void A_text_that_is_no_budget_is_quoted_with_what_would_be_one(string text) => Assert.Equal(
        $"budget '{text}': expected a share kept such as 0.6, a figure such as 4.3G or 22M, or two removed ratios such as 0.45:0.3; other kinds by name, such as params=22M, size=40MB or latency=12ms",
        Assert.Throws<BudgetException>(() => Budget.Parse(text)).Message);

    [Theory]
    [InlineData("0", "found 0;")]
    [InlineData("-0.5", "found -0.5;")]
    [InlineData("1.0001", "found 1.0001;")]
    [InlineData("60", "found 60;")]
    [InlineData("4300000000", "absolute figures take a suffix")]
    [InlineData("0G", "expected a positive figure below 9e18")]
    [InlineData("-4G", "expected a positive figure below 9e18")]
    [InlineData("1e30G", "expected a positive figure below 9e18")]
    [InlineData("0.4:1.00001", "expected shares in 0..1, found 0.4 and 1.00001")]
    [InlineData("-0.1:0", "expected shares in 0..1, found -0.1 and 0")]
    public void A_figure_out_of_range_is_given_back(string text, string message) =>
        Assert.Contains(message, Assert.Throws<BudgetException>(() => Budget.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Flops_and_parameters_have_readings_of_their_own()
    {
        Assert.Equal(Budget.Flops(0.5), Budget.ParseFlops("0.5"));
        Assert.Equal(Budget.AbsoluteFlops(5_000_000_000), Budget.ParseFlops("5G"));
        Assert.Equal(Budget.Parameters(0.5), Budget.ParseParameters("0.5"));
        Assert.Equal(Budget.AbsoluteParameters(22_000_000), Budget.ParseParameters("22M"));
        Assert.NotEqual(Budget.ParseFlops("22M"), Budget.ParseParameters("22M"));
        Assert.Throws<BudgetException>(() => Budget.ParseFlops("0.4:0.3"));
        Assert.Throws<BudgetException>(() => Budget.ParseParameters("0.4:0.3"));
    }

    public static TheoryData<string, long> Sizes => new()
    {
        { "40MB", 40_000_000 }, { "40mb", 40_000_000 }, { "1.5KB", 1500 }, { "2GB", 2_000_000_000 }, { "17B", 17 },
        { "38MiB", 38L << 20 }, { "1KiB", 1024 }, { "0.5GiB", 1L << 29 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Sizes_are_bytes_in_powers_of_1000_or_of_1024(string text, long bytes) => Assert.Equal(Budget.AbsoluteFileSize(bytes), Budget.ParseFileSize(text));

    [Theory]
    [InlineData("12ms", 12_000_000)]
    [InlineData("0.5s", 500_000_000)]
    [InlineData("800us", 800_000)]
    [InlineData(" 1.25 ms ", 0)]
    public void Latencies_are_times(string text, long nanoseconds)
    {
        if (nanoseconds == 0)
        {
            Assert.Contains("a time such as 12ms", Assert.Throws<BudgetException>(() => Budget.ParseLatency(text)).Message, StringComparison.Ordinal);
            return;
        }

        Assert.Equal(new Budget.Most(CostUnit.Nanoseconds, nanoseconds), Budget.ParseLatency(text));
    }

    [Fact]
    public void Every_kind_takes_a_share_and_says_what_it_limits()
    {
        Assert.Equal(Budget.FileSize(0.5), Budget.ParseFileSize("0.5"));
        Assert.Equal(Budget.Latency(0.5), Budget.ParseLatency("0.5"));
        Assert.Equal(
            new CostUnit?[] { CostUnit.Flops, CostUnit.Parameters, CostUnit.FileBytes, CostUnit.Nanoseconds, CostUnit.Nanoseconds, null },
            new[] { Budget.Whole, Budget.Parameters(0.5), Budget.AbsoluteFileSize(5), Budget.Latency(1), Budget.AbsoluteLatency(TimeSpan.FromSeconds(1)), Budget.Ratios(0, 0) }.Select(budget => budget.Unit));
    }

    [Theory]
    [InlineData("size=40M", "expected a share kept such as 0.6, or a size such as 40MB or 38MiB")]
    [InlineData("latency=12", "latency: expected a share kept above 0 and up to 1 (1 is the whole model), found 12; absolute figures take a suffix such as ms")]
    [InlineData("latency=0ms", "expected a positive figure")]
    [InlineData("size=1.5", "size: expected a share kept above 0 and up to 1 (1 is the whole model), found 1.5; absolute figures take a suffix such as MB")]
    [InlineData("ratios=0.5", "budget '0.5': expected two removed ratios such as 0.45:0.3")]
    [InlineData("speed=3", "budget 'speed=3': expected one of flops, params, size, latency, ratios before '=', found 'speed'")]
    public void A_named_budget_that_cannot_be_is_refused_with_what_would_be_one(string text, string message) =>
        Assert.Contains(message, Assert.Throws<BudgetException>(() => Budget.Parse(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1.5)]
    [InlineData(double.PositiveInfinity)]
    public void Shares_outside_their_range_are_refused_by_every_factory(double share)
    {
        Assert.Contains("FLOPs", Assert.Throws<BudgetException>(() => Budget.Flops(share)).Message, StringComparison.Ordinal);
        Assert.Contains("parameters", Assert.Throws<BudgetException>(() => Budget.Parameters(share)).Message, StringComparison.Ordinal);
        if (share != 0)
        {
            Assert.Throws<BudgetException>(() => Budget.Ratios(share, 0));
            Assert.Throws<BudgetException>(() => Budget.Ratios(0, share));
        }
    }

    [Fact]
    public void The_papers_pairs_are_written_as_they_are_read() => Assert.Equal(
        ["0.15:0", "0.25:0.1", "0.35:0.2", "0.45:0.3", "0.55:0.4", "0.65:0.5"],
        PruningRatios.Paper.Select(pair => Budget.Parse(pair.ToString()) == Budget.Ratios(pair) ? pair.ToString() : "another"));

    [Fact]
    public void Floors_round_down_and_must_be_shares()
    {
        KeepFloors floors = new();
        Assert.Equal((153, 9, 0), (floors.Kept(Axis.Neurons, 3072), floors.Kept(Axis.Neurons, 192), floors.Kept(Axis.Neurons, 19)));
        Assert.Equal((2, 1, 1, 0), (floors.Kept(Axis.Heads, 12), floors.Kept(Axis.Heads, 6), floors.Kept(Axis.Heads, 5), floors.Kept(Axis.Heads, 4)));
        foreach ((double neurons, double heads) in new[] { (-0.1, 0.2), (1.1, 0.2), (double.NaN, 0.2), (0.1, -1), (0.1, double.NaN) })
        {
            SnapViTException fault = Assert.Throws<SnapViTException>(() => new KeepFloors(neurons, heads));
            Assert.Equal(ErrorKind.Option, fault.Kind);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"found {neurons} of neurons and {heads} of heads"), fault.Message, StringComparison.Ordinal);
        }
    }
}
