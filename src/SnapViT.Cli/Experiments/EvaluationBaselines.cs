using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Loading;

namespace SnapViT.Cli.Experiments;

/// <summary>One way of cutting that others are compared with.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Meaning">What is cut and by what.</param>
/// <param name="Of">The model in that order.</param>
/// <param name="Plans">A plan for each budget that it can meet, with the budget's text.</param>
internal sealed record Baseline(string Name, string Meaning, ElasticViT Of, IReadOnlyList<(string Text, SubnetPlan Plan)> Plans);

/// <summary>What the method has to beat, from the same scores file: the same budgets and the same correction with another order.</summary>
/// <param name="baselines">One way after the other; owned from here on.</param>
internal sealed class EvaluationBaselines(IReadOnlyList<Baseline> baselines) : IDisposable
{
    private const string Line = "heads and neurons along the paper's line, layers re-fitted in the same way";

    /// <summary>All plans with the models that they are of, one way after the other.</summary>
    public IReadOnlyList<(ElasticViT? Of, SubnetPlan Plan)> Plans =>
        [.. baselines.SelectMany(way => way.Plans.Select(entry => ((ElasticViT?)way.Of, entry.Plan)))];

    /// <summary>The names of the baselines that scores have, and what they do with the scores.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="scores">Scores of a model.</param>
    /// <param name="seed">Seed of the random order.</param>
    public static IEnumerable<(string Name, string Meaning, ElasticScores Scores)> Ways(
        ViTArchitecture architecture, ElasticScores scores, ulong seed)
    {
        ScoreCoefficients equal = ScoreCoefficients.Equal(scores.Local.Counts);
        yield return (
            "random order", $"{Line}, in a random order",
            scores with { Local = RandomScores.Of(architecture, seed), Coefficients = equal });
        yield return (
            "block-normalised", $"{Line}, by scores divided by the mean of their block, without search",
            scores with { Local = scores.Local.DividedByBlockMean(), Coefficients = equal });
        if (scores.Provenance.GetValueOrDefault(ElasticScores.Criterion) is string name
            && Criterion.All.FirstOrDefault(criterion => criterion.Name == name) is Criterion criterion)
        {
            yield return (
                "no search", $"{Line}, by scores of {name} as they are, without search",
                scores with { Coefficients = criterion.ComparesBlocks ? equal : ScoreCoefficients.Initial(scores.Local.Counts) });
        }
    }

    /// <summary>Plans all baselines.</summary>
    /// <param name="model">The model; stays the caller's.</param>
    /// <param name="scores">Its scores.</param>
    /// <param name="options">How it is opened.</param>
    /// <param name="budgets">The budgets; one that a baseline cannot meet is left out of it.</param>
    /// <param name="how">How plans are made, but for the division between axes.</param>
    /// <param name="seed">Seed of the random order.</param>
    public static EvaluationBaselines Open(
        LoadedModel model, ElasticScores scores, ElasticOptions options, IReadOnlyList<(string Text, Budget Budget)> budgets,
        PlanOptions how, ulong seed)
    {
        List<Baseline> made = [];
        foreach ((string name, string meaning, ElasticScores ordered) in Ways(model.Model.Architecture, scores, seed))
        {
            ElasticViT elastic = ElasticViT.Open(model, ordered, options);
            List<(string, SubnetPlan)> plans = [];
            foreach ((string text, Budget budget) in budgets)
            {
                try
                {
                    plans.Add((text, elastic.Plan(budget, how with { Allocation = Allocation.Pools })));
                }
                catch (BudgetException)
                {
                    // Heads and neurons alone do not reach every budget that all axes reach.
                }
            }

            made.Add(new Baseline(name, meaning, elastic, plans));
        }

        return new EvaluationBaselines(made);
    }

    /// <summary>The budget of a plan by its place in <see cref="Plans"/>.</summary>
    public string TextOf(int index) => baselines.SelectMany(way => way.Plans).ElementAt(index).Text;

    /// <summary>The measured rows by their baselines.</summary>
    /// <param name="rows">A row for each of <see cref="Plans"/>.</param>
    public IReadOnlyList<MeasuredLine> Lines(IReadOnlyList<MeasuredRow> rows)
    {
        List<MeasuredLine> lines = [];
        int from = 0;
        foreach (Baseline way in baselines)
        {
            lines.Add(new MeasuredLine(way.Name, way.Meaning, true, [.. rows.Skip(from).Take(way.Plans.Count)]));
            from += way.Plans.Count;
        }

        return lines;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Baseline way in baselines)
        {
            way.Of.Dispose();
        }
    }
}
