using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Search;

namespace SnapViT.Tests.Search;

[LeakCheck]
public sealed class RacingTests : IDisposable
{
    private const int Count = 48, Batch = 2, Population = 8;

    private static readonly ViTArchitecture Vit = SmallModels.Vit;
    private static readonly ImportanceScores Scores = SmallModels.Scores(Vit);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly VisionTransformer _model = SmallModels.Create(Vit);
    private readonly PreparedImages _images = new(SmallModels.Images(Vit, Count));
    private readonly Fitness _fitness;

    public RacingTests() => _fitness = new Fitness(_model, Scores, () => _images.Batches(Batch), new FitnessOptions { PcaComponents = 16 });

    public void Dispose()
    {
        _fitness.Dispose();
        _images.Dispose();
        _model.Dispose();
    }

    [Fact]
    public void Who_is_not_stopped_has_the_same_fitness_to_the_last_bit()
    {
        foreach (ScoreCoefficients candidate in Candidates(3))
        {
            double[] first = [];
            double? found = _fitness.Evaluate(
                candidate,
                losses =>
                {
                    first = losses;
                    return false;
                },
                Stop);
            Assert.Equal(_fitness.Evaluate(candidate, Stop), found);
            Assert.Equal(Count / 4, first.Length);
        }
    }

    [Fact]
    public void A_candidate_that_is_clearly_worse_than_the_better_half_is_stopped_and_ranks_behind_it()
    {
        Racing racing = new(_fitness, Stop);
        (ScoreCoefficients good, ScoreCoefficients bad) = Extremes();
        double[] values = [.. Enumerable.Range(0, Population / 2).Select(_ => racing.Evaluate(good, Population))];
        double stopped = racing.Evaluate(bad, Population);

        Assert.Equal(1, racing.Stopped);
        Assert.True(stopped > values.Max());

        // A generation later nobody is there to be compared with.
        for (int rest = 0; rest < Population - (Population / 2) - 1; rest++)
        {
            racing.Evaluate(good, Population);
        }

        Assert.Equal(_fitness.Evaluate(bad, Stop), racing.Evaluate(bad, Population));
        Assert.Equal(1, racing.Stopped);
    }

    [Fact]
    public void A_search_that_goes_on_stops_the_same_candidates()
    {
        (ScoreCoefficients good, ScoreCoefficients bad) = Extremes();
        ScoreCoefficients[] candidates = [good, good, good, good, good, bad, .. Candidates(8), good, good, bad, bad];
        Racing whole = new(_fitness, Stop), rest = new(_fitness, Stop);
        double[] expected = [.. candidates.Select(candidate => whole.Evaluate(candidate, Population))];
        for (int step = 0; step < candidates.Length; step++)
        {
            if (step < 5)
            {
                rest.Know(candidates[step], expected[step], Population);
            }
            else
            {
                Assert.Equal(expected[step], rest.Evaluate(candidates[step], Population));
            }
        }

        Assert.Equal(whole.Stopped, rest.Stopped);
        Assert.True(whole.Stopped > 0);
    }

    [Fact]
    public void A_search_takes_the_same_way_with_racing_and_goes_on_so_after_an_interruption()
    {
        ScoreCoefficients start = ScoreCoefficients.Initial(Vit.FullWidths);
        SearchOptions options = new() { Evaluations = 32, Population = Population, Spread = 3 };
        SearchResult plain = CoefficientSearch.Run(start, Full, options);
        Racing racing = new(_fitness, Stop);
        SearchResult raced = CoefficientSearch.Run(start, Full, options, racing: racing);
        SearchResult rest = CoefficientSearch.Run(start, Full, options, [.. raced.History.Take(13)], racing: new Racing(_fitness, Stop));

        Assert.True(racing.Stopped > 0);
        Assert.Equal(racing.Stopped, plain.History.Zip(raced.History).Count(pair => pair.First != pair.Second));
        Assert.Equal(plain.Best.Vector.ToArray(), raced.Best.Vector.ToArray());
        Assert.Equal(raced.History, rest.History);

        double Full(ScoreCoefficients candidate) => _fitness.Evaluate(candidate, Stop);
    }

    /// <summary>The best and the worst of some candidates that differ much.</summary>
    private (ScoreCoefficients Good, ScoreCoefficients Bad) Extremes()
    {
        ScoreCoefficients[] ranked = [.. Candidates(12, spread: 3).OrderBy(candidate => _fitness.Evaluate(candidate, Stop))];
        return (ranked[0], ranked[^1]);
    }

    private static IEnumerable<ScoreCoefficients> Candidates(int count, double spread = 0.1)
    {
        SeededRandom random = new(3);
        double[] start = ScoreCoefficients.Initial(Vit.FullWidths).Vector.ToArray();
        return Enumerable.Range(0, count).Select(_ => new ScoreCoefficients(
            [.. start.Select(factor => factor * Math.Exp(spread * random.NextNormal()))], Vit.FullWidths));
    }
}
