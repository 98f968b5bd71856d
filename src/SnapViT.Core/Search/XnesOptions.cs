namespace SnapViT.Core.Search;

/// <summary>Options of <see cref="Xnes"/>. The defaults are those of the paper and the reference.</summary>
internal sealed record XnesOptions
{
    /// <summary>Candidates per generation, lambda, at least 2; null for <c>4 + floor(3 ln n)</c>.</summary>
    public int? Population { get; init; }

    /// <summary>Learning rate of the mean; default 1.</summary>
    public double MeanRate { get; init; } = 1;

    /// <summary>Learning rate of the step size and of the shape of the covariance; null for <c>0.6 (3 + ln n) / (n sqrt n)</c>.</summary>
    public double? CovarianceRate { get; init; }

    /// <summary>The initial A with covariance <c>A A^T</c>, [n, n]; null for the identity, standard deviation 1.</summary>
    public double[,]? InitialA { get; init; }

    /// <summary>Rounds the mean to float32 after every update, as the reference does; default false.</summary>
    public bool Float32Mean { get; init; }

    /// <summary>Candidates per generation for a problem of n variables.</summary>
    internal int PopulationFor(int n) => Population ?? 4 + (int)(3 * Math.Log(n));

    /// <summary>Covariance learning rate for a problem of n variables.</summary>
    internal double CovarianceRateFor(int n) => CovarianceRate ?? 0.6 * (3 + Math.Log(n)) / (n * Math.Sqrt(n));
}
