using System.Numerics;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>One step of a removal order: the least important units of one axis that a block still has.</summary>
/// <param name="Block">Block, 0..L-1.</param>
/// <param name="Axis">The axis whose units go.</param>
/// <param name="Count">How many go at once: 1, or with alignment up to a step of it.</param>
internal readonly record struct RemovalStep(int Block, Axis Axis, int Count = 1);

/// <summary>A way from the whole model down in nested steps: a plan is the model after the first so many of them.</summary>
internal abstract class NestedPath
{
    /// <summary>Steps that can be taken at most.</summary>
    public abstract int Length { get; }

    /// <summary>What every block keeps after the first <paramref name="steps"/>, within what it keeps after fewer.</summary>
    public abstract SubnetWidths Widths(ViTArchitecture architecture, int steps);

    /// <summary>
    /// The fewest steps after which something holds that then holds for good; <see cref="Length"/> + 1 where it never does.
    /// </summary>
    public int Fewest(Func<int, bool> holds)
    {
        int low = 0, high = Length + 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = middle > Length || holds(middle) ? (low, middle) : (middle + 1, high);
        }

        return low;
    }
}

/// <summary>
/// The path along a frontier. Between two slices all axes shrink evenly; neurons stay multiples of an alignment, and axes that are to stay
/// whole do.
/// </summary>
internal sealed class FrontierPath : NestedPath
{
    /// <summary>Steps between two slices.</summary>
    private const int Between = 32;

    private readonly IReadOnlyList<FrontierSlice> _slices;
    private readonly IReadOnlyCollection<Axis> _whole;
    private readonly int _align;

    /// <summary>The path along a frontier.</summary>
    /// <param name="frontier">Its slices.</param>
    /// <param name="whole">Axes that stay whole.</param>
    /// <param name="align">Multiple that kept neurons are rounded up to, 1 for none.</param>
    public FrontierPath(Frontier frontier, IReadOnlyCollection<Axis> whole, int align) =>
        (_slices, _whole, _align) = (frontier.Slices, whole, align);

    public override int Length => (_slices.Count - 1) * Between;

    public override SubnetWidths Widths(ViTArchitecture architecture, int steps)
    {
        (int slice, int part) = (steps / Between, steps % Between);
        SubnetWidths from = _slices[slice].Widths, to = _slices[Math.Min(slice + 1, _slices.Count - 1)].Widths;
        bool isPooled = !_whole.Contains(Axis.Tokens) && (IsPooled(from) || (part > 0 && IsPooled(to)));
        List<BlockWidths> blocks = [];
        int into = architecture.Tokens;
        for (int block = 0; block < from.Count; block++)
        {
            BlockWidths kept = architecture.FullBlock;
            foreach (AxisFacts row in AxisTable.Rows.Where(row => !_whole.Contains(row.Axis)))
            {
                int width = from[block][row.Axis] - ((from[block][row.Axis] - to[block][row.Axis]) * part / Between);
                int grain = row.Axis == Axis.Neurons ? _align : row.Grain(architecture);
                kept = kept.With(row.Axis, Math.Min(row.Count(architecture), (width + grain - 1) / grain * grain));
            }

            int left = block == from.Count - 1 && architecture.PooledTokens > 0
                ? isPooled ? architecture.PooledTokens : into
                : Math.Clamp(kept[Axis.Tokens], SubnetWidths.FewestTokens(architecture, into), into);
            blocks.Add(kept.With(Axis.Tokens, left));
            into = left;
        }

        return new SubnetWidths(blocks);

        bool IsPooled(SubnetWidths slice) => slice[^1][Axis.Tokens] < slice.TokensInto(architecture, slice.Count - 1);
    }

