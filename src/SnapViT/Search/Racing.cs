using SnapViT.Core.Scores;

namespace SnapViT.Search;

/// <summary>
/// Stops candidates of the search early that cannot matter: xNES gives the worse half of a generation one and the same weight, so that a
/// candidate which is surely in it need not be measured to the end. Sure is what loses more than the better half on every fourth batch of
/// images, by two standard errors of the difference image by image. Where that is right, the search takes the same way as without.
/// </summary>
/// <param name="fitness">What candidates are judged by; stays the caller's.</param>
/// <param name="cancellation">Stops between two batches.</param>
/// <param name="standardErrors">How many standard errors a difference must be.</param>
internal sealed class Racing(Fitness fitness, CancellationToken cancellation, double standardErrors = Racing.StandardErrors)
{
    /// <summary>The default: sure enough that no golden candidate of the better half is stopped at half of it.</summary>
    public const double StandardErrors = 2;

    private readonly List<(double[] Losses, double Fitness)> _finished = [];
    private int _ofGeneration;

    /// <summary>Candidates that were stopped.</summary>
    public int Stopped { get; private set; }

    /// <summary>The fitness of the next candidate; of one that is stopped, a figure that is worse than that of the better half.</summary>
    /// <param name="candidate">The candidate.</param>
    /// <param name="population">Candidates of a generation.</param>
    public double Evaluate(ScoreCoefficients candidate, int population)
    {
        Begin(population);
        double[] losses = [];
        double beyond = 0;
        double? found = fitness.Evaluate(candidate, first => IsHopeless(losses = first, population, out beyond), cancellation);
        return Told(losses, found, beyond);
    }

    /// <summary>Takes note of a candidate that a search which goes on measured before it was interrupted.</summary>
    /// <param name="candidate">The candidate.</param>
    /// <param name="value">What it was told then.</param>
    /// <param name="population">Candidates of a generation.</param>
    public void Know(ScoreCoefficients candidate, double value, int population)
    {
        Begin(population);
        double[] losses = [];
        fitness.Evaluate(
            candidate,
            first =>
            {
                losses = first;
                return true;
            },
            cancellation);
        Told(losses, IsHopeless(losses, population, out double beyond) ? null : value, beyond);
    }

    private void Begin(int population)
    {
        if (_ofGeneration == population)
        {
            _finished.Clear();
            _ofGeneration = 0;
        }

        _ofGeneration++;
    }

    private double Told(double[] losses, double? found, double beyond)
    {
        if (found is double value)
        {
            _finished.Add((losses, value));
            return value;
        }

        Stopped++;
        return beyond;
    }

    /// <summary>Whether as many candidates are surely better as have weights of their own.</summary>
    private bool IsHopeless(double[] losses, int population, out double beyond)
    {
        int counted = (population + 1) / 2;
        (double Fitness, double More)[] better =
        [
            .. _finished.Select(other => (other.Fitness, Difference: Difference(losses, other.Losses)))
                .Where(other => other.Difference.Mean > standardErrors * other.Difference.Error)
                .Select(other => (other.Fitness, other.Difference.Mean))
                .OrderBy(other => other.Fitness),
        ];
        beyond = better.Length < counted ? 0 : better[counted - 1].Fitness + better[counted - 1].More;
        return better.Length >= counted;
    }

    private static (double Mean, double Error) Difference(double[] losses, double[] others)
    {
        double[] differences = [.. losses.Zip(others, (one, other) => one - other)];
        double mean = differences.Average();
        double variance = differences.Sum(difference => (difference - mean) * (difference - mean)) / Math.Max(1, differences.Length - 1);
        return (mean, Math.Sqrt(variance / differences.Length));
    }
}
