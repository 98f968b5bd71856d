using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Scores;

public sealed class ImportanceScoresTests
{
    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(-1e-300)]
    public void A_score_that_is_no_number_or_negative_is_named(double wrong)
    {
        double[,] neurons = new double[3, 5], heads = new double[3, 2];
        neurons[2, 4] = wrong;
        string message = Assert.Throws<SnapViTException>(() => new ImportanceScores(neurons, heads)).Message;
        Assert.Equal($"scores: block 2, neuron 4: expected a finite score of 0 or more, found {wrong}", message);

        heads[1, 0] = wrong;
        message = Assert.Throws<SnapViTException>(() => new ImportanceScores(new double[3, 5], heads)).Message;
        Assert.Equal($"scores: block 1, head 0: expected a finite score of 0 or more, found {wrong}", message);
    }

    [Theory]
    [InlineData(3, 5, 2, 2)]
    [InlineData(0, 5, 0, 2)]
    [InlineData(3, 0, 3, 2)]
    [InlineData(3, 5, 3, 0)]
    public void Shapes_that_do_not_belong_together_are_given(int blocks, int neurons, int headBlocks, int heads)
    {
        string message = Assert.Throws<ArgumentException>(() => new ImportanceScores(new double[blocks, neurons], new double[headBlocks, heads])).Message;
        Assert.EndsWith($"found [{blocks}, {neurons}] and [{headBlocks}, {heads}]", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scores_are_kept_to_the_last_bit_and_not_shared()
    {
        double[,] neurons = { { 0, -0.0, double.Epsilon }, { 1e-45, double.MaxValue, 3 } };
        double[,] heads = { { 7 }, { 8 } };
        ImportanceScores scores = new(neurons, heads);
        neurons[0, 0] = heads[0, 0] = 99;
        Assert.Equal((2, 3, 1), (scores.Depth, scores.Counts[0][Axis.Neurons], scores.Counts[0][Axis.Heads]));
        Assert.Equal([0, -0.0, double.Epsilon], scores.Of(Axis.Neurons, 0).ToArray());
        Assert.Equal([1e-45, double.MaxValue, 3], scores.Of(Axis.Neurons, 1).ToArray());
        Assert.Equal([7], scores.Of(Axis.Heads, 0).ToArray());
    }

    [Fact]
    public void Scaling_uses_the_absolute_factors_of_block_and_head()
    {
        ImportanceScores scores = new(new double[,] { { 1, 2 }, { 3, 4 } }, new double[,] { { 1, 2, 3 }, { 4, 5, 6 } });
        ImportanceScores scaled = scores.Scaled(new ScoreCoefficients([-2, 0.5, 10, -20, 30, 0, -1, 1], scores.Counts));
        Assert.Equal([2, 4], scaled.Of(Axis.Neurons, 0).ToArray());
        Assert.Equal([1.5, 2], scaled.Of(Axis.Neurons, 1).ToArray());
        Assert.Equal([10, 40, 90], scaled.Of(Axis.Heads, 0).ToArray());
        Assert.Equal([0, 5, 6], scaled.Of(Axis.Heads, 1).ToArray());
        Assert.Equal([1, 2], scores.Of(Axis.Neurons, 0).ToArray());
    }

    [Fact]
    public void Divided_by_its_mean_every_block_has_a_mean_of_1_and_its_own_order()
    {
        ImportanceScores scores = new(new double[,] { { 1, 3, 0 }, { 0, 0, 0 }, { double.MaxValue, double.MaxValue, 0 } }, new double[,] { { 1e-300, 3e-300 }, { 4, 4 }, { 0, 1e-320 } });
        ImportanceScores divided = scores.DividedByBlockMean();
        Assert.Equal([0.75, 2.25, 0], divided.Of(Axis.Neurons, 0).ToArray(), (expected, found) => Math.Abs(expected - found) < 1e-12);
        Assert.Equal([0, 0, 0], divided.Of(Axis.Neurons, 1).ToArray());
        Assert.Equal([1.5, 1.5, 0], divided.Of(Axis.Neurons, 2).ToArray(), (expected, found) => Math.Abs(expected - found) < 1e-12);
        Assert.Equal([0.5, 1.5], divided.Of(Axis.Heads, 0).ToArray(), (expected, found) => Math.Abs(expected - found) < 1e-12);
        Assert.Equal([1, 1], divided.Of(Axis.Heads, 1).ToArray());
        Assert.Equal([0, 2], divided.Of(Axis.Heads, 2).ToArray());
    }

    [Fact]
    public void Neurons_can_be_given_other_scores_and_heads_keep_theirs()
    {
        ImportanceScores scores = new(new double[,] { { 1, 2 }, { 3, 4 } }, new double[,] { { 5 }, { 6 } });
        ImportanceScores other = scores.With(Axis.Neurons, new double[,] { { 4, 3 }, { 2, 1 } });
        Assert.Equal([4, 3], other.Of(Axis.Neurons, 0).ToArray());
        Assert.Equal([6], other.Of(Axis.Heads, 1).ToArray());
        Assert.Equal([1, 2], scores.Of(Axis.Neurons, 0).ToArray());
        Assert.Contains("expected neurons [2, 2], found [2, 3]", Assert.Throws<ArgumentException>(() => scores.With(Axis.Neurons, new double[2, 3])).Message, StringComparison.Ordinal);
        Assert.Contains("neuron 1", Assert.Throws<SnapViTException>(() => scores.With(Axis.Neurons, new double[,] { { 1, -1 }, { 1, 1 } })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Factors_of_another_architecture_are_refused()
    {
        ImportanceScores scores = new(new double[2, 4], new double[2, 3]);
        string message = Assert.Throws<ArgumentException>(() => scores.Scaled(ScoreCoefficients.Initial(SubnetWidths.Uniform(3, Widths.Block(2, 4))))).Message;
        Assert.Contains("expected 2 blocks of 3 heads, found 3 of 2", message, StringComparison.Ordinal);
    }
}
