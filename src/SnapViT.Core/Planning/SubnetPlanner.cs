using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>Turns budgets into plans. Ranks once; every budget from then on is a search in that ranking, and tighter budgets give nested plans.</summary>
public sealed class SubnetPlanner
{
    private readonly ViTArchitecture _architecture;
    private readonly RemovalOrder _removals;

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
        if ((scores.Depth, scores.NeuronsPerBlock, scores.HeadsPerBlock) != (architecture.Depth, architecture.Hidden, architecture.Heads))
        {
            throw new ArgumentException(
                $"scores: expected {architecture.Depth} blocks of {architecture.Hidden} neurons and {architecture.Heads} heads, "
                + $"found {scores.Depth} of {scores.NeuronsPerBlock} and {scores.HeadsPerBlock}",
                nameof(scores));
        }

        _architecture = architecture;
        Floors = floors.Validated();
        Order = new ImportanceOrder(scores);
        _removals = new RemovalOrder(architecture, scores, Order, floors);
    }

    /// <summary>What every block keeps whatever the budget.</summary>
    public KeepFloors Floors { get; }

    /// <summary>The order of every block's structures of which plans keep prefixes.</summary>
    public ImportanceOrder Order { get; }

    /// <summary>The largest sub-network within a budget; for ratios exactly <c>floor(L H r)</c> neurons and <c>floor(L A r)</c> heads less.</summary>
    /// <param name="budget">What it may cost.</param>
    /// <exception cref="BudgetException">The floors make it impossible; the message gives what was asked and what is possible.</exception>
    public SubnetPlan Plan(Budget budget)
    {
        ArgumentNullException.ThrowIfNull(budget);
        return budget switch
        {
            Budget.RemovedRatios exact => ByRatios(exact.Removed),
            Budget.FlopsFraction share => ByFlops((long)(Full.Flops * share.Fraction)),
            Budget.MaxFlops flops => ByFlops(flops.Figure),
            Budget.ParametersFraction share => ByParameters((long)(Full.Parameters * share.Fraction)),
            Budget.MaxParameters parameters => ByParameters(parameters.Figure),
            _ => throw new InvalidOperationException($"unknown budget {budget}"),
        };
    }

    private SubnetPlan Full => field ??= new SubnetPlan(_architecture, _architecture.FullWidths);

    private SubnetPlan ByRatios(PruningRatios ratios)
    {
        // The integer product first, as the reference's elastic path does: 40 * 6144 * 0.35 is 86016, but 6144 * 0.35 * 40 is not.
        int neurons = (int)((long)_architecture.Depth * _architecture.Hidden * ratios.Mlp);
        int heads = (int)((long)_architecture.Depth * _architecture.Heads * ratios.Heads);
        Require("neurons", ratios.Mlp, neurons, _removals.Neurons);
        Require("heads", ratios.Heads, heads, _removals.Heads);
        return new SubnetPlan(_architecture, _removals.Widths(_architecture, neurons, heads));
    }

    private static void Require(string structures, double ratio, int asked, int possible)
    {
        if (asked > possible)
        {
            throw new BudgetException(string.Create(
                CultureInfo.InvariantCulture, $"{structures}: a ratio of {ratio} removes {asked}, but the floors of the blocks leave only {possible} to remove"));
        }
    }

    private SubnetPlan ByFlops(long most) =>
        Within(most, "FLOPs", Full.Flops, CostModel.NeuronFlops(_architecture), CostModel.HeadFlops(_architecture));

    private SubnetPlan ByParameters(long most) =>
        Within(most, "parameters", Full.Parameters, CostModel.NeuronParameters(_architecture), CostModel.HeadParameters(_architecture));

    /// <summary>The fewest removals of the merged order that bring the cost down to <paramref name="most"/>; every structure has a fixed cost.</summary>
    private SubnetPlan Within(long most, string unit, long full, long perNeuron, long perHead)
    {
        if (Cost(_removals.Length) > most)
        {
            throw new BudgetException($"{unit}: at most {most} asked for, but the floors of the blocks allow no fewer than {Cost(_removals.Length)}");
        }

        int low = 0, high = _removals.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = Cost(middle) <= most ? (low, middle) : (middle + 1, high);
        }

        (int neurons, int heads) = _removals.After(low);
        return new SubnetPlan(_architecture, _removals.Widths(_architecture, neurons, heads));

        long Cost(int removals)
        {
            (int removedNeurons, int removedHeads) = _removals.After(removals);
            return full - (removedNeurons * perNeuron) - (removedHeads * perHead);
        }
    }
}
