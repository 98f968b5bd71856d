using System.Collections.Concurrent;
using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>
/// Turns budgets into plans. Ranks once for every way to divide a budget; every budget from then on is a search in that ranking, and tighter
/// budgets of one kind under the same options give nested plans.
/// </summary>
public sealed class SubnetPlanner
{
    private readonly ViTArchitecture _architecture;
    private readonly ImportanceScores _scores;
    private readonly RemovalPools _pools;
    private readonly ConcurrentDictionary<object, RemovalOrder> _orders = [];

    /// <summary>Ranks the structures of a model.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="scores">Scores of its neurons and heads, factors included.</param>
    /// <param name="floors">What every block keeps whatever the budget.</param>
    /// <exception cref="ArgumentException">The scores are of another architecture, or a floor is out of range.</exception>
    public SubnetPlanner(ViTArchitecture architecture, ImportanceScores scores, KeepFloors floors)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(floors);
        if ((scores.Depth, scores.NeuronsPerBlock, scores.HeadsPerBlock) != (architecture.Depth, architecture.MlpDim, architecture.Heads))
        {
            throw new ArgumentException(
                $"scores: expected {architecture.Depth} blocks of {architecture.MlpDim} neurons and {architecture.Heads} heads, "
                + $"found {scores.Depth} of {scores.NeuronsPerBlock} and {scores.HeadsPerBlock}",
                nameof(scores));
        }

        (_architecture, _scores) = (architecture, scores);
        Floors = floors.Validated();
        Order = new ImportanceOrder(scores);
        _pools = new RemovalPools(architecture, scores, Order, floors);
    }

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture => _architecture;

    /// <summary>What every block keeps whatever the budget.</summary>
    public KeepFloors Floors { get; }

    /// <summary>The order of every block's structures of which plans keep prefixes.</summary>
    public ImportanceOrder Order { get; }

    private SubnetPlan Full => field ??= new SubnetPlan(_architecture, _architecture.FullWidths);

    /// <summary>
    /// The largest sub-network within a budget: the fewest steps of the removal order that bring the cost down to it. For ratios
    /// <c>floor(L H r)</c> neurons and <c>floor(L A r)</c> heads less: exactly so many, with alignment at least so many and no step more.
    /// </summary>
    /// <param name="budget">What it may cost.</param>
    /// <param name="options">How the budget is divided and rounded, and what latency and files are measured by; null for the defaults.</param>
    /// <exception cref="BudgetException">The floors make it impossible, with the smallest possible figure; or a latency is asked for without a table.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or the latency table is of another architecture.</exception>
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

    /// <summary>The steps that plans by cost are cut from.</summary>
    internal RemovalOrder RemovalsBy(CostUnit unit, PlanOptions how)
    {
        // Files are weighed by their parameters; the pools weigh nothing.
        object kind = how.Allocation == Allocation.Pools ? how.Align : (how.Allocation, how.Align, unit, unit == CostUnit.Nanoseconds ? how.Latency : null);
        return _orders.GetOrAdd(kind, _ => new RemovalOrder(AlignedOrder.Of(_architecture, Steps(how.Allocation, Cost(unit, how)), how.Align)));
    }

    private RemovalStep[] Steps(Allocation allocation, PlanCost cost)
    {
        (RemovalStep Step, double Score)[] merged = _pools.Merged();
        double scale = allocation == Allocation.JointBalanced ? JointOrder.HeadScale(_architecture, _scores, cost) : 1;
        return allocation == Allocation.Pools ? [.. merged.Select(entry => entry.Step)] : [.. JointOrder.Sort(_architecture, merged, cost, scale)];
    }

    private PlanCost Cost(CostUnit unit, PlanOptions how) => unit switch
    {
        CostUnit.Flops => new LinearCost("FLOPs", Full.Flops, CostModel.NeuronFlops(_architecture), CostModel.HeadFlops(_architecture)),
        CostUnit.Parameters => new LinearCost("parameters", Full.Parameters, CostModel.NeuronParameters(_architecture), CostModel.HeadParameters(_architecture)),
        CostUnit.FileBytes => new FileCost(_architecture, how.FileBytes ?? (widths => ModelFileBytes.Of(_architecture, widths))),
        _ => new LatencyCost(_architecture, Table(how)),
    };

    private LatencyTable Table(PlanOptions how)
    {
        LatencyTable table = how.Latency ?? throw new BudgetException("latency: expected a table measured on this machine to plan by, found none");
        return table.Conditions.Architecture == _architecture
            ? table
            : throw new ArgumentException("latency table: expected one of this model's architecture, found one of another");
    }

    private SubnetPlan ByCost(CostUnit unit, PlanOptions how, double? share, long? figure)
    {
        PlanCost cost = Cost(unit, how);
        RemovalOrder order = RemovalsBy(unit, how);
        long full = cost.After(order, 0), most = figure ?? (long)(full * share!.Value);
        int steps = full <= most ? 0 : order.Fewest(taken => cost.After(order, taken) <= most);
        if (steps > order.Length)
        {
            long least = cost.After(order, order.Length);
            string aligned = how.Align > 1 ? $", aligned to {how.Align}," : "";
            string asShare = share is null ? "" : string.Create(CultureInfo.InvariantCulture, $", a share of {Math.Ceiling(least / (double)full * 1e4) / 1e4:0.0000}");
            throw new BudgetException($"{cost.Name}: at most {cost.Figure(most)} asked for, but the floors of the blocks{aligned} allow {cost.Least(least)}{asShare}");
        }

        return new SubnetPlan(_architecture, order.Widths(_architecture, steps));
    }

    private SubnetPlan ByRatios(PruningRatios ratios, int align)
    {
        // The integer product first, as the reference's elastic path does: 40 * 6144 * 0.35 is 86016, but 6144 * 0.35 * 40 is not.
        int neurons = (int)((long)_architecture.Depth * _architecture.MlpDim * ratios.Mlp);
        int heads = (int)((long)_architecture.Depth * _architecture.Heads * ratios.Heads);
        SubnetWidths lessNeurons = AtLeast("neurons", ratios.Mlp, neurons, _pools.Neurons, align, _architecture.FullWidths);
        return new SubnetPlan(_architecture, AtLeast("heads", ratios.Heads, heads, _pools.Heads, align, lessNeurons));
    }

    private SubnetWidths AtLeast(string structures, double ratio, int asked, IReadOnlyList<RemovalStep> pool, int align, SubnetWidths widths)
    {
        RemovalOrder order = _orders.GetOrAdd((structures, align), _ => new RemovalOrder(AlignedOrder.Of(_architecture, pool, align)));
        int steps = order.Fewest(taken => Removed(taken) >= asked);
        return steps <= order.Length ? order.Less(widths, steps) : throw new BudgetException(string.Create(
            CultureInfo.InvariantCulture,
            $"{structures}: a ratio of {ratio} removes {asked}, but the floors of the blocks leave only {Removed(order.Length)} to remove{(align > 1 ? $", aligned to {align}" : "")}"));

        int Removed(int taken) => order.After(taken) is var (neurons, heads) ? neurons + heads : 0;
    }
}
