using CsCheck;
using SnapViT.Core.Errors;
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
    public void Neighbours_are_the_nearest_and_predictions_their_votes_by_plain_loops() =>
        Gen.Select(Gen.Int[1, 30], Gen.Int[1, 6], Gen.Int[0, 10_000]).Sample((rows, k, seed) =>
        {
            using DisposeScope scope = NewDisposeScope();
            Generator random = new((ulong)seed);
            int kept = Math.Min(k, rows);
            Tensor train = randn([rows, 5], generator: random), test = randn([7, 5], generator: random);
            int[] labels = [.. randint(4, [rows], generator: random).data<long>().Select(label => (int)label)];
            using NearestNeighbours neighbours = new(train, labels, kept);
            int[][] nearest = [.. neighbours.Nearest(test).data<long>().Select(index => (int)index).Chunk(kept)];
            double[][] distances = SquaredDistances(train, test);
            for (int query = 0; query < 7; query++)
            {
                // By distance and not by index: what is equally far to float32 may change places.
                double[] found = [.. nearest[query].Select(index => distances[query][index])], expected = [.. distances[query].Order().Take(kept)];
                Assert.Equal(kept, nearest[query].Distinct().Count());
                Assert.All(found.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-6));
            }

            Assert.Equal(nearest.Select(indices => Vote(indices.Select(index => labels[index]))), neighbours.Predict(test));
        }, iter: 200);

    // 70,000 training rows leave 239 queries per product.
    [Fact, LeakCheck]
    public void Queries_in_several_products_have_the_neighbours_they_have_alone()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor train = randn([70_000, 3], generator: new Generator(1)), queries = randn([500, 3], generator: new Generator(2));
        using NearestNeighbours neighbours = new(train, [.. Enumerable.Range(0, 70_000).Select(i => i % 5)], 1);
        long[] together = [.. neighbours.Nearest(queries).data<long>()];
        foreach (int query in new[] { 0, 238, 239, 240, 478, 499 })
        {
            double[] distances = SquaredDistances(train, queries.narrow(0, query, 1))[0];
            Assert.Equal(distances.Min(), distances[together[query]], 1e-6);
        }
    }

    [Fact, LeakCheck]
    public void The_length_of_a_feature_does_not_matter()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor train = randn([20, 4], generator: new Generator(1)), queries = randn([9, 4], generator: new Generator(2));
        Tensor lengths = rand([20, 1], generator: new Generator(3)) + 0.1;
        int[] labels = [.. Enumerable.Range(0, 20).Select(i => i % 3)];
        using NearestNeighbours neighbours = new(train, labels, 5), scaled = new(train * lengths, labels, 5);
        Assert.Equal(neighbours.Predict(queries), scaled.Predict(queries * 1000));
    }

    // 3 labels of 2 votes each: whatever the order of the neighbours, the smallest label wins; a majority still beats it.
    [Fact, LeakCheck]
    public void Equal_votes_of_equal_distances_go_to_the_smallest_label_in_any_order()
    {
        using Tensor train = ones(6, 3), query = ones(1, 3);
        foreach (int[] labels in new int[][] { [7, 5, 2, 2, 5, 7], [2, 2, 5, 5, 7, 7], [7, 7, 5, 5, 2, 2] })
        {
            using NearestNeighbours neighbours = new(train, labels, 6);
            Assert.Equal([2], neighbours.Predict(query));
        }

        using NearestNeighbours majority = new(train, [0, 0, 9, 9, 9, 4], 6);
        Assert.Equal([9], majority.Predict(query));
    }

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

    // DINO's rule in plain loops: a neighbour's vote weighs exp(cosine / T).
    [Fact, LeakCheck]
    public void Weighted_votes_are_those_of_plain_loops_at_any_temperature()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor train = randn([40, 5], generator: new Generator(1)), queries = randn([30, 5], generator: new Generator(2));
        int[] labels = [.. Enumerable.Range(0, 40).Select(i => i * 7 % 4)];
        using NearestNeighbours neighbours = new(train, labels, 9);
        double[][] distances = SquaredDistances(train, queries);
        foreach (double temperature in new[] { 0.001, NearestNeighbours.PaperTemperature, 10 })
        {
            IEnumerable<int> expected = distances.Select(own => Enumerable.Range(0, 40).OrderBy(row => own[row]).Take(9)
                .GroupBy(row => labels[row])
                .MaxBy(group => group.Sum(row => Math.Exp((own.Min() - own[row]) / 2 / temperature)))!.Key);
            Assert.Equal(expected, neighbours.PredictWeighted(queries, temperature));
        }

        (int[] voted, int[] weighted) = neighbours.PredictBoth(queries);
        Assert.Equal(neighbours.Predict(queries), voted);
        Assert.Equal(neighbours.PredictWeighted(queries), weighted);
        Assert.NotEqual(voted, weighted);
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

    [Fact, LeakCheck]
    public void Features_and_queries_of_another_shape_are_refused()
    {
        using Tensor train = eye(3), flat = ones(3), wide = ones(2, 4), none = ones(0, 3);
        Assert.Contains("training features [n, D], found [3]", Refused(() => new NearestNeighbours(flat, [0, 1, 2], 1)), StringComparison.Ordinal);
        using NearestNeighbours neighbours = new(train, [0, 1, 2], 1);
        Assert.Contains("at least one query [m, 3], found [2, 4]", Refused(() => neighbours.Predict(wide)), StringComparison.Ordinal);
        Assert.Contains("at least one query [m, 3], found [3]", Refused(() => neighbours.Predict(flat)), StringComparison.Ordinal);
        Assert.Contains("at least one query [m, 3], found [0, 3]", Refused(() => neighbours.Accuracy(none, [])), StringComparison.Ordinal);
        Assert.Contains("expected 3 labels, found 2", Refused(() => neighbours.Accuracy(train, [0, 1])), StringComparison.Ordinal);
    }

    [Theory, LeakCheck]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Features_that_are_not_finite_are_refused_rather_than_near_to_all(float value)
    {
        using Tensor train = eye(3), broken = tensor(new[,] { { 1, value, 0 } });
        using NearestNeighbours neighbours = new(train, [0, 1, 2], 1);
        Assert.Contains("finite query features", NotFinite(() => neighbours.Predict(broken)), StringComparison.Ordinal);
        Assert.Contains("finite training features", NotFinite(() => new NearestNeighbours(broken, [0], 1)), StringComparison.Ordinal);
    }

    private static string Refused(Func<object> act) => Assert.Throws<ArgumentException>(act).Message;

    private static string NotFinite(Func<object> act) => Assert.Throws<SnapViTException>(act).Message;

    private static int Vote(IEnumerable<int> labels) =>
        labels.GroupBy(label => label).OrderByDescending(group => group.Count()).ThenBy(group => group.Key).First().Key;

    /// <summary>Squared distances between rows of length 1, [queries][rows].</summary>
    private static double[][] SquaredDistances(Tensor train, Tensor test)
    {
        double[][] rows = OfLengthOne(train);
        return [.. OfLengthOne(test).Select(query => rows.Select(row => row.Zip(query, (a, b) => (a - b) * (a - b)).Sum()).ToArray())];
    }

    private static double[][] OfLengthOne(Tensor tensor) =>
    [
        .. tensor.data<float>().Chunk((int)tensor.shape[1]).Select(row =>
        {
            double norm = Math.Sqrt(row.Sum(value => (double)value * value));
            return row.Select(value => value / norm).ToArray();
        }),
    ];
}
