using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Core.Search;

namespace SnapViT.Search;

/// <summary>What a search found.</summary>
/// <param name="Best">The factors of the best fitness, c0 included; of those that are best on held-out images, where there are any.</param>
/// <param name="BestFitness">Their fitness in the search.</param>
/// <param name="History">All fitnesses in order: c0 first, then the candidates.</param>
/// <param name="HeldOut">
/// Fitnesses of the finalists on images that were held out: of c0, then of the best by the search, best first; empty where none were.
/// </param>
internal sealed record SearchResult(
    ScoreCoefficients Best, double BestFitness, IReadOnlyList<double> History, IReadOnlyList<double> HeldOut);

/// <summary>
/// Finds global factors by xNES over |c| (paper, section 3.2), c0 evaluated first. Deterministic: the same seed and fitnesses give the same
/// candidates, so a search that was interrupted is continued by handing it the fitnesses it had.
/// </summary>
internal static class CoefficientSearch
{
    /// <summary>Runs a search, or the rest of one.</summary>
    /// <param name="initial">c0.</param>
    /// <param name="evaluate">Fitness of a candidate; smaller is better.</param>
    /// <param name="options">How many candidates, from which seed.</param>
    /// <param name="history">Fitnesses already known, in order; empty for a new search.</param>
    /// <param name="evaluated">Told the whole history after every new evaluation.</param>
    /// <param name="heldOut">
    /// Fitnesses of the finalists on images that were held out, by which the winner is picked; null for that of the search.
    /// </param>
    /// <param name="together">Fitnesses of all candidates of a generation at once; null for one after the other.</param>
    /// <param name="racing">Evaluates them, but for the start, and stops those that cannot matter; null to evaluate all to the end.</param>
    /// <exception cref="ArgumentException">Fewer than 0 evaluations.</exception>
    /// <exception cref="SnapViTException">A fitness that is not finite.</exception>
    /// <exception cref="OperationCanceledException">The evaluation was cancelled.</exception>
    internal static SearchResult Run(
        ScoreCoefficients initial,
        Func<ScoreCoefficients, double> evaluate,
        SearchOptions options,
        IReadOnlyList<double>? history = null,
        Action<IReadOnlyList<double>>? evaluated = null,
        Func<IReadOnlyList<ScoreCoefficients>, IEnumerable<double>>? heldOut = null,
        Func<IReadOnlyList<ScoreCoefficients>, IReadOnlyList<double>>? together = null,
        Racing? racing = null)
    {
        ArgumentNullException.ThrowIfNull(initial);
        ArgumentNullException.ThrowIfNull(evaluate);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Evaluations, "evaluations");
        SeededRandom random = SeededRandom.ForPurpose(options.Seed, "search");
        Xnes strategy = new(initial.Vector, random.NextNormal, options.Strategy(initial.Vector.Length));
        List<double> fitnesses = [];
        Queue<ScoreCoefficients> drawn = new([initial]);
        Queue<double> ahead = [];
        List<ScoreCoefficients> candidates = [];
        int best = 0;
        if (together is not null)
        {
            // The start is evaluated with the first generation.
            Draw(options.Evaluations);
        }

        for (int step = 0; step <= options.Evaluations; step++)
        {
            if (drawn.Count == 0)
            {
                Draw(together is null ? 1 : options.Evaluations - step + 1);
            }

            bool known = history is not null && step < history.Count;
            if (!known && together is not null && ahead.Count == 0)
            {
                ahead = new Queue<double>(together([.. drawn]));
            }

            ScoreCoefficients candidate = drawn.Dequeue();
            double fitness = known ? history![step]
                : ahead.TryDequeue(out double value) ? value
                : racing is null || step == 0 ? evaluate(candidate)
                : racing.Evaluate(candidate, strategy.Population);
            if (known && step > 0)
            {
                racing?.Know(candidate, fitness, strategy.Population);
            }

            if (!double.IsFinite(fitness))
            {
                throw new SnapViTException(
                    ErrorKind.Numbers,
                    $"search: expected finite fitnesses, found {fitness} at evaluation {step}; the model or the images hold NaN");
            }

            if (step > 0)
            {
                strategy.Tell(fitness);
            }

            fitnesses.Add(fitness);
            candidates.Add(candidate);
            best = fitness < fitnesses[best] ? step : best;
            if (!known)
            {
                evaluated?.Invoke(fitnesses);
            }

            if (step - best >= options.Patience)
            {
                break;
            }
        }

        if (heldOut is null)
        {
            return new SearchResult(candidates[best], fitnesses[best], fitnesses, []);
        }

        int[] finalists =
        [
            0, .. Enumerable.Range(1, fitnesses.Count - 1).OrderBy(step => fitnesses[step]).Take(SearchOptions.Finalists),
        ];
        double[] values = [.. heldOut([.. finalists.Select(step => candidates[step])])];
        int winner = finalists[Array.IndexOf(values, values.Min())];
        return new SearchResult(candidates[winner], fitnesses[winner], fitnesses, values);

        void Draw(int most)
        {
            foreach (double[] factors in strategy.Ask(most))
            {
                drawn.Enqueue(initial.With(factors));
            }
        }
    }
}
