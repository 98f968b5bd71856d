using System.Globalization;
using System.Security.Cryptography;
using SnapViT.Core.Errors;
using SnapViT.Core.Search;

namespace SnapViT.Search;

/// <summary>How the global factors are searched for. The defaults are the paper's.</summary>
public sealed record SearchOptions
{
    /// <summary>Candidates whose held-out fitness is measured, beside the start.</summary>
    internal const int Finalists = 5;

    /// <summary>Candidates per generation, at least 2; null for <c>4 + floor(3 ln n)</c> of n factors.</summary>
    public int? Population { get; init; }

    /// <summary>Factor of the first and of the last block at the start, linear between them; null for those of the criterion.</summary>
    public (double First, double Last)? Start { get; init; }

    /// <summary>Standard deviation of the first generation, sigma, above 0; default 1.</summary>
    public double Spread { get; init; } = 1;

    /// <summary>The search ends when so many candidates in a row were no better, at least 1; null to evaluate all.</summary>
    public int? Patience { get; init; }

    /// <summary>
    /// Whether candidates that are surely in the worse half of their generation are stopped on a quarter of the images; default false. The
    /// search takes the same way as without, as long as what is sure by two standard errors is right. A cluster evaluates generations at
    /// once and stops nobody.
    /// </summary>
    public bool Racing { get; init; }

    /// <summary>
    /// Share of the images on which the winner is picked among the start and the five best, 0..0.9; default 0, for the winner of the
    /// fitness that was searched.
    /// </summary>
    public double HeldOutShare { get; init; }

    /// <summary>Correlations of the factors in the first generation; null for none.</summary>
    internal InitialCovariance? Covariance { get; init; }

    /// <summary>Candidates that are evaluated beside the start, 0 or more; default 50.</summary>
    internal int Evaluations { get; init; } = 50;

    /// <summary>Seed of the candidates; default 42.</summary>
    internal ulong Seed { get; init; } = 42;

    /// <summary>Checks the options.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">A number is out of its range; the message lists all violations.</exception>
    public SearchOptions Validated()
    {
        List<string> faults = [];
        if (Population is < 2 and int population)
        {
            faults.Add($"population: expected at least 2, found {population}");
        }

        if (!(Spread > 0 && double.IsFinite(Spread)))
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"spread: expected a number above 0, found {Spread}"));
        }

        if (Patience is < 1 and int patience)
        {
            faults.Add($"patience: expected at least 1, found {patience}");
        }

        if (!(HeldOutShare is >= 0 and <= 0.9))
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"held-out share: expected 0 to 0.9, found {HeldOutShare}"));
        }

        if (Start is (double first, double last) && !(first > 0 && last > 0 && double.IsFinite(first) && double.IsFinite(last)))
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"start: expected factors above 0, found {first} and {last}"));
        }

        return faults.Count == 0 ? this : throw new SnapViTException(ErrorKind.Option, $"search: {string.Join("; ", faults)}");
    }

    /// <summary>The options as they stand in the provenance: those that are not the paper's.</summary>
    internal IEnumerable<KeyValuePair<string, string>> Describe()
    {
        Dictionary<string, string?> all = new()
        {
            ["population"] = Population?.ToString(CultureInfo.InvariantCulture),
            ["search_start"] = Start is (double first, double last)
                ? string.Create(CultureInfo.InvariantCulture, $"{first}:{last}")
                : null,
            ["spread"] = Spread == 1 ? null : Spread.ToString(CultureInfo.InvariantCulture),
            ["patience"] = Patience?.ToString(CultureInfo.InvariantCulture),
            ["racing"] = Racing ? string.Create(CultureInfo.InvariantCulture, $"{Search.Racing.StandardErrors} standard errors") : null,
            ["held_out"] = HeldOutShare == 0 ? null : HeldOutShare.ToString(CultureInfo.InvariantCulture),
            ["initial_covariance"] = Covariance?.Describe(),
        };
        return all.Where(pair => pair.Value is not null).Select(pair => KeyValuePair.Create(pair.Key, pair.Value!));
    }

    /// <summary>The strategy of the first generation.</summary>
    /// <param name="count">Factors, n.</param>
    internal XnesOptions Strategy(int count)
    {
        double[,]? factor = Covariance?.Factor() ?? (Spread == 1 ? null : SquareMatrix.Identity(count));
        for (int i = 0; factor is not null && Spread != 1 && i < count; i++)
        {
            for (int j = 0; j < count; j++)
            {
                factor[i, j] *= Spread;
            }
        }

        return new XnesOptions { Population = Population, InitialA = factor };
    }
}

/// <summary>A covariance that the search draws its first generation with.</summary>
/// <param name="matrix">A correlation matrix, [n, n].</param>
internal sealed class InitialCovariance(double[,] matrix)
{
    /// <summary>Ridges that are tried where the matrix is singular, as those are that projections end at.</summary>
    private static readonly double[] Ridges = [0, 1e-12, 1e-10, 1e-8, 1e-6];

    /// <summary>A lower triangular A with <c>A A^T</c> the covariance, but for the smallest ridge that it needs.</summary>
    /// <exception cref="SnapViTException">The matrix has negative eigenvalues.</exception>
    public double[,] Factor() => Ridges.Select(ridge => SquareMatrix.Cholesky(matrix, ridge)).FirstOrDefault(found => found is not null)
        ?? throw new SnapViTException(
            ErrorKind.Numbers, "initial covariance: expected a positive definite matrix, found one with negative eigenvalues");

    /// <summary>SHA-256 of the values.</summary>
    public string Describe()
    {
        byte[] bytes = new byte[matrix.Length * sizeof(double)];
        Buffer.BlockCopy(matrix, 0, bytes, 0, bytes.Length);
        return $"sha256 {Convert.ToHexStringLower(SHA256.HashData(bytes))}";
    }
}
