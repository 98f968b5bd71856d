namespace SnapViT.Core.Search;

/// <summary>
/// Exponential natural evolution strategy (Glasmachers et al., "Exponential Natural Evolution Strategies", GECCO 2010), ask and tell,
/// minimising. Samples <c>x = m + A s</c> with s standard normal; after lambda fitnesses m and A follow the natural gradient.
/// </summary>
/// <remarks>
/// Deterministic: the same start, options, normals and fitnesses give the same state, so an interrupted search is continued by telling its
/// fitnesses again.
/// </remarks>
internal sealed class Xnes
{
    private readonly Func<double> _nextNormal;
    private readonly XnesOptions _options;
    private readonly double[] _utilities;
    private readonly List<(double[] Normal, double Fitness)> _generation = [];
    private readonly double[] _mean;
    private readonly Queue<double[]> _asked = [];
    private double[,] _a;

    /// <summary>Starts at a mean.</summary>
    /// <param name="mean">Initial mean m, [n], n at least 1.</param>
    /// <param name="nextNormal">Draws one standard normal number.</param>
    /// <param name="options">Population, learning rates and initial covariance.</param>
    /// <exception cref="ArgumentException">No variable, a population below 2, or an initial A of another shape.</exception>
    public Xnes(ReadOnlySpan<double> mean, Func<double> nextNormal, XnesOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(nextNormal);
        _options = options ?? new XnesOptions();
        _mean = mean.ToArray();
        _nextNormal = nextNormal;
        int n = _mean.Length;
        if (n == 0)
        {
            throw new ArgumentException("xNES: expected at least one variable, found none", nameof(mean));
        }

        Population = _options.PopulationFor(n);
        if (Population < 2)
        {
            throw new ArgumentException($"xNES: expected a population of at least 2, found {Population}", nameof(options));
        }

        _a = _options.InitialA is double[,] given ? SquareMatrix.Copy(given, n) : SquareMatrix.Identity(n);
        _utilities = Utilities(Population);
        RoundMean();
    }

    /// <summary>Candidates per generation, lambda.</summary>
    public int Population { get; }

    /// <summary>Completed generations.</summary>
    public int Generation { get; private set; }

    /// <summary>The current mean m, [n].</summary>
    public ReadOnlySpan<double> Mean => _mean;

    /// <summary>A copy of the current A, [n, n]; the covariance is <c>A A^T</c>.</summary>
    public double[,] A => SquareMatrix.Copy(_a, _mean.Length);

    /// <summary>Draws the next candidate, [n]. Its fitness must be told before the next is asked for.</summary>
    /// <exception cref="InvalidOperationException">The last candidate's fitness was not told.</exception>
    public double[] Ask()
    {
        if (_asked.Count > 0)
        {
            throw new InvalidOperationException("xNES: tell the fitness of the last candidate before asking for the next");
        }

        return Draw();
    }

    /// <summary>
    /// Draws candidates of the current generation at once, the same that <see cref="Ask()"/> would; their fitnesses are told in this order.
    /// </summary>
    /// <param name="most">How many at most; no more than the generation still lacks are drawn.</param>
    /// <exception cref="InvalidOperationException">The last candidate's fitness was not told.</exception>
    public IReadOnlyList<double[]> Ask(int most)
    {
        int left = Population - _generation.Count;
        List<double[]> candidates = most > 0 ? [Ask()] : [];
        while (candidates.Count < Math.Min(most, left))
        {
            candidates.Add(Draw());
        }

        return candidates;
    }

    private double[] Draw()
    {
        int n = _mean.Length;
        double[] normal = new double[n];
        _asked.Enqueue(normal);
        for (int i = 0; i < n; i++)
        {
            normal[i] = _nextNormal();
        }

        double[] candidate = SquareMatrix.Times(_a, normal);
        for (int i = 0; i < n; i++)
        {
            candidate[i] += _mean[i];
        }

        return candidate;
    }

    /// <summary>Tells the fitness of the candidate asked for last; with the last one of a generation the distribution is updated.</summary>
    /// <exception cref="InvalidOperationException">No candidate was asked for.</exception>
    /// <exception cref="ArgumentException">The fitness is not finite.</exception>
    public void Tell(double fitness)
    {
        if (!double.IsFinite(fitness))
        {
            throw new ArgumentException($"xNES: expected a finite fitness, found {fitness}", nameof(fitness));
        }

        _generation.Add(_asked.TryDequeue(out double[]? normal)
            ? (normal, fitness)
            : throw new InvalidOperationException("xNES: ask for a candidate before telling a fitness"));
        if (_generation.Count == Population)
        {
            Update();
            _generation.Clear();
            Generation++;
        }
    }

    /// <summary>w_k = max(0, ln(lambda/2 + 1) - ln k), normalised, minus 1/lambda, for rank k = 1 (best) to lambda.</summary>
    private static double[] Utilities(int population)
    {
        double[] weights =
        [
            .. Enumerable.Range(1, population)
                .Select(rank => Math.Max(0, Math.Log((population / 2.0) + 1) - Math.Log(rank))),
        ];
        double sum = weights.Sum();
        return [.. weights.Select(weight => (weight / sum) - (1.0 / population))];
    }

    private void Update()
    {
        int n = _mean.Length;
        (double[] Normal, double Fitness)[] ranked = [.. _generation.OrderBy(sample => sample.Fitness)];
        double[] drift = new double[n];
        double[,] gradient = new double[n, n];
        for (int rank = 0; rank < ranked.Length; rank++)
        {
            double[] s = ranked[rank].Normal;
            double u = _utilities[rank];
            for (int i = 0; i < n; i++)
            {
                drift[i] += u * s[i];
                for (int j = 0; j < n; j++)
                {
                    gradient[i, j] += u * ((s[i] * s[j]) - (i == j ? 1 : 0));
                }
            }
        }

        double[] step = SquareMatrix.Times(_a, drift);
        for (int i = 0; i < n; i++)
        {
            _mean[i] += _options.MeanRate * step[i];
        }

        RoundMean();
        _a = SquareMatrix.Times(_a, SquareMatrix.Exponential(HalfStep(gradient)));
    }

    /// <summary>1/2 (rate tr(G)/n I + rate (G - tr(G)/n I)): step size and shape share one rate, so the two parts add up to G.</summary>
    private double[,] HalfStep(double[,] gradient)
    {
        double half = _options.CovarianceRateFor(_mean.Length) / 2;
        for (int i = 0; i < _mean.Length; i++)
        {
            for (int j = 0; j < _mean.Length; j++)
            {
                gradient[i, j] *= half;
            }
        }

        return gradient;
    }

    private void RoundMean()
    {
        if (_options.Float32Mean)
        {
            for (int i = 0; i < _mean.Length; i++)
            {
                _mean[i] = (float)_mean[i];
            }
        }
    }
}
