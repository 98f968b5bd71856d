using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Core.Search;

namespace SnapViT.Search;

/// <summary>How the global factors are searched for.</summary>
internal sealed record SearchOptions
{
    /// <summary>Candidates that xNES evaluates besides c0, 0 or more; default 50, the paper's. With 0 the factors are c0.</summary>
    public int Evaluations { get; init; } = 50;

    /// <summary>Seed of the candidates; default 42.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Population, learning rates and initial covariance; default the paper's.</summary>
    public XnesOptions Strategy { get; init; } = new();
}

/// <summary>What a search found.</summary>
/// <param name="Best">The factors of the best fitness, c0 included.</param>
/// <param name="BestFitness">Their fitness.</param>
/// <param name="History">All fitnesses in order: c0 first, then the candidates.</param>
internal sealed record SearchResult(ScoreCoefficients Best, double BestFitness, IReadOnlyList<double> History);

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
    /// <exception cref="ArgumentException">Fewer than 0 evaluations.</exception>
    /// <exception cref="SnapViTException">A fitness that is not finite.</exception>
    /// <exception cref="OperationCanceledException">The evaluation was cancelled.</exception>
    internal static SearchResult Run(
        ScoreCoefficients initial,
        Func<ScoreCoefficients, double> evaluate,
        SearchOptions options,
        IReadOnlyList<double>? history = null,
        Action<IReadOnlyList<double>>? evaluated = null)
    {
        ArgumentNullException.ThrowIfNull(initial);
        ArgumentNullException.ThrowIfNull(evaluate);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Evaluations, "evaluations");
        SeededRandom random = SeededRandom.ForPurpose(options.Seed, "search");
        Xnes strategy = new(initial.Vector, random.NextNormal, options.Strategy);
        List<double> fitnesses = [];
        (ScoreCoefficients best, double bestFitness) = (initial, double.PositiveInfinity);
        for (int step = 0; step <= options.Evaluations; step++)
        {
            ScoreCoefficients candidate = step == 0 ? initial : initial.With(strategy.Ask());
            bool known = history is not null && step < history.Count;
            double fitness = known ? history![step] : evaluate(candidate);
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
            (best, bestFitness) = fitness < bestFitness ? (candidate, fitness) : (best, bestFitness);
            if (!known)
            {
                evaluated?.Invoke(fitnesses);
            }
        }

        return new SearchResult(best, bestFitness, fitnesses);
    }
}
