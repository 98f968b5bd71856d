namespace SnapViT.Tensors;

/// <summary>
/// What additions lost, by the place of the element: pages that are made where something was lost, and further levels of them for
/// what the addition of remainders loses.
/// </summary>
internal sealed class Remainders
{
    private const int Page = 512;

    private readonly List<SortedDictionary<long, double[]>> _levels = [];

    public bool IsEmpty => _levels.Count == 0;

    /// <summary>The rounded sum of two numbers, and what rounding lost of it, exactly.</summary>
    public static (double Sum, double Lost) TwoSum(double a, double b)
    {
        double sum = a + b, added = sum - a;
        return (sum, (a - (sum - added)) + (b - added));
    }

    public void Add(long place, double value)
    {
        lock (_levels)
        {
            for (int level = 0; value != 0; level++)
            {
                if (level == _levels.Count)
                {
                    _levels.Add([]);
                }

                (long page, long at) = Math.DivRem(place, Page);
                if (!_levels[level].TryGetValue(page, out double[]? values))
                {
                    _levels[level].Add(page, values = new double[Page]);
                }

                // Of NaN and infinite sums nothing is left to keep; who reads them says so.
                (values[at], value) = TwoSum(values[at], value);
                value = double.IsFinite(value) ? value : 0;
            }
        }
    }

    /// <summary>Places and remainders in turn.</summary>
    public double[] ToArray()
    {
        List<double> pairs = [];
        foreach ((long page, double[] values) in _levels.SelectMany(level => level))
        {
            for (int at = 0; at < Page; at++)
            {
                if (values[at] != 0)
                {
                    pairs.AddRange([(page * Page) + at, values[at]]);
                }
            }
        }

        return [.. pairs];
    }

    /// <summary>Makes every element the float64 nearest to its exact sum; the remainders become what is left.</summary>
    public void RoundInto(Span<double> sums)
    {
        double[] parts = [];
        foreach ((long page, double[] values) in _levels.Count == 0 ? [] : _levels[0].ToArray())
        {
            for (int at = 0; at < Page; at++)
            {
                // Rounding may add a level.
                parts = parts.Length < _levels.Count + 2 ? new double[_levels.Count + 2] : parts;
                long place = (page * Page) + at;
                int count = Take(page, at, parts);
                if (count == 0)
                {
                    continue;
                }

                ref double sum = ref sums[(int)place];
                count = Grow(parts, count, sum);
                sum = Nearest(parts.AsSpan(0, count));
                count = Grow(parts, count, -sum);
                for (int i = 0; i < count; i++)
                {
                    Add(place, parts[i]);
                }
            }
        }
    }

    /// <summary>Takes the remainders of an element out, as numbers that do not overlap, the smallest first.</summary>
    private int Take(long page, int at, double[] parts)
    {
        int count = 0;
        foreach (SortedDictionary<long, double[]> level in _levels)
        {
            if (level.TryGetValue(page, out double[]? values) && values[at] != 0)
            {
                count = Grow(parts, count, values[at]);
                values[at] = 0;
            }
        }

        return count;
    }

    /// <summary>Adds a number to numbers that do not overlap, exactly.</summary>
    private static int Grow(double[] parts, int count, double value)
    {
        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            (value, double lost) = TwoSum(value, parts[i]);
            if (lost != 0)
            {
                parts[kept++] = lost;
            }
        }

        parts[kept] = value;
        return kept + 1;
    }

    /// <summary>The float64 nearest to the sum of numbers that do not overlap, of two equally near ones the even one.</summary>
    private static double Nearest(ReadOnlySpan<double> parts)
    {
        double sum = parts[^1], lost = 0;
        int below = parts.Length - 2;
        for (; below >= 0 && lost == 0; below--)
        {
            (sum, lost) = TwoSum(sum, parts[below]);
        }

        // Half a unit was lost, and what is smaller still says which way to round.
        double further = sum + (2 * lost);
        bool isHalf = lost != 0 && further - sum == 2 * lost;
        return isHalf && below >= 0 && parts[below] != 0 && parts[below] > 0 == lost > 0 ? further : sum;
    }
}
