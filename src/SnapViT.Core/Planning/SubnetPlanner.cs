using System.Collections.Concurrent;
using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>
/// Turns budgets into plans. Ranks once for every way to divide a budget; every budget from then on is a search in that ranking, and
/// tighter budgets of one kind under the same options give nested plans.
/// </summary>
public sealed class SubnetPlanner
{
    private readonly ViTArchitecture _architecture;
    private readonly ImportanceScores _scores;
    private readonly RemovalPools _pools;
    private readonly IReadOnlyDictionary<CostUnit, Frontier> _frontiers;
    private readonly ConcurrentDictionary<object, RemovalOrder> _orders = [];

    /// <summary>Ranks the units of a model.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="scores">Scores of its units, factors included. An axis without scores stays whole.</param>
    /// <param name="floors">What every block keeps whatever the budget.</param>
    /// <param name="frontiers">Frontiers over all axes by what they save; null for none.</param>
    /// <exception cref="SnapViTException">The scores or frontiers are of another architecture.</exception>
    public SubnetPlanner(
        ViTArchitecture architecture,
        ImportanceScores scores,
        KeepFloors floors,
        IReadOnlyDictionary<CostUnit, Frontier>? frontiers = null)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(floors);
        AxisFacts[] ranked = [.. AxisTable.InPaperOrder.Where(row => scores.Counts[0][row.Axis] > 0)];
        if (scores.Depth != architecture.Depth || ranked.Any(row => scores.Counts[0][row.Axis] != row.Count(architecture)))
        {
            throw new SnapViTException(
                ErrorKind.Architecture,
                $"scores: expected {architecture.Depth} blocks of "
                + $"{string.Join(" and ", ranked.Select(row => $"{row.Count(architecture)} {row.Label}"))}, "
                + $"found {scores.Depth} of {string.Join(" and ", ranked.Select(row => scores.Counts[0][row.Axis]))}");
        }

