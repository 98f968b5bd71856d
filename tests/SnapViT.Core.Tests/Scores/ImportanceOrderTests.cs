using CsCheck;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Scores;

public sealed class ImportanceOrderTests
{
    [Fact]
    public void The_most_important_comes_first_and_equals_by_index()
    {
        ImportanceOrder order = new(new ImportanceScores(new[,] { { 1.0, 3, 0, 3, -0.0, 2 }, { 5, 5, 5, 5, 5, 5 } }, new[,] { { 0, 1e-300 }, { 2.0, 1 } }));
        Assert.Equal([1, 3, 5, 0, 2, 4], order.Of(Axis.Neurons, 0).ToArray());
        Assert.Equal([0, 1, 2, 3, 4, 5], order.Of(Axis.Neurons, 1).ToArray());
        Assert.Equal([1, 0], order.Of(Axis.Heads, 0).ToArray());
        Assert.Equal([0, 1], order.Of(Axis.Heads, 1).ToArray());
    }

    [Fact]
    public void Any_scores_are_sorted_and_stable()
    {
        Gen<double> score = Gen.OneOf(new[] { 0.0, double.Epsilon, 1e-310, 1, 2, double.MaxValue }.Select(Gen.Const).ToArray<IGen<double>>());
        score.Array2D[1, 300].Sample(
            scores =>
            {
                int[] order = new ImportanceOrder(new ImportanceScores(scores, new double[1, 1])).Of(Axis.Neurons, 0).ToArray();
                Assert.Equal(Enumerable.Range(0, 300).OrderByDescending(index => scores[0, index]), order);
            },
            iter: 100);
    }
}
