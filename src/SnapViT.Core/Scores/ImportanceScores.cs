using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Scores;

/// <summary>
/// One score per unit of every ranked axis, such as a neuron or a head: the larger, the more it matters. Double throughout, since scores
/// reach down to 1e-45.
/// </summary>
public sealed class ImportanceScores
{
    // Empty for an axis that is not ranked.
    private readonly PerAxis<double[][]> _rows;

    /// <summary>Takes a copy of the scores of the paper's two axes.</summary>
    /// <param name="neurons">Scores of the neurons, [L, H].</param>
    /// <param name="heads">Scores of the heads, [L, A].</param>
    /// <exception cref="ArgumentException">The blocks differ in number, or there is none.</exception>
    /// <exception cref="SnapViTException">A score is NaN, infinite or negative; the message names it.</exception>
    public ImportanceScores(double[,] neurons, double[,] heads)
        : this(new Dictionary<Axis, double[,]> { [Axis.Neurons] = neurons, [Axis.Heads] = heads })
    {
    }

    /// <summary>Takes a copy of the scores of any axes.</summary>
    /// <param name="scores">Per ranked axis its scores, [L, units per block].</param>
    /// <exception cref="ArgumentException">The blocks differ in number, or there is none.</exception>
    /// <exception cref="SnapViTException">A score is NaN, infinite or negative; the message names it.</exception>
    public ImportanceScores(IReadOnlyDictionary<Axis, double[,]> scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        AxisFacts[] ranked = [.. AxisTable.InPaperOrder.Where(row => scores.ContainsKey(row.Axis))];
        foreach (AxisFacts row in ranked)
        {
            ArgumentNullException.ThrowIfNull(scores[row.Axis], row.Label);
        }

        if (ranked.Length == 0
            || ranked.Any(row => scores[row.Axis].Length == 0)
            || ranked.DistinctBy(row => scores[row.Axis].GetLength(0)).Count() > 1)
        {
            string found = string.Join(
                " and ", ranked.Select(row => $"[{scores[row.Axis].GetLength(0)}, {scores[row.Axis].GetLength(1)}]"));
            throw new ArgumentException(
                $"scores: expected {string.Join(" and ", ranked.Select(row => row.Label))} of the same blocks, found {found}");
        }

        _rows = PerAxis<double[][]>.Of(row => scores.TryGetValue(row.Axis, out double[,]? ofAxis) ? Rows(ofAxis, row) : []);
        Counts = Count(_rows);
    }

    private ImportanceScores(PerAxis<double[][]> rows) => (_rows, Counts) = (rows, Count(rows));

    /// <summary>Blocks, L.</summary>
    public int Depth => Counts.Count;

    /// <summary>How many units of every axis are ranked in every block; 0 for an axis that is not.</summary>
    public SubnetWidths Counts { get; }

    /// <summary>Scores of the units of one axis in one block; empty for an axis that is not ranked.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="block">Block, 0..L-1.</param>
    public ReadOnlySpan<double> Of(Axis axis, int block) => _rows.Get(axis) is { Length: > 0 } rows ? rows[block] : [];

    /// <summary>Scores times global factors, <c>P = s |c|</c> (paper, section 3.2).</summary>
    /// <param name="coefficients">Factors of the same model.</param>
    /// <exception cref="ArgumentException">The factors are of another architecture.</exception>
    public ImportanceScores Scaled(ScoreCoefficients coefficients)
    {
        ArgumentNullException.ThrowIfNull(coefficients);
        coefficients.RequireFit(Counts);
        return Map((axis, block, row) => [.. row.Select((score, index) => score * coefficients.Of(axis, block, index))]);
    }

    /// <summary>Other scores for one axis; those of the others stay.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="scores">Its scores, [L, units per block].</param>
    /// <exception cref="ArgumentException">They are of other counts.</exception>
    /// <exception cref="SnapViTException">A score is NaN, infinite or negative; the message names it.</exception>
    public ImportanceScores With(Axis axis, double[,] scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        AxisFacts facts = AxisTable.Of(axis);
        return (scores.GetLength(0), scores.GetLength(1)) == (Depth, Counts[0][axis])
            ? new ImportanceScores(_rows.With(axis, Rows(scores, facts)))
            : throw new ArgumentException(
                $"scores: expected {facts.Label} [{Depth}, {Counts[0][axis]}], "
                    + $"found [{scores.GetLength(0)}, {scores.GetLength(1)}]",
                nameof(scores));
    }

    /// <summary>
    /// Every block's scores divided by the block's mean, every axis for itself, so that no block ranks low for the unit of its scores
    /// (Pham, 2026). A block of zeros stays one.
    /// </summary>
    public ImportanceScores DividedByBlockMean() => Map((_, _, row) => DividedByMean(row));

    private ImportanceScores Map(Func<Axis, int, double[], double[]> map)
    {
        PerAxis<double[][]> rows = _rows;
        return new ImportanceScores(PerAxis<double[][]>.Of(
            facts => [.. rows.Get(facts.Axis).Select((row, block) => map(facts.Axis, block, row))]));
    }

    private static SubnetWidths Count(PerAxis<double[][]> rows)
    {
        int depth = AxisTable.Rows.Max(row => rows.Get(row.Axis).Length);
        return SubnetWidths.Uniform(depth, AxisTable.Rows.Aggregate(
            default(BlockWidths),
            (counts, row) => counts.With(row.Axis, rows.Get(row.Axis) is { Length: > 0 } ofAxis ? ofAxis[0].Length : 0)));
    }

    /// <summary>By the largest first: a mean of the smallest doubles would vanish, one of the largest overflow.</summary>
    private static double[] DividedByMean(double[] row)
    {
        double largest = row.Max();
        double[] relative = [.. row.Select(score => largest > 0 ? score / largest : 0)];
        double mean = relative.Average();
        return [.. relative.Select(score => mean > 0 ? score / mean : 0)];
    }

