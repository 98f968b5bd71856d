using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Search;

namespace SnapViT.Tests.Search;

public sealed class CoefficientSearchTests
{
    private static readonly ScoreCoefficients Start = ScoreCoefficients.Initial(SmallModels.Widths((2, 7), (2, 7), (2, 7)));

    [Fact]
    public void The_start_is_evaluated_first_and_kept_when_nothing_beats_it()
    {
        SearchResult result = CoefficientSearch.Run(Start, candidate => Distance(candidate, Start), new SearchOptions { Evaluations = 12 });
        Assert.Equal(0, result.History[0]);
        Assert.Equal(13, result.History.Count);
        Assert.Equal(Start.Vector.ToArray(), result.Best.Vector.ToArray());
    }

    [Fact]
    public void The_best_of_all_candidates_is_returned()
    {
        ScoreCoefficients target = Start.With(Enumerable.Repeat(0.5, 9).ToArray());
        SearchResult result = CoefficientSearch.Run(Start, candidate => Distance(candidate, target), new SearchOptions { Evaluations = 400 });
        Assert.Equal(result.History.Min(), result.BestFitness);
        Assert.Equal(result.BestFitness, Distance(result.Best, target));
        Assert.True(result.BestFitness < 0.2 * result.History[0], $"{result.History[0]} to {result.BestFitness}");
    }

    [Fact]
    public void Without_evaluations_the_start_is_the_result()
    {
        SearchResult result = CoefficientSearch.Run(Start, _ => 3, new SearchOptions { Evaluations = 0 });
        Assert.Equal([3.0], result.History);
        Assert.Same(Start, result.Best);
    }

    [Fact]
    public void A_search_continued_from_any_evaluation_ends_like_one_that_was_never_interrupted()
    {
        SearchOptions options = new() { Evaluations = 40, Seed = 9 };
        SearchResult whole = CoefficientSearch.Run(Start, Bumpy, options);
        for (int interrupted = 1; interrupted <= 40; interrupted += 13)
        {
            int evaluated = 0;
            SearchResult rest = CoefficientSearch.Run(
                Start, candidate => Bumpy(candidate) + (0 * evaluated++), options, [.. whole.History.Take(interrupted)]);
            Assert.Equal(whole.History, rest.History);
            Assert.Equal(whole.Best.Vector.ToArray(), rest.Best.Vector.ToArray());
            Assert.Equal(41 - interrupted, evaluated);
        }
    }

    [Fact]
    public void Seeds_differ_and_the_same_seed_repeats()
    {
        double[] Of(ulong seed) => [.. CoefficientSearch.Run(Start, Bumpy, new SearchOptions { Evaluations = 10, Seed = seed }).History];
        Assert.Equal(Of(1), Of(1));
        Assert.NotEqual(Of(1), Of(2));
    }

