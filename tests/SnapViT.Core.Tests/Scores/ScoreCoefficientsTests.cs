using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Scores;

public sealed class ScoreCoefficientsTests
{
    [Fact]
    public void The_start_falls_from_1_2_to_0_8_for_mlps_and_heads_alike()
    {
        double[] expected = [1.2, 1.0, 0.8, 1.2, 1.2, 1.0, 1.0, 0.8, 0.8];
        Assert.All(expected.Zip(ScoreCoefficients.Initial(Full(3, 2)).Vector.ToArray()), pair => Assert.Equal(pair.First, pair.Second, 1e-15));
        Assert.Equal([1.2, 1.2], ScoreCoefficients.Initial(Full(1, 1)).Vector.ToArray());
    }

    [Fact]
    public void The_vector_holds_the_mlps_then_the_heads_block_by_block()
    {
        double[] vector = [-1, 2, 3, -4, 5, 6, 7, -8];
        ScoreCoefficients coefficients = new(vector, Full(2, 3));
        vector[0] = 99;
        Assert.Equal((1, 2, 3, 4, 6, 8), (Mlp(0), Mlp(1), Head(0, 0), Head(0, 1), Head(1, 0), Head(1, 2)));
        Assert.Equal([-1, 2, 3, -4, 5, 6, 7, -8], coefficients.Vector.ToArray());

        double Mlp(int block) => coefficients.Of(Axis.Neurons, block, 5);
        double Head(int block, int head) => coefficients.Of(Axis.Heads, block, head);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_factor_that_is_not_finite_is_refused(double wrong) =>
        Assert.Contains($"found {wrong}", Assert.Throws<ArgumentException>(() => new ScoreCoefficients([1, wrong], Full(1, 1))).Message, StringComparison.Ordinal);

    [Fact]
    public void Another_length_is_refused_with_both_figures() =>
        Assert.Contains("expected 156 factors, found 155", Assert.Throws<ArgumentException>(() => new ScoreCoefficients(new double[155], Full(12, 12))).Message, StringComparison.Ordinal);

    private static SubnetWidths Full(int depth, int heads) => SubnetWidths.Uniform(depth, Widths.Block(heads, 7));
}
