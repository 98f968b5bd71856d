using SnapViT.Core.Checkpoints;
using SnapViT.Core.Randomness;
using SnapViT.Core.Search;
using SnapViT.Tests;

namespace SnapViT.Core.Tests.Search;

public sealed class XnesTests
{
    // The reference's CustomXNES (commit 2ed5f79) through optimize_function_ga, n = 20, seed 42: its own draws and fitnesses are fed in.
    [Theory]
    [InlineData("sphere_default", false)]
    [InlineData("sphere_partial", false)]
    [InlineData("sphere_covinit", false)]
    [InlineData("sphere_float32_start", true)]
    [InlineData("rosenbrock_default", false)]
    public void Every_candidate_mean_and_matrix_is_the_references(string run, bool float32Mean)
    {
        using SafetensorsReader golden = SafetensorsReader.Open(SharedFolder.Require("golden", "xnes", run + ".safetensors"));
        double[] start = golden.ReadDoubles("init_mean");
        int n = start.Length;
        double[] fitness = golden.ReadDoubles("y"), samples = golden.ReadDoubles("x");
        double[] means = golden.ReadDoubles("mean"), matrices = golden.ReadDoubles("a");
        Queue<double> normals = new(golden.ReadDoubles("normals"));
        double[,] initial = new double[n, n];
        Buffer.BlockCopy(golden.ReadDoubles("init_a"), 0, initial, 0, initial.Length * sizeof(double));
        Xnes search = new(start, normals.Dequeue, new XnesOptions { InitialA = initial, Float32Mean = float32Mean });
        Assert.Equal(golden.Tensors["w"].Shape[0], search.Population);

        int checkedUpdates = 0, updates = (int)golden.Tensors["mean"].Shape[0];
        for (int i = 0; i < fitness.Length; i++)
        {
            Close(samples.AsSpan(i * n, n), search.Ask(), $"x {i}");
            int before = search.Generation;
            search.Tell(fitness[i]);
            if (search.Generation > before && before < updates)
            {
                Close(means.AsSpan(before * n, n), search.Mean, $"mean {before}");
                Close(matrices.AsSpan(before * n * n, n * n), search.A.Cast<double>().ToArray(), $"a {before}");
                checkedUpdates++;
            }
        }

        Assert.Equal(updates, checkedUpdates);
        Assert.Empty(normals);
    }

