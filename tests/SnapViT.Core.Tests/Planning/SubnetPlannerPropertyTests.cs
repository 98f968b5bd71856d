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
        from floors in Gen.Select(Share01, Share01)
        from attentionTimes in Time.Array[heads + 1]
        from mlpTimes in Time.Array[hidden + 1]
        let architecture = new ViTArchitecture { Depth = depth, EmbedDim = 8, Heads = heads, HeadDim = 4, MlpDim = hidden, PatchSize = 8, ImageSize = 16, Mlp = mlp }
        select new Problem(
            architecture,
            new ImportanceScores(neurons, headScores),
            new KeepFloors(floors.Item1, floors.Item2),
            new LatencyTable(Latencies.Conditions(architecture), 1000, Curve(attentionTimes), Curve(mlpTimes)));

    private static readonly Gen<CostUnit> Units = Gen.Enum<CostUnit>();

    private static readonly Gen<PlanOptions> Hows =
        from allocation in Gen.Enum<Allocation>()
        from align in Gen.OneOf(Gen.Const(1), Gen.Int[1, 4], Gen.Const(8), Gen.Const(16))
        select new PlanOptions { Allocation = allocation, Align = align };

    /// <summary>What one structure more may take: nothing, next to nothing, or much.</summary>
    private static Gen<double> Time => Gen.OneOf(Gen.Const(0.0), Gen.Const(1e-3), Gen.Double[0, 5000]);

    private static Gen<double> Share01 => Gen.OneOf(Gen.Const(0.0), Gen.Const(1.0), Gen.Double[0, 1]);

    private delegate ReadOnlySpan<T> OfBlock<T>(int block);

    [Fact]
    public void Ratios_remove_exactly_what_they_say_and_the_lowest_scores_above_the_floors() => Gen.Select(Problems, Share01, Share01).Sample(
        (problem, mlp, heads) =>
        {
            (ViTArchitecture a, ImportanceScores scores, KeepFloors floors, _) = problem;
            int neuronsOff = (int)(a.Depth * a.MlpDim * mlp), headsOff = (int)(a.Depth * a.Heads * heads);
            int neuronFloor = floors.Neurons(a.MlpDim), headFloor = floors.Heads(a.Heads);
            SubnetPlanner planner = problem.Planner();
            if (neuronsOff > a.Depth * (a.MlpDim - neuronFloor) || headsOff > a.Depth * (a.Heads - headFloor))
            {
                Assert.Throws<BudgetException>(() => planner.Plan(Budget.Ratios(mlp, heads)));
                return;
            }

            SubnetPlan plan = planner.Plan(Budget.Ratios(mlp, heads));
            Assert.Equal((a.Depth * a.MlpDim) - neuronsOff, plan.Widths.TotalNeurons);
            Assert.Equal((a.Depth * a.Heads) - headsOff, plan.Widths.TotalHeads);
            Assert.Equal(CostModel.Parameters(a, plan.Widths), plan.Parameters);
            Assert.Equal(CostModel.Flops(a, plan.Widths), plan.Flops);
            LowestRemoved([.. plan.Widths.Select(block => block.Neurons)], neuronFloor, planner.Order.Neurons, scores.Neurons);
            LowestRemoved([.. plan.Widths.Select(block => block.Heads)], headFloor, planner.Order.Heads, scores.Heads);
        },
        iter: 1000);

    [Fact]
    public void Plans_by_cost_keep_the_budget_and_one_step_more_would_not() => Gen.Select(Problems, Units, Gen.Double[0.01, 1], Hows).Sample(
        (problem, unit, share, how) =>
        {
            ViTArchitecture a = problem.Architecture;
            PlanOptions options = how with { Latency = problem.Latency };
            SubnetPlanner planner = problem.Planner();
            RemovalOrder order = planner.RemovalsBy(unit, options);
            long full = Cost(a.FullWidths), least = Cost(order.Widths(a, order.Length)), most = (long)(full * share);
            if (least > most)
            {
                string message = Assert.Throws<BudgetException>(() => planner.Plan(Share(unit, share), options)).Message;
                Assert.Matches("at most .* asked for, but the floors of the blocks.* allow no (fewer|less) than .*, a share of [01][.]", message);
                if (unit is CostUnit.Flops or CostUnit.Parameters)
                {
                    Assert.Contains($"at most {most} asked for", message, StringComparison.Ordinal);
                    Assert.Contains($"no fewer than {least},", message, StringComparison.Ordinal);
                }

                return;
            }

            SubnetPlan plan = planner.Plan(Share(unit, share), options);
            Assert.InRange(Cost(plan.Widths), 0, most);
            Assert.Equal(plan.Widths, planner.Plan(new Budget.Most(unit, most), options).Widths);
            int steps = Enumerable.Range(0, order.Length + 1).First(taken => order.Widths(a, taken).Equals(plan.Widths));
            Assert.True(steps == 0 || Cost(order.Widths(a, steps - 1)) > most);

            long Cost(SubnetWidths widths) => unit switch
            {
                CostUnit.Flops => CostModel.Flops(a, widths),
                CostUnit.Parameters => CostModel.Parameters(a, widths),
                CostUnit.FileBytes => ModelFileBytes.Of(a, widths),
                _ => problem.Latency.Predict(widths),
            };
        },
        iter: 1000);

    [Fact]
    public void Every_removal_order_takes_each_block_step_by_step_down_to_its_floors() => Gen.Select(Problems, Units, Hows).Sample(
        (problem, unit, how) =>
        {
            (ViTArchitecture a, _, KeepFloors floors, LatencyTable latency) = problem;
            int[] neurons = [.. Enumerable.Repeat(a.MlpDim, a.Depth)], heads = [.. Enumerable.Repeat(a.Heads, a.Depth)];
            int group = AlignedOrder.Heads(a, how.Align);
            foreach (RemovalStep step in problem.Planner().RemovalsBy(unit, how with { Latency = latency }).Steps)
            {
                int left = (step.OfHeads ? heads : neurons)[step.Block] -= step.Count;
                Assert.Equal(0, left % (step.OfHeads ? group : how.Align));
            }

            Assert.All(neurons, left => Assert.InRange(left, floors.Neurons(a.MlpDim), Math.Min(a.MlpDim, floors.Neurons(a.MlpDim) + how.Align - 1)));
            Assert.All(heads, left => Assert.InRange(left, floors.Heads(a.Heads), Math.Min(a.Heads, floors.Heads(a.Heads) + group - 1)));
        },
        iter: 500);

    [Fact]
    public void Aligned_ratios_remove_at_least_what_they_say_and_not_a_step_more() => Gen.Select(Problems, Share01, Share01, Hows).Sample(
        (problem, mlp, heads, how) =>
        {
            ViTArchitecture a = problem.Architecture;
            int neuronsOff = (int)(a.Depth * a.MlpDim * mlp), headsOff = (int)(a.Depth * a.Heads * heads);
            if (Possible(problem.Planner(), Budget.Ratios(mlp, heads), how) is SubnetWidths widths)
            {
                Assert.InRange((a.Depth * a.MlpDim) - widths.TotalNeurons, neuronsOff, neuronsOff + how.Align - 1);
                Assert.InRange((a.Depth * a.Heads) - widths.TotalHeads, headsOff, headsOff + AlignedOrder.Heads(a, how.Align) - 1);
            }
        },
        iter: 500);

    [Fact]
    public void Tighter_budgets_give_nested_plans() => Gen.Select(Problems, Share01.Array[6], Hows).Sample(
        (problem, shares, how) =>
        {
            SubnetPlanner planner = problem.Planner();
            Func<double, Budget>[] kinds = [.. Enum.GetValues<CostUnit>().Select(unit => (Func<double, Budget>)(kept => Share(unit, kept))), kept => Budget.Ratios(1 - kept, 1 - kept)];
            foreach (Func<double, Budget> kind in kinds)
            {
                SubnetWidths wider = problem.Architecture.FullWidths;
                foreach (double share in shares.Where(share => share > 0).OrderDescending())
                {
                    if (Possible(planner, kind(share), how with { Latency = problem.Latency }) is SubnetWidths widths)
                    {
                        Assert.All(widths.Zip(wider), pair => Assert.True(pair.First.Heads <= pair.Second.Heads && pair.First.Neurons <= pair.Second.Neurons));
                        wider = widths;
                    }
                }
            }
        },
        iter: 500);

    [Fact]
    public void Shared_by_score_no_removed_group_of_structures_is_worth_more_per_cost_than_a_kept_one() => Gen.Select(Problems, Gen.Double[0.1, 1]).Sample(
        (problem, share) =>
        {
            ViTArchitecture a = problem.Architecture;
            SubnetPlanner planner = problem.Planner();
            PlanOptions joint = new() { Allocation = Allocation.Joint };
            if (Possible(planner, Budget.Flops(share), joint) is not SubnetWidths widths)
            {
                return;
            }

            // By FLOPs all neurons cost the same, and all heads, so that no groups form and every structure has a rate of its own.
            List<double> removed = [], kept = [];
            for (int block = 0; block < a.Depth; block++)
            {
                Rate(planner.Order.Neurons(block), problem.Scores.Neurons(block), problem.Floors.Neurons(a.MlpDim), widths[block].Neurons, CostModel.NeuronFlops(a));
                Rate(planner.Order.Heads(block), problem.Scores.Heads(block), problem.Floors.Heads(a.Heads), widths[block].Heads, CostModel.HeadFlops(a));
            }

            Assert.True(removed.Count == 0 || kept.Count == 0 || removed.Max() <= kept.Min() * (1 + 1e-12), $"removed {removed.DefaultIfEmpty().Max()}, kept {kept.DefaultIfEmpty().Min()}");

            void Rate(ReadOnlySpan<int> order, ReadOnlySpan<double> scores, int floor, int width, double cost)
            {
                for (int rank = floor; rank < order.Length; rank++)
                {
                    (rank < width ? kept : removed).Add(scores[order[rank]] / cost);
                }
            }
        },
        iter: 500);

    private static Budget Share(CostUnit unit, double share) => unit switch
    {
        CostUnit.Flops => Budget.Flops(share),
        CostUnit.Parameters => Budget.Parameters(share),
        CostUnit.FileBytes => Budget.FileSize(share),
        _ => Budget.Latency(share),
    };

    private static SubnetWidths? Possible(SubnetPlanner planner, Budget budget, PlanOptions? how = null)
    {
        try
        {
            return planner.Plan(budget, how).Widths;
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

    private static LatencyCurve Curve(double[] steps)
    {
        double total = 0;
        return new LatencyCurve(steps.Select((step, width) => (width, total += step)));
    }

    private sealed record Problem(ViTArchitecture Architecture, ImportanceScores Scores, KeepFloors Floors, LatencyTable Latency)
    {
        public SubnetPlanner Planner() => new(Architecture, Scores, Floors);
    }
}
