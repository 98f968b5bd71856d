namespace SnapViT.Search;

/// <summary>
/// How far the features move when one block alone loses units of one axis: a power law between measured points, which never falls.
/// </summary>
internal sealed class DamageCurve
{
    /// <summary>Below this a distance is noise of the arithmetic.</summary>
    private const double Least = 1e-7;

    /// <summary>The exponent before the first point where there is one point only.</summary>
    private const double Usual = 1.5;

    private readonly (double Removed, double Distance)[] _points;

    /// <summary>Takes measured points.</summary>
    /// <param name="points">Units removed, above 0, and distances; at least one.</param>
    public DamageCurve(IEnumerable<(int Removed, double Distance)> points)
    {
        double most = Least;
        _points =
        [
            .. points.OrderBy(point => point.Removed)
                .Select(point => ((double)point.Removed, most = Math.Max(most * (1 + 1e-9), point.Distance))),
        ];
    }

    /// <summary>The distance with so many units less, 0 or more.</summary>
    public double At(double removed)
    {
        if (removed <= 0)
        {
            return 0;
        }

        int after = Array.FindIndex(_points, point => point.Removed >= removed);
        (double Removed, double Distance) anchor = _points[after < 0 ? ^1 : after];
        double exponent = after < 0 ? Exponent(_points.Length - 1) : Exponent(after);
        return anchor.Distance * Math.Pow(removed / anchor.Removed, exponent);
    }

    /// <summary>The exponent of the segment that ends at a point; of the first one as of the second, but at least 1.</summary>
    private double Exponent(int end)
    {
        int last = Math.Max(1, end);
        if (last >= _points.Length)
        {
            return Usual;
        }

        double exponent = Math.Log(_points[last].Distance / _points[last - 1].Distance)
            / Math.Log(_points[last].Removed / _points[last - 1].Removed);
        return end == 0 ? Math.Clamp(exponent, 1, 4) : exponent;
    }
}
