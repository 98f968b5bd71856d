using CsCheck;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Scores;

public sealed class MergedRankingTests
{
    private static readonly double[,] Heads = { { 2, 1 }, { 4, 3 } };

    private static readonly ImportanceScores
        Deep = new(new[,] { { 1.0, 2, 3, 4 }, { 5, 6, 7, 8 } }, Heads),
        Light = new(new[,] { { 0.8, 0.7, 0.6, 0.5 }, { 0.4, 0.3, 0.2, 0.1 } }, new double[2, 2]);

    // Light takes 8, 7 and 6 of the second block first; what is left follows as the deep scores say: 1 to 5.
    [Fact]
    public void The_first_share_goes_by_the_light_scores_and_the_rest_by_the_deep_ones()
    {
        ImportanceScores merged = MergedRanking.Of(Axis.Neurons, Deep, Light, 0.375);
        Assert.Equal([4, 5, 6, 7], merged.Of(Axis.Neurons, 0).ToArray());
        Assert.Equal([8, 3, 2, 1], merged.Of(Axis.Neurons, 1).ToArray());
    }

    [Fact]
    public void Heads_stay_as_the_deep_scores_say()
    {
        ImportanceScores merged = MergedRanking.Of(Axis.Neurons, Deep, Light, 0.5);
        Assert.Equal([2, 1], merged.Of(Axis.Heads, 0).ToArray());
        Assert.Equal([4, 3], merged.Of(Axis.Heads, 1).ToArray());
    }

    [Fact]
    public void A_share_of_nothing_leaves_the_scores_as_they_are() => Assert.Same(Deep, MergedRanking.Of(Axis.Neurons, Deep, Light, 0));

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void A_share_out_of_range_is_refused(double share) =>
        Assert.Contains("expected a share in 0..1", Assert.Throws<ArgumentException>(() => MergedRanking.Of(Axis.Neurons, Deep, Light, share)).Message, StringComparison.Ordinal);

    [Fact]
    public void Rankings_of_two_architectures_are_refused() =>
        Assert.Throws<ArgumentException>(() => MergedRanking.Of(Axis.Neurons, Deep, new ImportanceScores(new double[2, 5], new double[2, 2]), 0.5));

    // Zeros, equal scores and denormals are what scores of dead neurons look like.
    [Fact]
    public void Any_two_rankings_are_each_followed_in_their_part_and_leave_no_ties()
    {
        Gen<double> score = Gen.OneOf(new[] { 0.0, double.Epsilon, 1e-310, 1, 2, 3, 1e300 }.Select(Gen.Const).ToArray<IGen<double>>());
        Gen.Select(score.Array2D[3, 20], score.Array2D[3, 20], Gen.Int[1, 60]).Sample(
            (deep, light, count) =>
            {
                (int, int)[] byDeep = Removed(deep), byLight = Removed(light);
                ImportanceScores merged = MergedRanking.Of(Axis.Neurons, new(deep, new double[3, 2]), new(light, new double[3, 2]), (count + 0.5) / 60.5);
                double[,] scores = Square(merged);
                int first = (int)((count + 0.5) / 60.5 * 60);
                Assert.Equal(byLight.Take(first).Concat(byDeep.Except(byLight.Take(first))), Removed(scores));
                Assert.Equal(60, scores.Cast<double>().Distinct().Count());
            },
            iter: 200);
    }

    /// <summary>Block and index of all neurons as pools remove them: the lowest score first, equal ones from the last block and index on.</summary>
    private static (int Block, int Index)[] Removed(double[,] scores) =>
    [
        .. Enumerable.Range(0, 60).Select(i => (Block: i / 20, Index: i % 20))
            .OrderBy(neuron => scores[neuron.Block, neuron.Index]).ThenByDescending(neuron => neuron.Block).ThenByDescending(neuron => neuron.Index),
    ];

    private static double[,] Square(ImportanceScores scores)
    {
        double[,] square = new double[3, 20];
        for (int i = 0; i < square.Length; i++)
        {
            square[i / 20, i % 20] = scores.Of(Axis.Neurons, i / 20)[i % 20];
        }

        return square;
    }
}