    /// <summary>The measured distance at a place of the path: of the slice there, or between those around it in proportion.</summary>
    public double? Distance(int steps)
    {
        if (_whole.Count > 0 || _align > 1)
        {
            return null;
        }

        (int slice, int part) = (steps / Between, steps % Between);
        double from = _slices[slice].Distance, to = _slices[Math.Min(slice + 1, _slices.Count - 1)].Distance;
        return from + ((to - from) * part / Between);
    }
}

/// <summary>The steps in which the whole model shrinks to its floors, of units that are ranked one by one.</summary>
internal sealed class RemovalOrder : NestedPath
{
    private readonly RemovalStep[] _steps;
    private readonly PerAxis<int[]> _removed;

    public RemovalOrder(IEnumerable<RemovalStep> steps)
    {
        _steps = [.. steps];
        _removed = PerAxis<int[]>.Of(row => RunningSum(_steps, row.Axis));
        IsAdditive = AxisTable.Rows.All(row => row.IsAdditive || After(Length, row.Axis) == 0);
    }

    public override int Length => _steps.Length;

    /// <summary>The steps, first removed first.</summary>
    public IReadOnlyList<RemovalStep> Steps => _steps;

    /// <summary>Whether each step saves the same FLOPs and parameters whatever went before.</summary>
    public bool IsAdditive { get; }

    /// <summary>How many units of an axis the first <paramref name="steps"/> remove.</summary>
    public int After(int steps, Axis axis) => _removed.Get(axis)[steps];

    public override SubnetWidths Widths(ViTArchitecture architecture, int steps) => Less(architecture.FullWidths, steps);

    /// <summary>What every block of a model keeps after the first <paramref name="steps"/>.</summary>
    public SubnetWidths Less(SubnetWidths widths, int steps)
    {
        PerAxis<int>[] kept = [.. widths.Select(block => PerAxis<int>.Of(row => block[row.Axis]))];
        foreach (RemovalStep step in _steps.AsSpan(0, steps))
        {
            kept[step.Block][(int)step.Axis] -= step.Count;
        }

        return new SubnetWidths(kept.Select(block => new BlockWidths(block)));
    }

    private static int[] RunningSum(RemovalStep[] steps, Axis axis)
    {
        int[] removed = new int[steps.Length + 1];
        for (int at = 0; at < steps.Length; at++)
        {
            removed[at + 1] = removed[at] + (steps[at].Axis == axis ? steps[at].Count : 0);
        }

        return removed;
    }
}

/// <summary>
/// A removal order in steps after which the widths are multiples of an alignment: as many of a block's units as lead from one such width
/// to the next go together, where the one in the middle of them went. The unpruned width is left as it is, whether a multiple or not, and
/// no step goes below a floor.
/// </summary>
internal static class AlignedOrder
{
    /// <summary>Groups the steps of an order.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="order">Steps of one unit each, of one axis or of several.</param>
    /// <param name="align">The alignment, 1 or more.</param>
    public static IEnumerable<RemovalStep> Of(ViTArchitecture architecture, IReadOnlyList<RemovalStep> order, int align)
    {
        if (align == 1)
        {
            return order;
        }

        IEnumerable<(int Place, RemovalStep Step)> steps =
            from at in Enumerable.Range(0, order.Count)
            group at by (order[at].Block, order[at].Axis) into branch
            from step in Branch(
                [.. branch],
                branch.Key,
                AxisTable.Of(branch.Key.Axis).Count(architecture),
                Multiple(architecture, align, branch.Key.Axis))
            select step;
        return steps.OrderBy(step => step.Place).Select(step => step.Step);
    }

    /// <summary>
    /// Units that make up a step: as many as are together a multiple of the alignment wide. One, where a unit is at least as wide as it.
    /// </summary>
    public static int Multiple(ViTArchitecture architecture, int align, Axis axis)
    {
        int channels = AxisTable.Of(axis).Channels(architecture);
        return channels >= align ? 1 : align / (int)BigInteger.GreatestCommonDivisor(align, channels);
    }