    [Fact]
    public void Every_new_evaluation_is_told_with_the_whole_history()
    {
        List<int> told = [];
        CoefficientSearch.Run(Start, Bumpy, new SearchOptions { Evaluations = 3 }, [Bumpy(Start)], history => told.Add(history.Count));
        Assert.Equal([2, 3, 4], told);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_fitness_that_is_not_finite_is_refused(double fitness)
    {
        SnapViTException fault = Assert.Throws<SnapViTException>(() => CoefficientSearch.Run(Start, _ => fitness, new SearchOptions()));
        Assert.Contains("at evaluation 0", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    public void A_search_that_was_cancelled_goes_on_from_what_it_told_to_the_same_result(int step)
    {
        SearchOptions options = new() { Evaluations = 20, Seed = 4 };
        using CancellationTokenSource stop = new();
        double[] told = [];
        Assert.Throws<OperationCanceledException>(() => CoefficientSearch.Run(Start, Cancelled, options, evaluated: history => told = [.. history]));
        Assert.Equal(step, told.Length);
        SearchResult whole = CoefficientSearch.Run(Start, Bumpy, options), rest = CoefficientSearch.Run(Start, Bumpy, options, told);
        Assert.Equal(whole.History, rest.History);
        Assert.Equal(whole.Best.Vector.ToArray(), rest.Best.Vector.ToArray());

        double Cancelled(ScoreCoefficients candidate)
        {
            if (told.Length == step)
            {
                stop.Cancel();
            }

            stop.Token.ThrowIfCancellationRequested();
            return Bumpy(candidate);
        }
    }

    [Fact]
    public void The_result_is_never_worse_than_the_start()
    {
        for (ulong seed = 0; seed < 50; seed++)
        {
            SearchResult result = CoefficientSearch.Run(Start, Bumpy, new SearchOptions { Evaluations = (int)seed % 7, Seed = seed });
            Assert.Equal(Bumpy(Start), result.History[0]);
            Assert.Equal(result.History.Min(), result.BestFitness);
            Assert.Equal(result.BestFitness, Bumpy(result.Best));
        }
    }

    [Fact]
    public void Of_equal_fitnesses_the_first_is_kept_so_that_a_flat_search_stays_at_its_start() =>
        Assert.Same(Start, CoefficientSearch.Run(Start, _ => 1, new SearchOptions { Evaluations = 30 }).Best);

    [Fact]
    public void A_history_that_holds_all_evaluations_or_more_evaluates_nothing()
    {
        SearchResult whole = CoefficientSearch.Run(Start, Bumpy, new SearchOptions { Evaluations = 8 });
        SearchResult shorter = CoefficientSearch.Run(
            Start, _ => throw new InvalidOperationException("evaluated"), new SearchOptions { Evaluations = 5 }, whole.History, _ => throw new InvalidOperationException("told"));
        Assert.Equal(whole.History.Take(6), shorter.History);
        Assert.Equal(CoefficientSearch.Run(Start, Bumpy, new SearchOptions { Evaluations = 5 }).Best.Vector.ToArray(), shorter.Best.Vector.ToArray());
    }

    [Fact]
    public void A_history_that_is_not_finite_and_fewer_than_no_evaluations_are_refused()
    {
        SnapViTException fault = Assert.Throws<SnapViTException>(() => CoefficientSearch.Run(Start, Bumpy, new SearchOptions(), [1, double.NaN]));
        Assert.Contains("found NaN at evaluation 1", fault.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>("evaluations", () => CoefficientSearch.Run(Start, Bumpy, new SearchOptions { Evaluations = -1 }));
    }

    [Fact]
    public void Patience_ends_a_search_that_finds_nothing_better_and_changes_nothing_before()
    {
        SearchOptions all = new() { Evaluations = 60 };
        IReadOnlyList<double> whole = CoefficientSearch.Run(Start, Bumpy, all).History;
        IReadOnlyList<double> ended = CoefficientSearch.Run(Start, Bumpy, all with { Patience = 5 }).History;
        Assert.InRange(ended.Count, 6, whole.Count - 1);
        Assert.Equal(whole.Take(ended.Count), ended);
        Assert.All(ended.TakeLast(5), fitness => Assert.True(fitness >= ended.SkipLast(5).Min()));
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(3, null)]
    [InlineData(40, null)]
    [InlineData(60, 5)]
    public void Generations_that_are_evaluated_at_once_give_the_search_of_one_by_one(int evaluations, int? patience)
    {
        SearchOptions options = new() { Evaluations = evaluations, Patience = patience };
        SearchResult expected = CoefficientSearch.Run(Start, Bumpy, options);
        foreach (int known in new[] { 0, 1, expected.History.Count / 2 })
        {
            SearchResult found = CoefficientSearch.Run(
                Start, _ => throw new InvalidOperationException("one by one"), options, [.. expected.History.Take(known)],
                together: candidates => [.. candidates.Select(Bumpy)]);
            Assert.Equal(expected.History, found.History);
            Assert.Equal(expected.Best.Vector.ToArray(), found.Best.Vector.ToArray());
        }
    }

    [Fact]
    public void The_winner_is_the_best_finalist_on_what_was_held_out()
    {
        SearchOptions options = new() { Evaluations = 20 };
        List<ScoreCoefficients> asked = [];
        SearchResult found = CoefficientSearch.Run(Start, Bumpy, options, heldOut: finalists =>
        {
            asked.AddRange(finalists);
            return finalists.Select(candidate => -Bumpy(candidate));
        });
        Assert.Equal(SearchOptions.Finalists + 1, asked.Count);
        Assert.Equal(Start.Vector, asked[0].Vector);
        Assert.Equal(found.HeldOut.Min(), -Bumpy(found.Best));
        Assert.Equal(Bumpy(found.Best), found.BestFitness);
        Assert.Equal(found.History.Skip(1).Order().Take(SearchOptions.Finalists), asked.Skip(1).Select(Bumpy));
        Assert.Empty(CoefficientSearch.Run(Start, Bumpy, options).HeldOut);
    }

    [Fact]
    public void Spread_and_population_are_those_of_the_first_generation()
    {
        double wide = Drawn(new SearchOptions { Evaluations = 40, Spread = 2, Population = 40 });
        double narrow = Drawn(new SearchOptions { Evaluations = 40, Spread = 0.5, Population = 40 });
        Assert.Equal(4, wide / narrow, 6);

        static double Drawn(SearchOptions options)
        {
            double sum = 0;
            CoefficientSearch.Run(
                Start,
                candidate => sum += Math.Abs(candidate.Vector[0] - Start.Vector[0]),
                options);
            return sum;
        }
    }

    [Fact]
    public void Search_options_out_of_range_are_named_together()
    {
        SearchOptions wrong = new() { Population = 1, Spread = 0, Patience = 0, HeldOutShare = 1, Start = (0, 1) };
        string message = Assert.Throws<SnapViTException>(wrong.Validated).Message;
        Assert.All(["population", "spread", "patience", "held-out share", "start"], name => Assert.Contains(name, message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_covariance_draws_the_factors_it_ties_together_alike()
    {
        int n = Start.Vector.Length;
        double[,] matrix = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                matrix[i, j] = i == j || (i < 2 && j < 2) ? 1 : 0;
            }
        }

        SearchOptions options = new() { Evaluations = 8, Population = 8, Covariance = new InitialCovariance(matrix) };
        CoefficientSearch.Run(Start, candidate =>
        {
            Assert.Equal(candidate.Vector[0] - Start.Vector[0], candidate.Vector[1] - Start.Vector[1], 1e-4);
            return Bumpy(candidate);
        }, options);
        matrix[0, 0] = -1;
        Assert.Throws<SnapViTException>(() => CoefficientSearch.Run(Start, Bumpy, options));
    }

    private static double Distance(ScoreCoefficients a, ScoreCoefficients b) => Factors(a).Zip(Factors(b), (x, y) => (x - y) * (x - y)).Sum();

    private static double Bumpy(ScoreCoefficients candidate) => Factors(candidate).Select((factor, index) => Math.Sin((7 * factor) + index)).Sum();

    private static double[] Factors(ScoreCoefficients c) => [.. c.Vector.ToArray().Select(Math.Abs)];
}