    private static double[][] Rows(double[,] scores, AxisFacts facts)
    {
        double[][] rows = new double[scores.GetLength(0)][];
        for (int block = 0; block < rows.Length; block++)
        {
            rows[block] = new double[scores.GetLength(1)];
            for (int i = 0; i < rows[block].Length; i++)
            {
                double score = scores[block, i];
                rows[block][i] = double.IsFinite(score) && score >= 0
                    ? score
                    : throw new SnapViTException(
                        ErrorKind.Numbers,
                        $"scores: block {block}, {facts.Unit} {i}: expected a finite score of 0 or more, found {score}");
            }
        }

        return rows;
    }
}

/// <summary>
/// The units of every axis and block from the most to the least important; equal scores in the order of their indices. Every sub-network is
/// a prefix of it.
/// </summary>
internal sealed class ImportanceOrder
{
    private readonly PerAxis<int[][]> _order;

    /// <summary>Sorts the units of every axis and block. An axis that is not ranked keeps no order.</summary>
    public ImportanceOrder(ImportanceScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        _order = PerAxis<int[][]>.Of(row => [.. Enumerable.Range(0, scores.Depth).Select(block => Descending(scores.Of(row.Axis, block)))]);
    }

    /// <summary>Original indices of a block's units of one axis, the most important first; empty for an axis that is not ranked.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="block">Block, 0..L-1.</param>
    public ReadOnlySpan<int> Of(Axis axis, int block) => _order.Get(axis)[block];

    /// <summary>The first so many of them, as positions of a tensor.</summary>
    public long[] Longs(Axis axis, int block, long count) => [.. _order.Get(axis)[block].Take((int)count).Select(index => (long)index)];

    private static int[] Descending(ReadOnlySpan<double> scores)
    {
        double[] values = scores.ToArray();
        int[] order = [.. Enumerable.Range(0, values.Length)];
        Array.Sort(order, (a, b) => values[a] == values[b] ? a.CompareTo(b) : values[b].CompareTo(values[a]));
        return order;
    }
}

/// <summary>
/// One ranking of an axis from two: units removed first by scores that suit small cuts, the rest by scores that suit large ones. Every
/// sub-network is still a prefix of one order.
/// </summary>
internal static class MergedRanking
{
    /// <summary>
    /// The units of one axis in the merged order with the scores of <paramref name="deep"/>: the n-th to go has its n-th smallest, so that
    /// scores keep their unit and axes compare as before. Other axes are those of <paramref name="deep"/>.
    /// </summary>
    /// <param name="axis">The axis.</param>
    /// <param name="deep">Scores for large cuts.</param>
    /// <param name="light">Scores for small cuts; only their order matters.</param>
    /// <param name="share">Share of all units that go by <paramref name="light"/>, 0..1; 0 leaves the scores as they are.</param>
    /// <exception cref="ArgumentException">The scores are of two architectures, or the share is out of range.</exception>
    public static ImportanceScores Of(Axis axis, ImportanceScores deep, ImportanceScores light, double share)
    {
        ArgumentNullException.ThrowIfNull(deep);
        ArgumentNullException.ThrowIfNull(light);
        if (!deep.Counts.Equals(light.Counts))
        {
            throw new ArgumentException("merged ranking: expected two rankings of one architecture", nameof(light));
        }

        if (!(share >= 0 && share <= 1))
        {
            throw new ArgumentException(
                FormattableString.Invariant($"merged ranking: expected a share in 0..1, found {share}"), nameof(share));
        }

        RankedUnit[] byLight = RankedUnit.Ascending(light, axis), byDeep = RankedUnit.Ascending(deep, axis);
        int count = (int)(share * byDeep.Length);
        HashSet<(int, int)> first = [.. byLight.Take(count).Select(unit => (unit.Block, unit.Index))];
        IEnumerable<RankedUnit> order = byLight.Take(count).Concat(byDeep.Where(unit => !first.Contains((unit.Block, unit.Index))));
        return count == 0 ? deep : deep.With(axis, Ranked(deep, axis, order, byDeep));
    }

    private static double[,] Ranked(ImportanceScores deep, Axis axis, IEnumerable<RankedUnit> order, RankedUnit[] byDeep)
    {
        double[,] scores = new double[deep.Depth, deep.Counts[0][axis]];
        double last = double.NegativeInfinity;
        foreach ((RankedUnit unit, int place) in order.Select((unit, place) => (unit, place)))
        {
            // Equal scores would be ordered by their indices again.
            last = Math.Min(double.MaxValue, Math.Max(byDeep[place].Score, Math.BitIncrement(last)));
            scores[unit.Block, unit.Index] = last;
        }

        return scores;
    }
}

/// <summary>A unit of an axis with its score.</summary>
internal readonly record struct RankedUnit(double Score, int Block, int Index)
{
    /// <summary>All units of an axis as they are removed: the lowest score first, equal ones from the last block and index on.</summary>
    /// <param name="scores">Scores of all units.</param>
    /// <param name="axis">The axis.</param>
    public static RankedUnit[] Ascending(ImportanceScores scores, Axis axis)
    {
        List<RankedUnit> units = [];
        for (int block = 0; block < scores.Depth; block++)
        {
            ReadOnlySpan<double> row = scores.Of(axis, block);
            for (int index = 0; index < row.Length; index++)
            {
                units.Add(new RankedUnit(row[index], block, index));
            }
        }

        units.Sort((a, b) => a.Score != b.Score ? a.Score.CompareTo(b.Score) : (b.Block, b.Index).CompareTo((a.Block, a.Index)));
        return [.. units];
    }
}