    private static IEnumerable<(int Place, RemovalStep Step)> Branch(int[] places, (int Block, Axis Axis) branch, int width, int multiple)
    {
        int first = width % multiple == 0 ? multiple : width % multiple;
        for ((int from, int count) = (0, first); from + count <= places.Length; (from, count) = (from + count, multiple))
        {
            yield return (places[from + ((count - 1) / 2)], new RemovalStep(branch.Block, branch.Axis, count));
        }
    }
}

/// <summary>
/// A pool per axis, as in the paper, each ranked over all blocks: the lowest score first, equal scores from the last block and index on, so
/// that what a block keeps is always a prefix of its importance order; the floors of every block never enter.
/// </summary>
internal sealed class RemovalPools
{
    private readonly SubnetWidths _counts;
    private readonly PerAxis<(RemovalStep Step, double Score)[]> _pools;

    public RemovalPools(ImportanceScores scores, ImportanceOrder order, KeepFloors floors)
    {
        _counts = scores.Counts;
        _pools = PerAxis<(RemovalStep, double)[]>.Of(row => Lowest(row.Axis, floors.Kept(row.Axis, _counts[0][row.Axis]), scores, order));
    }

    /// <summary>All units of an axis that may be removed, one a step.</summary>
    public IEnumerable<RemovalStep> Steps(Axis axis) => _pools.Get(axis).Select(entry => entry.Step);

    /// <summary>All pools as one order along the paper's line of ratio pairs: heads 15 points behind neurons.</summary>
    /// <returns>Every step with its score.</returns>
    public (RemovalStep Step, double Score)[] Merged()
    {
        PerAxis<int> taken = default;
        (RemovalStep, double)[] merged = new (RemovalStep, double)[AxisTable.Rows.Sum(row => _pools.Get(row.Axis).Length)];
        for (int at = 0; at < merged.Length; at++)
        {
            (Axis next, double nearest) = (default, double.PositiveInfinity);
            foreach (AxisFacts row in AxisTable.InPaperOrder)
            {
                double place = Place(row, taken[(int)row.Axis]);
                (next, nearest) = place < nearest ? (row.Axis, place) : (next, nearest);
            }

            merged[at] = _pools.Get(next)[taken[(int)next]++];
        }

        return merged;
    }

    /// <summary>Where on the paper's line the next unit of an axis goes; never for a pool that is used up.</summary>
    private double Place(AxisFacts row, int taken) => taken < _pools.Get(row.Axis).Length
        ? row.LineOffset + ((taken + 1) / (double)((long)_counts.Count * _counts[0][row.Axis]))
        : double.PositiveInfinity;

    private static (RemovalStep Step, double Score)[] Lowest(Axis axis, int floor, ImportanceScores scores, ImportanceOrder order)
    {
        HashSet<(int, int)> kept = [];
        for (int block = 0; block < scores.Depth; block++)
        {
            kept.UnionWith(order.Of(axis, block)[..floor].ToArray().Select(index => (block, index)));
        }

        return
        [
            .. RankedUnit.Ascending(scores, axis)
                .Where(unit => !kept.Contains((unit.Block, unit.Index)))
                .Select(unit => (new RemovalStep(unit.Block, axis), unit.Score)),
        ];
    }
}

