using CsCheck;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Planning;

/// <summary>What holds for any scores (ties, zeros, denormals), any floors and any budget.</summary>
public sealed class SubnetPlannerPropertyTests
{
    private static readonly Gen<double> Score = Gen.OneOf(
        Gen.Const(0.0), Gen.Const(double.Epsilon), Gen.Const(1e-310), Gen.Const(1.0), Gen.Double[0, 1], Gen.Double[0, 1e-300]);

    private static readonly Gen<Problem> Problems =
        from depth in Gen.Int[1, 4]
        from hidden in Gen.Int[1, 24]
        from heads in Gen.Int[1, 6]
        from mlp in Gen.Enum<MlpKind>()
        from neurons in Score.Array2D[depth, hidden]
        from headScores in Score.Array2D[depth, heads]
        from floors in Gen.Select(Share, Share)
        select new Problem(
            new ViTArchitecture { Depth = depth, Width = 8, Heads = heads, HeadWidth = 4, Hidden = hidden, PatchSize = 8, ImageSize = 16, Mlp = mlp },
            new ImportanceScores(neurons, headScores),
            new KeepFloors(floors.Item1, floors.Item2));

    private static Gen<double> Share => Gen.OneOf(Gen.Const(0.0), Gen.Const(1.0), Gen.Double[0, 1]);

    private delegate ReadOnlySpan<T> OfBlock<T>(int block);

    [Fact]
    public void Ratios_remove_exactly_what_they_say_and_the_lowest_scores_above_the_floors() => Gen.Select(Problems, Share, Share).Sample(
        (problem, mlp, heads) =>
        {
            (ViTArchitecture a, ImportanceScores scores, KeepFloors floors) = problem;
            int neuronsOff = (int)(a.Depth * a.Hidden * mlp), headsOff = (int)(a.Depth * a.Heads * heads);
            int neuronFloor = floors.Neurons(a.Hidden), headFloor = floors.Heads(a.Heads);
            SubnetPlanner planner = problem.Planner();
            if (neuronsOff > a.Depth * (a.Hidden - neuronFloor) || headsOff > a.Depth * (a.Heads - headFloor))
            {
                Assert.Throws<BudgetException>(() => planner.Plan(Budget.Ratios(mlp, heads)));
                return;
            }

            SubnetPlan plan = planner.Plan(Budget.Ratios(mlp, heads));
            Assert.Equal((a.Depth * a.Hidden) - neuronsOff, plan.Widths.TotalNeurons);
            Assert.Equal((a.Depth * a.Heads) - headsOff, plan.Widths.TotalHeads);
            Assert.Equal(CostModel.Parameters(a, plan.Widths), plan.Parameters);
            Assert.Equal(CostModel.Flops(a, plan.Widths), plan.Flops);
            LowestRemoved([.. plan.Widths.Select(block => block.Neurons)], neuronFloor, planner.Order.Neurons, scores.Neurons);
            LowestRemoved([.. plan.Widths.Select(block => block.Heads)], headFloor, planner.Order.Heads, scores.Heads);
        },
        iter: 1000);

    [Fact]
    public void Plans_by_cost_miss_the_budget_by_less_than_one_structure() => Gen.Select(Problems, Gen.Double[0.01, 1], Gen.Bool).Sample(
        (problem, share, byFlops) =>
        {
            (ViTArchitecture a, _, KeepFloors floors) = problem;
            SubnetPlanner planner = problem.Planner();
            SubnetWidths least = SubnetWidths.Uniform(a.Depth, new BlockWidths(floors.Heads(a.Heads), floors.Neurons(a.Hidden)));
            long full = Cost(a.FullWidths), most = (long)(full * share);
            long structure = byFlops
                ? Math.Max(CostModel.NeuronFlops(a), CostModel.HeadFlops(a))
                : Math.Max(CostModel.NeuronParameters(a), CostModel.HeadParameters(a));
            if (Cost(least) > most)
            {
                string message = Assert.Throws<BudgetException>(() => planner.Plan(Of(share))).Message;
                Assert.Contains($"at most {most} asked for, but the floors of the blocks allow no fewer than {Cost(least)}", message, StringComparison.Ordinal);
                return;
            }

            SubnetPlan plan = planner.Plan(Of(share));
            Assert.InRange(Cost(plan.Widths), 0, most);
            Assert.True(plan.Widths.Equals(a.FullWidths) || most - Cost(plan.Widths) < structure);
            Assert.Equal(plan.Widths, planner.Plan(byFlops ? Budget.AbsoluteFlops(most) : Budget.AbsoluteParameters(most)).Widths);

            long Cost(SubnetWidths widths) => byFlops ? CostModel.Flops(a, widths) : CostModel.Parameters(a, widths);
            Budget Of(double fraction) => byFlops ? Budget.Flops(fraction) : Budget.Parameters(fraction);
        },
        iter: 1000);

    [Fact]
    public void Tighter_budgets_give_nested_plans() => Gen.Select(Problems, Share.Array[6]).Sample(
        (problem, shares) =>
        {
            SubnetPlanner planner = problem.Planner();
            foreach (Func<double, Budget> kind in new Func<double, Budget>[] { Budget.Flops, Budget.Parameters, kept => Budget.Ratios(1 - kept, 1 - kept) })
            {
                SubnetWidths wider = problem.Architecture.FullWidths;
                foreach (double share in shares.Where(share => share > 0).OrderDescending())
                {
                    if (Possible(planner, kind(share)) is SubnetWidths widths)
                    {
                        Assert.All(widths.Zip(wider), pair => Assert.True(pair.First.Heads <= pair.Second.Heads && pair.First.Neurons <= pair.Second.Neurons));
                        wider = widths;
                    }
                }
            }
        },
        iter: 500);

    private static SubnetWidths? Possible(SubnetPlanner planner, Budget budget)
    {
        try
        {
            return planner.Plan(budget).Widths;
        }
        catch (BudgetException)
        {
            return null;
        }
    }

    /// <summary>Every block keeps its floor, and no removed structure beats one that is kept beyond the floors: by score, then by position.</summary>
    private static void LowestRemoved(int[] kept, int floor, OfBlock<int> order, OfBlock<double> scores)
    {
        List<(double Score, int Block, int Index)> removed = [], spared = [];
        for (int block = 0; block < kept.Length; block++)
        {
            Assert.True(kept[block] >= floor);
            for (int rank = floor; rank < order(block).Length; rank++)
            {
                int index = order(block)[rank];
                (rank < kept[block] ? spared : removed).Add((scores(block)[index], -block, -index));
            }
        }

        if (removed.Count > 0 && spared.Count > 0)
        {
            Assert.True(removed.Max().CompareTo(spared.Min()) < 0, $"removed {removed.Max()}, kept {spared.Min()}");
        }
    }

    private sealed record Problem(ViTArchitecture Architecture, ImportanceScores Scores, KeepFloors Floors)
    {
        public SubnetPlanner Planner() => new(Architecture, Scores, Floors);
    }
}
