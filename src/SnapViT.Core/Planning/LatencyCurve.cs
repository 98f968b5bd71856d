namespace SnapViT.Core.Planning;

/// <summary>What one branch of one block takes, over its width: a line through measured points that never falls.</summary>
public sealed class LatencyCurve
{
    private readonly (int Width, double Nanoseconds)[] _points;

    /// <summary>Takes points that already never fall.</summary>
    /// <param name="points">Widths from 0 on, each larger than the one before, with nanoseconds of 0 or more.</param>
    /// <exception cref="ArgumentException">No point at width 0, widths out of order, or a time that is negative, not finite or falls.</exception>
    public LatencyCurve(IEnumerable<(int Width, double Nanoseconds)> points)
    {
        _points = [.. points];
        bool ordered = _points.Zip(_points.Skip(1)).All(pair => pair.First.Width < pair.Second.Width && pair.First.Nanoseconds <= pair.Second.Nanoseconds);
        if (_points.Length == 0 || _points[0].Width != 0 || !ordered || !_points.All(point => double.IsFinite(point.Nanoseconds) && point.Nanoseconds >= 0))
        {
            throw new ArgumentException("latency curve: expected growing widths from 0 on with finite times of 0 or more that never fall, found others");
        }
    }

    /// <summary>The points.</summary>
    public IReadOnlyList<(int Width, double Nanoseconds)> Points => _points;

    /// <summary>The largest width that it reaches.</summary>
    public int Largest => _points[^1].Width;

    /// <summary>
    /// The curve nearest to measured times, by least squares, that never falls: noise, and kernels that are slower at an odd width than at a
    /// larger even one, would otherwise make a smaller model seem dearer.
    /// </summary>
    /// <param name="points">Growing widths from 0 on with nanoseconds; negative ones count as 0.</param>
    public static LatencyCurve Fit(IEnumerable<(int Width, double Nanoseconds)> points)
    {
        (int Width, double Nanoseconds)[] measured = [.. points];
        Stack<(double Mean, int Count)> levels = new();
        foreach ((_, double nanoseconds) in measured)
        {
            (double Mean, int Count) level = (Math.Max(0, nanoseconds), 1);
            while (levels.TryPeek(out (double Mean, int Count) before) && before.Mean > level.Mean)
            {
                levels.Pop();
                int count = before.Count + level.Count;
                level = (((before.Mean * before.Count) + (level.Mean * level.Count)) / count, count);
            }

            levels.Push(level);
        }

        double[] fitted = [.. levels.Reverse().SelectMany(level => Enumerable.Repeat(level.Mean, level.Count))];
        return new LatencyCurve(measured.Zip(fitted, (point, time) => (point.Width, time)));
    }

    /// <summary>Nanoseconds at a width, 0..<see cref="Largest"/>, interpolated between the points.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The width is outside.</exception>
    public double At(int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, Largest);
        int low = 0, high = _points.Length - 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _points[middle].Width >= width ? (low, middle) : (middle + 1, high);
        }

        (int right, double atRight) = _points[low];
        if (right == width)
        {
            return atRight;
        }

        (int left, double atLeft) = _points[low - 1];
        return atLeft + ((atRight - atLeft) * (width - left) / (right - left));
    }
}