/// <summary>
/// All axes in one order by score per unit of cost. Within a block units still go from the least important on: where a later one saves more
/// per score than an earlier one, the two go together at their joint rate (pool adjacent violators), which is the best that an order of
/// prefixes can do. Equal rates go as the paper's pools do.
/// </summary>
internal static class JointOrder
{
    /// <summary>Sorts the merged pools.</summary>
    /// <param name="full">Widths of the unpruned model.</param>
    /// <param name="merged">All steps, one unit each, with their scores, as the paper's pools are merged.</param>
    /// <param name="cost">What units save.</param>
    /// <param name="scale">What the scores of an axis are multiplied by; 1 where they compare with the others.</param>
    public static IEnumerable<RemovalStep> Sort(
        SubnetWidths full, (RemovalStep Step, double Score)[] merged, PlanCost cost, Func<Axis, double> scale)
    {
        double[] rates = new double[merged.Length];
        double largest = merged.Select(entry => entry.Score).DefaultIfEmpty().Max();
        foreach (IGrouping<(int, Axis), int> branch in Enumerable.Range(0, merged.Length)
            .GroupBy(at => (merged[at].Step.Block, merged[at].Step.Axis)))
        {
            int[] places = [.. branch];
            (int block, Axis axis) = branch.Key;
            double factor = scale(axis);
            double[] saved = [.. places.Select((_, removed) => cost.Saved(block, axis, full[block][axis] - removed))];

            // Relative to the largest, so that no sum overflows.
            double[] lost = [.. places.Select(at => largest > 0 ? merged[at].Score / largest * factor : 0)];
            double[] branchRates = NonDecreasing(lost, saved);
            for (int i = 0; i < places.Length; i++)
            {
                rates[places[i]] = branchRates[i];
            }
        }

        // A stable sort: equal rates stay in the order of the pools, and so does every block.
        return Enumerable.Range(0, merged.Length).OrderBy(at => rates[at]).Select(at => merged[at].Step);
    }

    /// <summary>
    /// The factors of <see cref="Allocation.JointBalanced"/>: they give every axis the mean score per unit of cost of the first, of the
    /// neurons. 1 where an axis has no score or no cost. The cost of an axis is that of the first block.
    /// </summary>
    /// <param name="scores">Scores of all units.</param>
    /// <param name="cost">What units save.</param>
    public static Func<Axis, double> Balanced(ImportanceScores scores, PlanCost cost)
    {
        double largest = AxisTable.Rows.Max(row => Scores(scores, row.Axis).DefaultIfEmpty().Max());
        double reference = Rate(AxisTable.InPaperOrder[0].Axis);
        PerAxis<double> scales = PerAxis<double>.Of(row =>
        {
            double scale = row == AxisTable.InPaperOrder[0] || largest == 0 ? 1 : reference / Rate(row.Axis);
            return double.IsFinite(scale) && scale > 0 ? scale : 1;
        });
        return axis => scales.Get(axis);

        double Rate(Axis axis)
        {
            double sum = 0;
            for (int block = 0; block < scores.Depth; block++)
            {
                sum += scores.Of(axis, block).ToArray().Sum(score => score / largest);
            }

            return sum / Enumerable.Range(1, scores.Counts[0][axis]).Sum(width => cost.Saved(0, axis, width));
        }
    }

    private static IEnumerable<double> Scores(ImportanceScores scores, Axis axis) =>
        Enumerable.Range(0, scores.Depth).SelectMany(block => scores.Of(axis, block).ToArray());

    /// <summary>Lost per saved of every element, neighbours pooled until it never falls.</summary>
    private static double[] NonDecreasing(double[] lost, double[] saved)
    {
        Stack<(double Lost, double Saved, int Count)> groups = new();
        for (int i = 0; i < lost.Length; i++)
        {
            (double Lost, double Saved, int Count) group = (lost[i], saved[i], 1);
            while (groups.TryPeek(out (double Lost, double Saved, int Count) before) && Rate(before) > Rate(group))
            {
                groups.Pop();
                group = (before.Lost + group.Lost, before.Saved + group.Saved, before.Count + group.Count);
            }

            groups.Push(group);
        }

        return [.. groups.Reverse().SelectMany(group => Enumerable.Repeat(Rate(group), group.Count))];
    }

    /// <summary>What saves nothing goes last, even where it loses nothing: it may well be worth something.</summary>
    private static double Rate((double Lost, double Saved, int Count) group) =>
        group.Saved > 0 ? group.Lost / group.Saved : double.PositiveInfinity;
}
