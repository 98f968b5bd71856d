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
            Latencies.Of(architecture, 1000, Curve(attentionTimes), Curve(mlpTimes)));

    private static readonly Gen<CostUnit> Units = Gen.Enum<CostUnit>();

    private static readonly Gen<PlanOptions> Hows =
        from allocation in Gen.OneOf(Gen.Const(Allocation.Automatic), Gen.Const(Allocation.Pools), Gen.Const(Allocation.Joint), Gen.Const(Allocation.JointBalanced))
        from align in Gen.OneOf(Gen.Const(1), Gen.Int[1, 4], Gen.Const(8), Gen.Const(16))
        select new PlanOptions { Allocation = allocation, Align = align };

    /// <summary>What one structure more may take: nothing, next to nothing, or much.</summary>
    private static Gen<double> Time => Gen.OneOf(Gen.Const(0.0), Gen.Const(1e-3), Gen.Double[0, 5000]);

    private static Gen<double> Share01 => Gen.OneOf(Gen.Const(0.0), Gen.Const(1.0), Gen.Double[0, 1]);

    private static Gen<PruningRatios> Ratios => Share01.Array[AxisTable.Rows.Count].Select(
        shares => AxisTable.InPaperOrder.Aggregate(default(PruningRatios), (ratios, row) => ratios.With(row.Axis, shares[(int)row.Axis])));

    [Fact]
    public void Ratios_remove_exactly_what_they_say_and_the_lowest_scores_above_the_floors() => Gen.Select(Problems, Ratios).Sample(
        (problem, ratios) =>
        {
            ViTArchitecture a = problem.Architecture;
            SubnetPlanner planner = problem.Planner();
            if (AxisTable.InPaperOrder.Any(row => problem.Asked(ratios, row) > a.Depth * (row.Count(a) - problem.Floor(row))))
            {
                Assert.Throws<BudgetException>(() => planner.Plan(Budget.Ratios(ratios)));
                return;
            }

            SubnetPlan plan = planner.Plan(Budget.Ratios(ratios));
            Assert.Equal(CostModel.Parameters(a, plan.Widths), plan.Parameters);
            Assert.Equal(CostModel.Flops(a, plan.Widths), plan.Flops);
            foreach (AxisFacts row in AxisTable.InPaperOrder)
            {
                Assert.Equal((a.Depth * row.Count(a)) - problem.Asked(ratios, row), plan.Widths.Total(row.Axis));
                LowestRemoved(row.Axis, plan.Widths, problem, planner.Order);
            }
        },
        iter: 1000);

    [Fact]
    public void The_same_problem_gives_the_same_plan() => Gen.Select(Problems, Units, Gen.Double[0.1, 1], Hows).Sample(
        (problem, unit, share, how) =>
        {
            PlanOptions options = how with { Latency = problem.Latency };
            Assert.Equal(Possible(problem.Planner(), Share(unit, share), options), Possible(problem.Planner(), Share(unit, share), options));
        },
        iter: 200);

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
            ViTArchitecture a = problem.Architecture;
            Dictionary<(int Block, Axis Axis), int> left = [];
            foreach (RemovalStep step in problem.Planner().RemovalsBy(unit, how with { Latency = problem.Latency }).Steps)
            {
                int before = left.GetValueOrDefault((step.Block, step.Axis), AxisTable.Of(step.Axis).Count(a));
                left[(step.Block, step.Axis)] = before - step.Count;
                Assert.Equal(0, (before - step.Count) % AlignedOrder.Multiple(a, how.Align, step.Axis));
            }

            foreach (AxisFacts row in AxisTable.InPaperOrder)
            {
                int count = row.Count(a), floor = problem.Floor(row), most = Math.Min(count, floor + AlignedOrder.Multiple(a, how.Align, row.Axis) - 1);
                Assert.All(Enumerable.Range(0, a.Depth), block => Assert.InRange(left.GetValueOrDefault((block, row.Axis), count), floor, most));
            }
        },
        iter: 500);

    [Fact]
    public void Aligned_ratios_remove_at_least_what_they_say_and_not_a_step_more() => Gen.Select(Problems, Ratios, Hows).Sample(
        (problem, ratios, how) =>
        {
            ViTArchitecture a = problem.Architecture;
            if (Possible(problem.Planner(), Budget.Ratios(ratios), how) is SubnetWidths widths)
            {
                Assert.All(AxisTable.InPaperOrder, row => Assert.InRange(
                    (a.Depth * row.Count(a)) - widths.Total(row.Axis),
                    problem.Asked(ratios, row), problem.Asked(ratios, row) + AlignedOrder.Multiple(a, how.Align, row.Axis) - 1));
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
                        Assert.All(widths.Zip(wider), pair => Assert.All(AxisTable.Rows, row => Assert.True(pair.First[row.Axis] <= pair.Second[row.Axis])));
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

            // By FLOPs all units of an axis cost the same, so that no groups form and every unit has a rate of its own.
            List<double> removed = [], kept = [];
            for (int block = 0; block < a.Depth; block++)
            {
                foreach (AxisFacts row in AxisTable.InPaperOrder)
                {
                    Rate(
                        planner.Order.Of(row.Axis, block), problem.Scores.Of(row.Axis, block),
                        problem.Floor(row), widths[block][row.Axis], CostModel.UnitFlops(a, row.Axis));
                }
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

    /// <summary>Every block keeps its floor, and no removed unit beats one that is kept beyond the floors: by score, then by position.</summary>
    private static void LowestRemoved(Axis axis, SubnetWidths widths, Problem problem, ImportanceOrder order)
    {
        int floor = problem.Floor(AxisTable.Of(axis));
        List<(double Score, int Block, int Index)> removed = [], spared = [];
        for (int block = 0; block < widths.Count; block++)
        {
            Assert.True(widths[block][axis] >= floor);
            for (int rank = floor; rank < order.Of(axis, block).Length; rank++)
            {
                int index = order.Of(axis, block)[rank];
                (rank < widths[block][axis] ? spared : removed).Add((problem.Scores.Of(axis, block)[index], -block, -index));
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

        public int Floor(AxisFacts row) => Floors.Kept(row.Axis, row.Count(Architecture));

        public int Asked(PruningRatios ratios, AxisFacts row) => (int)(Architecture.Depth * row.Count(Architecture) * ratios[row.Axis]);
    }
}