    // golden/xnes/index.json: population and covariance rate of the models the paper searches.
    [Theory]
    [InlineData(84, 17, 0.005791204159191994)]
    [InlineData(156, 19, 0.002478862655457036)]
    [InlineData(408, 22, 0.0006560650038119587)]
    [InlineData(544, 22, 0.0004397306909414868)]
    [InlineData(672, 23, 0.00032755908949724257)]
    [InlineData(680, 23, 0.000322196108680244)]
    public void Population_and_rate_follow_the_number_of_variables(int n, int population, double rate)
    {
        Assert.Equal(population, new XnesOptions().PopulationFor(n));
        Assert.Equal(rate, new XnesOptions().CovarianceRateFor(n), rate * 1e-12);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void A_fitness_that_is_not_finite_is_refused_and_the_candidate_stays_open(double fitness)
    {
        Xnes search = Started(3);
        search.Ask();
        Assert.Contains($"found {fitness}", Assert.Throws<ArgumentException>(() => search.Tell(fitness)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => search.Ask());
        search.Tell(1);
        search.Ask();
    }

    [Fact]
    public void Candidates_of_a_generation_that_are_asked_for_at_once_are_those_asked_for_one_by_one()
    {
        Xnes one = Start(), many = Start();
        Queue<double[]> asked = [];
        for (int step = 0; step < 40; step++)
        {
            if (asked.Count == 0)
            {
                asked = new Queue<double[]>(many.Ask(most: 1 + (step % 9)));
            }

            double[] expected = one.Ask(), found = asked.Dequeue();
            Assert.Equal(expected, found);
            one.Tell(expected.Sum(value => value * value));
            many.Tell(found.Sum(value => value * value));
        }

        Assert.Empty(many.Ask(most: 0));

        static Xnes Start()
        {
            SeededRandom random = SeededRandom.ForPurpose(3, "test");
            return new Xnes([1, 2, 3], random.NextNormal, new XnesOptions { Population = 5 });
        }
    }

    [Fact]
    public void Asking_twice_and_telling_unasked_are_refused()
    {
        Xnes search = Started(3);
        Assert.Throws<InvalidOperationException>(() => search.Tell(1));
        search.Ask();
        Assert.Throws<InvalidOperationException>(() => search.Ask());
        search.Tell(1);
        Assert.Throws<InvalidOperationException>(() => search.Tell(1));
    }

    [Fact]
    public void Impossible_starts_are_refused_by_name()
    {
        Assert.Contains("at least one variable", Refused([], new XnesOptions()), StringComparison.Ordinal);
        Assert.Contains("population of at least 2, found 1", Refused([1, 2], new XnesOptions { Population = 1 }), StringComparison.Ordinal);
        Assert.Contains("expected [2, 2], found [2, 3]", Refused([1, 2], new XnesOptions { InitialA = new double[2, 3] }), StringComparison.Ordinal);

        static string Refused(double[] mean, XnesOptions options) => Assert.Throws<ArgumentException>(() => new Xnes(mean, () => 0, options)).Message;
    }

    [Fact]
    public void Telling_the_fitnesses_again_gives_the_same_state()
    {
        Xnes first = Started(5);
        List<double> fitnesses = [];
        for (int i = 0; i < 30; i++)
        {
            fitnesses.Add(Sphere(first.Ask()));
            first.Tell(fitnesses[^1]);
        }

        Xnes second = Started(5);
        foreach (double fitness in fitnesses)
        {
            second.Ask();
            second.Tell(fitness);
        }

        Assert.Equal(first.Generation, second.Generation);
        Assert.True(first.Generation >= 3);
        Assert.Equal(first.Mean.ToArray(), second.Mean.ToArray());
        Assert.Equal(first.A, second.A);
        Assert.Equal(first.Ask(), second.Ask());
    }

    [Fact]
    public void Callers_can_change_neither_the_start_nor_the_matrix()
    {
        double[] mean = [1, 2];
        double[,] a = { { 1, 0 }, { 0, 1 } };
        Xnes search = new(mean, () => 0, new XnesOptions { InitialA = a });
        mean[0] = a[0, 0] = search.A[1, 1] = 99;
        Assert.Equal([1, 2], search.Mean.ToArray());
        Assert.Equal(SquareMatrix.Identity(2), search.A);
        Assert.Equal([1, 2], search.Ask());
    }

    [Fact]
    public void A_sphere_is_minimised()
    {
        Xnes search = Started(6);
        double start = Sphere(search.Mean);
        for (int i = 0; i < 4000; i++)
        {
            search.Tell(Sphere(search.Ask()));
        }

        Assert.InRange(Sphere(search.Mean), 0, start * 1e-6);
    }

    [Fact]
    public void Equal_fitnesses_rank_in_the_order_they_were_told()
    {
        Queue<double> normals = new([1, -1, 1, -1]);
        Xnes search = new([0.0], normals.Dequeue, new XnesOptions { Population = 2 });
        for (int i = 0; i < 2; i++)
        {
            search.Ask();
            search.Tell(7);
        }

        // Utilities of two: 1 - 1/2 for the first told (s = 1), 0 - 1/2 for the second (s = -1).
        Assert.Equal(1, search.Mean[0], 1e-15);
        Assert.Equal(1, search.A[0, 0], 1e-15);
    }

    private static Xnes Started(int n)
    {
        SeededRandom random = new(1);
        return new Xnes([.. Enumerable.Repeat(3.0, n)], random.NextNormal);
    }

    private static double Sphere(ReadOnlySpan<double> x)
    {
        double sum = 0;
        foreach (double value in x)
        {
            sum += value * value;
        }

        return sum;
    }

    private static void Close(ReadOnlySpan<double> expected, ReadOnlySpan<double> found, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(expected[i] - found[i]);
            Assert.True(error <= 1e-9 * Math.Abs(expected[i]), $"{what}[{i}]: expected {expected[i]:R}, found {found[i]:R}");
        }
    }
}