        (_architecture, _scores, Floors, _frontiers) = (architecture, scores, floors, frontiers ?? new Dictionary<CostUnit, Frontier>());
        RequireFit(_frontiers.Values);
        Order = new ImportanceOrder(scores);
        _pools = new RemovalPools(scores, Order, floors);
    }

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture => _architecture;

    /// <summary>What every block keeps whatever the budget.</summary>
    public KeepFloors Floors { get; }

    /// <summary>The order of every block's units of which plans keep prefixes.</summary>
    internal ImportanceOrder Order { get; }

    private CountedCost Flops => field ??= new CountedCost(
        "FLOPs", _architecture, widths => CostModel.Flops(_architecture, widths), axis => CostModel.UnitFlops(_architecture, axis));

    private CountedCost Parameters => field ??= new CountedCost(
        "parameters",
        _architecture,
        widths => CostModel.Parameters(_architecture, widths),
        axis => CostModel.UnitParameters(_architecture, axis));

    /// <summary>
    /// The largest sub-network within a budget: the fewest steps of the removal order that bring the cost down to it. For ratios
    /// <c>floor(L n r)</c> units less of an axis with n a block: exactly so many, with alignment at least so many and no step more.
    /// </summary>
    /// <param name="budget">What it may cost.</param>
    /// <param name="options">
    /// How the budget is divided and rounded, and what latency and files are measured by; null for the defaults.
    /// </param>
    /// <exception cref="BudgetException">
    /// The floors make it impossible, with the smallest possible figure; or a latency is asked for without a table.
    /// </exception>
    /// <exception cref="Errors.SnapViTException">An option is out of range.</exception>
    /// <exception cref="SnapViTException">The latency table is of another architecture.</exception>
    public SubnetPlan Plan(Budget budget, PlanOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(budget);
        PlanOptions how = (options ?? PlanOptions.Default).Validated();
        return budget switch
        {
            Budget.RemovedRatios exact => ByRatios(exact.Removed, how.Align),
            Budget.Share share => ByCost(share.Limits, how, share.Fraction, figure: null),
            Budget.Most most => ByCost(most.Limits, how, share: null, most.Figure),
            _ => throw new InvalidOperationException($"unknown budget {budget}"),
        };
    }

    /// <summary>The path that plans by cost are cut from.</summary>
    internal NestedPath PathBy(CostUnit unit, PlanOptions how)
    {
        Frontier? frontier = _frontiers.GetValueOrDefault(unit == CostUnit.FileBytes ? CostUnit.Parameters : unit)
            ?? (unit == CostUnit.Nanoseconds ? _frontiers.GetValueOrDefault(CostUnit.Flops) : null);
        if (how.Allocation == Allocation.Frontier && frontier is null)
        {
            throw new BudgetException(
                "frontier: expected scores that hold one to plan along, found none: build them again, or divide the budget in pools");
        }

        bool follows = frontier is not null && how.Allocation is Allocation.Frontier or Allocation.Automatic;
        return follows ? new FrontierPath(frontier!, how.WholeAxes, how.Align) : RemovalsBy(unit, how);
    }

    /// <summary>The steps that plans by cost of ranked units are cut from.</summary>
    internal RemovalOrder RemovalsBy(CostUnit unit, PlanOptions how)
    {
        // Files are weighed by their parameters; the pools weigh nothing.
        object kind = how.Allocation is Allocation.Pools or Allocation.Automatic
            ? how.Align
            : (how.Allocation, how.Align, unit, unit == CostUnit.Nanoseconds ? how.Latency : null);
        return _orders.GetOrAdd(
            kind, _ => new RemovalOrder(AlignedOrder.Of(_architecture, Steps(how.Allocation, Cost(unit, how)), how.Align)));
    }

    private RemovalStep[] Steps(Allocation allocation, PlanCost cost)
    {
        (RemovalStep Step, double Score)[] merged = _pools.Merged();
        return allocation switch
        {
            Allocation.Pools or Allocation.Automatic => [.. merged.Select(entry => entry.Step)],
            Allocation.Joint => [.. JointOrder.Sort(_architecture.FullWidths, merged, cost, _ => 1)],
            _ => [.. JointOrder.Sort(_architecture.FullWidths, merged, cost, JointOrder.Balanced(_scores, cost))],
        };
    }

    private PlanCost Cost(CostUnit unit, PlanOptions how) => unit switch
    {
        CostUnit.Flops => Flops,
        CostUnit.Parameters => Parameters,
        CostUnit.FileBytes => new FileCost(
            _architecture, how.FileBytes ?? (widths => ModelFileBytes.Of(_architecture, widths)), Parameters),
        _ => new LatencyCost(_architecture, Table(how)),
    };

    private LatencyTable Table(PlanOptions how)
    {
        LatencyTable table = how.Latency
            ?? throw new BudgetException("latency: expected a table measured on this machine to plan by, found none");
        return table.Conditions.Architecture == _architecture
            ? table
            : throw new SnapViTException(ErrorKind.File, "latency table: expected one of this model's architecture, found one of another");
    }

    private SubnetPlan ByCost(CostUnit unit, PlanOptions how, double? share, long? figure)
    {
        PlanCost cost = Cost(unit, how);
        NestedPath order = PathBy(unit, how);
        long full = cost.After(order, 0), most = figure ?? (long)(full * share!.Value);
        int steps = full <= most ? 0 : order.Fewest(taken => cost.After(order, taken) <= most);
        if (steps > order.Length)
        {
            long least = cost.After(order, order.Length);
            string aligned = how.Align > 1 ? $", aligned to {how.Align}," : "";
            string asShare = share is null
                ? ""
                : string.Create(CultureInfo.InvariantCulture, $", a share of {Math.Ceiling(least / (double)full * 1e4) / 1e4:0.0000}");
            throw new BudgetException(
                $"{cost.Name}: at most {cost.Figure(most)} asked for, "
                + $"but the floors of the blocks{aligned} allow {cost.Least(least)}{asShare}");
        }

        return new SubnetPlan(_architecture, order.Widths(_architecture, steps))
        {
            Distance = (order as FrontierPath)?.Distance(steps),
        };
    }

    private void RequireFit(IEnumerable<Frontier> frontiers)
    {
        try
        {
            foreach (FrontierSlice slice in frontiers.SelectMany(frontier => frontier.Slices))
            {
                slice.Widths.RequireFit(_architecture);
            }
        }
        catch (ArgumentException exception)
        {
            throw new SnapViTException(ErrorKind.Architecture, $"frontier: {exception.Message}", exception);
        }
    }

    private SubnetPlan ByRatios(PruningRatios ratios, int align)
    {
        SubnetWidths widths = _architecture.FullWidths;
        foreach (AxisFacts row in AxisTable.InPaperOrder)
        {
            widths = Less(widths, row, ratios[row.Axis], align);
        }

        return new SubnetPlan(_architecture, widths);
    }

    private SubnetWidths Less(SubnetWidths widths, AxisFacts row, double ratio, int align)
    {
        // The integer product first, as the reference's elastic path does: 40 * 6144 * 0.35 is 86016, but 6144 * 0.35 * 40 is not.
        int asked = (int)((long)_architecture.Depth * row.Count(_architecture) * ratio);
        RemovalOrder order = _orders.GetOrAdd(
            (row.Axis, align), _ => new RemovalOrder(AlignedOrder.Of(_architecture, [.. _pools.Steps(row.Axis)], align)));
        int steps = order.Fewest(taken => order.After(taken, row.Axis) >= asked);
        string aligned = align > 1 ? $", aligned to {align}" : "";
        return steps <= order.Length ? order.Less(widths, steps) : throw new BudgetException(string.Create(
            CultureInfo.InvariantCulture,
            $"{row.Label}: a ratio of {ratio} removes {asked}, "
            + $"but the floors of the blocks leave only {order.After(order.Length, row.Axis)} to remove{aligned}"));
    }
}
