using CsCheck;
using SnapViT.Evaluation;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Evaluation;

public sealed class NearestNeighboursTests
{
    // Numbers: golden/knn, scikit-learn's brute force with k = 20; 13 of the 120 queries have tied votes.
    [Fact, LeakCheck]
    public void Neighbours_predictions_and_ties_are_the_reference_s()
    {
        using Golden golden = Golden.Open("knn", "knn.safetensors");
        using DisposeScope scope = NewDisposeScope();
        int[] labels = [.. golden.Longs("train_labels").Select(label => (int)label)];
        using NearestNeighbours neighbours = new(golden.Float("train"), labels);
        Tensor queries = golden.Float("test");
        Assert.Equal(golden.Longs("predictions").Select(label => (int)label), neighbours.Predict(queries));

        // The order among the twenty may differ where distances agree to the last bit; which twenty they are may not.
        long[] nearest = neighbours.Nearest(queries).data<long>().ToArray(), expected = golden.Longs("neighbours");
        for (int query = 0; query < 120; query++)
        {
            Assert.Equal(expected.Skip(query * 20).Take(20).Order(), nearest.Skip(query * 20).Take(20).Order());
        }
    }

    [Fact]
    public void Predictions_are_those_of_a_plain_loop_over_all_distances() =>
        Gen.Select(Gen.Int[1, 30], Gen.Int[1, 6], Gen.Int[0, 10_000]).Sample((rows, k, seed) =>
        {
            using DisposeScope scope = NewDisposeScope();
            Generator random = new((ulong)seed);
            int kept = Math.Min(k, rows);
            Tensor train = randn([rows, 5], generator: random), test = randn([7, 5], generator: random);
            int[] labels = [.. randint(4, [rows], generator: random).data<long>().Select(label => (int)label)];
            using NearestNeighbours neighbours = new(train, labels, kept);
            Assert.Equal(ByLoop(train, test, labels, kept), neighbours.Predict(test));
        }, iter: 200);

    [Fact, LeakCheck]
    public void A_tied_vote_goes_to_the_smallest_label()
    {
        using Tensor train = tensor(new float[,] { { 1, 0 }, { 1, 0.1f }, { 1, -0.1f }, { 1, 0.05f } });
        using Tensor query = tensor(new float[,] { { 2, 0 } });
        using NearestNeighbours neighbours = new(train, [3, 1, 1, 3], 4);
        Assert.Equal([1], neighbours.Predict(query));
    }

    [Fact, LeakCheck]
    public void Accuracy_is_the_share_of_right_predictions()
    {
        using Tensor train = eye(3);
        using NearestNeighbours neighbours = new(train, [0, 1, 2], 1);
        Assert.Equal(2.0 / 3, neighbours.Accuracy(train, [0, 1, 0]), 12);
    }

    [Theory, LeakCheck]
    [InlineData(0)]
    [InlineData(4)]
    public void More_neighbours_than_rows_or_none_are_refused(int k)
    {
        using Tensor train = eye(3);
        Assert.Throws<ArgumentException>(() => new NearestNeighbours(train, [0, 1, 2], k));
    }

    [Fact, LeakCheck]
    public void Labels_that_do_not_fit_the_rows_are_refused()
    {
        using Tensor train = eye(3);
        Assert.Throws<ArgumentException>(() => new NearestNeighbours(train, [0, 1], 1));
        Assert.Throws<ArgumentException>(() => new NearestNeighbours(train, [0, 1, -1], 1));
    }

    private static int[] ByLoop(Tensor train, Tensor test, int[] labels, int k)
    {
        double[][] Rows(Tensor t) => [.. Enumerable.Range(0, (int)t.shape[0]).Select(row =>
        {
            double[] values = [.. t[row].data<float>().Select(value => (double)value)];
            double norm = Math.Sqrt(values.Sum(value => value * value));
            return values.Select(value => value / norm).ToArray();
        })];
        double[][] known = Rows(train);
        return [.. Rows(test).Select(query => known
            .Select((row, index) => (Distance: row.Zip(query, (a, b) => (a - b) * (a - b)).Sum(), Label: labels[index]))
            .OrderBy(entry => entry.Distance).Take(k)
            .GroupBy(entry => entry.Label)
            .OrderByDescending(group => group.Count()).ThenBy(group => group.Key).First().Key)];
    }
}
