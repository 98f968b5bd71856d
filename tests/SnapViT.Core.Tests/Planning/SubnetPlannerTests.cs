using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Planning;

public sealed class SubnetPlannerTests
{
    private static readonly ViTArchitecture Small = new() { Depth = 3, EmbedDim = 16, Heads = 5, HeadDim = 4, MlpDim = 40, PatchSize = 8, ImageSize = 32 };

    private static readonly KeepFloors NoFloors = new(0, 0);

    // The paper's and the reference's figures of DINO ViT-B/16: they depend on the totals removed alone, so any scores without ties give them.
    [Theory]
    [InlineData(0, 0, 85_798_656, 35_142_885_936)]
    [InlineData(0.15, 0, 77_300_583, 31_796_823_600)]
    [InlineData(0.25, 0.1, 68_878_464, 28_340_299_030)]
    [InlineData(0.35, 0.2, 60_457_882, 24_884_379_644)]
    [InlineData(0.45, 0.3, 51_840_500, 21_340_945_175)]
    [InlineData(0.55, 0.4, 43_418_381, 17_884_420_605)]
    [InlineData(0.65, 0.5, 34_800_999, 14_340_986_136)]
    public void Vit_b_costs_what_the_paper_says(double mlp, double heads, long parameters, long flops)
    {
        ViTArchitecture dino = new() { Depth = 12, EmbedDim = 768, Heads = 12, HeadDim = 64, MlpDim = 3072, PatchSize = 16, ImageSize = 224 };
        SubnetPlan plan = new SubnetPlanner(dino, RandomScores(dino), new KeepFloors()).Plan(Budget.Ratios(mlp, heads));
        Assert.Equal((parameters, flops), (plan.Parameters, plan.Flops));
        Assert.Equal(flops, CostModel.Flops(dino, plan.Widths, FlopConvention.Reference));
        Assert.Equal(mlp, plan.Removed[Axis.Neurons], 1e-4);
        Assert.Equal(heads, plan.Removed[Axis.Heads], 1.0 / 144);
    }

    [Fact]
    public void Counts_take_the_integer_product_first()
    {
        // 40 * 6144 * 0.35 is 86016, 6144 * 0.35 * 40 rounds to 86015 (SigLIP2 gopt).
        ViTArchitecture giant = new() { Depth = 40, EmbedDim = 1536, Heads = 16, HeadDim = 96, MlpDim = 6144, PatchSize = 16, ImageSize = 256 };
        SubnetPlan plan = new SubnetPlanner(giant, RandomScores(giant), new KeepFloors()).Plan(Budget.Ratios(0.35, 0.2));
        Assert.Equal((40 * 6144) - 86_016, plan.Widths.Total(Axis.Neurons));
        Assert.Equal(640 - 128, plan.Widths.Total(Axis.Heads));
    }

    [Fact]
    public void Every_form_of_the_whole_is_the_whole_model()
    {
        SubnetPlanner planner = new(Small, RandomScores(Small), new KeepFloors());
        foreach (Budget whole in new[]
        {
            Budget.Whole, Budget.Flops(1), Budget.Parameters(1), Budget.Ratios(0, 0), Budget.AbsoluteFlops(long.MaxValue),
            Budget.AbsoluteParameters(CostModel.Parameters(Small, Small.FullWidths)),
        })
        {
            SubnetPlan plan = planner.Plan(whole);
            Assert.Equal(Small.FullWidths, plan.Widths);
            Assert.Equal(new PruningRatios(0, 0), plan.Removed);
            Assert.Same(Small, plan.Architecture);
        }
    }

    [Fact]
    public void Impossible_budgets_give_what_was_asked_and_what_is_possible()
    {
        SubnetPlanner planner = new(Small, RandomScores(Small), new KeepFloors(0.5, 0.4));
        SubnetWidths least = SubnetWidths.Uniform(3, Widths.Block(2, 20)).In(Small);
        long flops = CostModel.Flops(Small, least), parameters = CostModel.Parameters(Small, least);
        Assert.Equal("neurons: a ratio of 0.6 removes 72, but the floors of the blocks leave only 60 to remove", Refused(Budget.Ratios(0.6, 0)));
        Assert.Equal("heads: a ratio of 0.8 removes 12, but the floors of the blocks leave only 9 to remove", Refused(Budget.Ratios(0.5, 0.8)));
        Assert.Equal($"FLOPs: at most {flops - 1} asked for, but the floors of the blocks allow no fewer than {flops}", Refused(Budget.AbsoluteFlops(flops - 1)));
        Assert.Equal($"parameters: at most {parameters - 1} asked for, but the floors of the blocks allow no fewer than {parameters}", Refused(Budget.AbsoluteParameters(parameters - 1)));
        Assert.Contains("at most -5 asked for", Refused(Budget.AbsoluteFlops(-5)), StringComparison.Ordinal);
        Assert.Contains("at most 0 asked for", Refused(Budget.Parameters(1e-9)), StringComparison.Ordinal);

        foreach (Budget budget in new[] { Budget.Ratios(0.5, 0.6), Budget.AbsoluteFlops(flops), Budget.AbsoluteParameters(parameters) })
        {
            Assert.Equal(least, planner.Plan(budget).Widths);
        }

        string Refused(Budget budget) => Assert.Throws<BudgetException>(() => planner.Plan(budget)).Message;
    }

    [Fact]
    public void Impossible_sizes_latencies_and_shares_give_a_figure_that_can_be_asked_for()
    {
        SubnetPlanner planner = new(Small, RandomScores(Small), new KeepFloors(0.5, 0.4));
        SubnetWidths least = SubnetWidths.Uniform(3, Widths.Block(2, 20)).In(Small);
        PlanOptions timed = new() { Latency = Latencies.Linear(Small) };
        long bytes = ModelFileBytes.Of(Small, least);
        Assert.Equal(
            $"size: at most 1000 bytes asked for, but the floors of the blocks allow no fewer than {bytes} bytes ({Math.Ceiling(bytes / 1e4) / 100:0.00} MB)",
            Refused(Budget.AbsoluteFileSize(1000)));
        Assert.Equal("latency: at most 0.001 ms asked for, but the floors of the blocks allow no less than 0.002 ms", Refused(Budget.ParseLatency("1us")));
        Assert.Equal(
            "latency: at most 0.001 ms asked for, but the floors of the blocks, aligned to 16, allow no less than 0.002 ms, a share of 0.9439",
            Refused(Budget.Latency(0.9), timed with { Align = 16 }));
        Assert.EndsWith(", a share of 0.5631", Refused(Budget.Flops(0.1)), StringComparison.Ordinal);
        Assert.Equal("latency: expected a table measured on this machine to plan by, found none", Assert.Throws<BudgetException>(() => planner.Plan(Budget.Latency(0.9))).Message);
        Assert.Equal(least, planner.Plan(Budget.AbsoluteFileSize(bytes)).Widths);
        Assert.Equal(least, planner.Plan(Budget.Flops(0.5631)).Widths);
        Assert.Contains(
            "another", Assert.Throws<SnapViTException>(() => planner.Plan(Budget.Latency(0.9), new() { Latency = Latencies.Linear(Small with { Heads = 4 }) })).Message, StringComparison.Ordinal);

        string Refused(Budget budget, PlanOptions? how = null) => Assert.Throws<BudgetException>(() => planner.Plan(budget, how ?? timed)).Message;
    }

    [Fact]
    public void A_joint_order_takes_what_is_worth_least_per_cost()
    {
        double[,] neurons = new double[3, 40], heads = new double[3, 5];
        Fill(neurons, 10 * CostModel.UnitFlops(Small, Axis.Neurons));
        Fill(heads, 10 * CostModel.UnitFlops(Small, Axis.Heads));
        heads[1, 3] = 9 * CostModel.UnitFlops(Small, Axis.Heads);
        neurons[2, 7] = 8 * CostModel.UnitFlops(Small, Axis.Neurons);
        SubnetPlanner planner = new(Small, new ImportanceScores(neurons, heads), NoFloors);
        IReadOnlyList<RemovalStep> steps = planner.RemovalsBy(CostUnit.Flops, new() { Allocation = Allocation.Joint }).Steps;
        Assert.Equal([new(2, Axis.Neurons), new(1, Axis.Heads)], steps.Take(2));

        // By parameters a head is cheaper than by FLOPs, so that the same scores are worth more.
        Assert.True(CostModel.UnitFlops(Small, Axis.Heads) / (double)CostModel.UnitFlops(Small, Axis.Neurons) > CostModel.UnitParameters(Small, Axis.Heads) / (double)CostModel.UnitParameters(Small, Axis.Neurons));
        Assert.Equal(120, planner.RemovalsBy(CostUnit.Parameters, new() { Allocation = Allocation.Joint }).Steps.TakeWhile(step => step.Axis == Axis.Neurons).Count());
    }

    [Fact]
    public void Pools_on_scales_of_their_own_are_brought_to_one_before_they_are_joined()
    {
        ImportanceScores scores = RandomScores(Small);
        double[,] heads = new double[3, 5];
        for (int i = 0; i < heads.Length; i++)
        {
            heads[i / 5, i % 5] = scores.Of(Axis.Heads, i / 5)[i % 5] * 1e-9;
        }

        double[,] neurons = new double[3, 40];
        for (int i = 0; i < neurons.Length; i++)
        {
            neurons[i / 40, i % 40] = scores.Of(Axis.Neurons, i / 40)[i % 40];
        }

        SubnetPlanner small = new(Small, new ImportanceScores(neurons, heads), NoFloors), same = new(Small, scores, NoFloors);
        PlanOptions balanced = new() { Allocation = Allocation.JointBalanced }, joint = new() { Allocation = Allocation.Joint };
        Assert.Equal(same.RemovalsBy(CostUnit.Flops, balanced).Steps, small.RemovalsBy(CostUnit.Flops, balanced).Steps);
        Assert.True(small.RemovalsBy(CostUnit.Flops, joint).Steps.Take(15).All(step => step.Axis == Axis.Heads));
    }

    [Fact]
    public void By_latency_structures_that_only_together_save_time_go_together()
    {
        // 40 neurons in kernels of 8: a block saves nothing until it has lost eight of them.
        LatencyTable steps = Latencies.Of(
            Small, 0, new LatencyCurve([(0, 0), (5, 1e9)]),
            new LatencyCurve(Enumerable.Range(0, 41).Select(width => (width, Math.Ceiling(width / 8.0) * 100))));
        SubnetPlanner planner = new(Small, RandomScores(Small), NoFloors);
        PlanOptions how = new() { Allocation = Allocation.Joint, Latency = steps };
        RemovalStep[] order = [.. planner.RemovalsBy(CostUnit.Nanoseconds, how).Steps.Where(step => step.Axis == Axis.Neurons)];
        Assert.All(order.Chunk(8), chunk => Assert.Single(chunk.Distinct()));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    public void Aligned_widths_are_multiples_or_all_there_is_and_keep_the_budget(int align)
    {
        ViTArchitecture odd = Small with { MlpDim = 45 };
        SubnetPlanner planner = new(odd, RandomScores(odd), new KeepFloors(0.3, 0));
        SubnetPlan free = planner.Plan(Budget.Parameters(0.7)), aligned = planner.Plan(Budget.Parameters(0.7), new() { Align = align });
        Assert.All(aligned.Widths, block => Assert.True(block[Axis.Neurons] % align == 0 || block[Axis.Neurons] == 45));
        Assert.All(aligned.Widths, block => Assert.True(block[Axis.Neurons] >= 13));
        Assert.Contains(free.Widths, block => block[Axis.Neurons] % align != 0);
        Assert.InRange(aligned.Parameters, free.Parameters - (2L * align * CostModel.UnitParameters(odd, Axis.Neurons)), 0.7 * CostModel.Parameters(odd, odd.FullWidths));

        // Heads of 4 go in groups that are as wide as the alignment; the fifth is what is beyond a multiple.
        Assert.All(aligned.Widths, block => Assert.True(block[Axis.Heads] * 4 % align == 0 || block[Axis.Heads] == 5));
        Assert.Equal(odd.FullWidths, planner.Plan(Budget.Whole, new() { Align = align }).Widths);
        Assert.Equal(1, AlignedOrder.Multiple(odd with { HeadDim = 88 }, 32, Axis.Heads));
        Assert.Equal(4, AlignedOrder.Multiple(odd with { HeadDim = 24 }, 32, Axis.Heads));
        Assert.Contains("align: expected 1 or more, found 0", Assert.Throws<SnapViTException>(() => planner.Plan(Budget.Whole, new() { Align = 0 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Equal_scores_are_removed_from_the_last_index_of_the_last_block_on()
    {
        SubnetPlanner planner = new(Small, Constant(1), NoFloors);
        SubnetPlan plan = planner.Plan(Budget.Ratios(0.5, 0.4));
        Assert.Equal(Widths.Of((5, 40), (4, 20), (0, 0)).In(Small), plan.Widths);
        Assert.Equal(Enumerable.Range(0, 40), planner.Order.Of(Axis.Neurons, 1).ToArray());
    }

    [Fact]
    public void Floors_hold_in_every_block_and_zero_floors_in_none()
    {
        double[,] neurons = new double[3, 40], heads = new double[3, 5];
        for (int i = 0; i < 40; i++)
        {
            (neurons[0, i], neurons[1, i], neurons[2, i]) = (i, 100 + i, 200 + i);
        }

        for (int i = 0; i < 5; i++)
        {
            (heads[0, i], heads[1, i], heads[2, i]) = (200 + i, i, 100 + i);
        }

        ImportanceScores scores = new(neurons, heads);
        Assert.Equal(Widths.Of((5, 2), (1, 38), (4, 40)).In(Small), new SubnetPlanner(Small, scores, new KeepFloors()).Plan(Budget.Ratios(40.0 / 120, 5.0 / 15)).Widths);
        Assert.Equal(Widths.Of((5, 0), (0, 40), (5, 40)).In(Small), new SubnetPlanner(Small, scores, NoFloors).Plan(Budget.Ratios(40.0 / 120, 5.0 / 15)).Widths);
        Assert.Equal(SubnetWidths.Uniform(3, default).In(Small), new SubnetPlanner(Small, scores, NoFloors).Plan(Budget.Ratios(1, 1)).Widths);
        Assert.Equal(Small.FullWidths, new SubnetPlanner(Small, scores, new KeepFloors(1, 1)).Plan(Budget.Whole).Widths);
    }

    [Fact]
    public void One_figure_removes_heads_fifteen_points_behind_neurons()
    {
        ViTArchitecture b = new() { Depth = 12, EmbedDim = 768, Heads = 12, HeadDim = 64, MlpDim = 3072, PatchSize = 16, ImageSize = 224 };
        SubnetPlanner planner = new(b, RandomScores(b), NoFloors);
        foreach (PruningRatios pair in PruningRatios.Paper)
        {
            PruningRatios removed = planner.Plan(Budget.AbsoluteFlops(planner.Plan(Budget.Ratios(pair)).Flops)).Removed;
            Assert.Equal(pair[Axis.Neurons], removed[Axis.Neurons], 0.01);
            Assert.Equal(pair[Axis.Heads], removed[Axis.Heads], 0.01);
        }
    }

    [Fact]
    public void Scores_of_another_architecture_and_impossible_floors_are_refused()
    {
        SnapViTException refusal = Assert.Throws<SnapViTException>(() => new SubnetPlanner(Small with { MlpDim = 41 }, Constant(1), NoFloors));
        Assert.Contains("expected 3 blocks of 41 neurons and 5 heads, found 3 of 40 and 5", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<SnapViTException>(() => new SubnetPlanner(Small, Constant(1), new KeepFloors(2, 0)));
        Assert.Throws<ArgumentNullException>(() => new SubnetPlanner(Small, Constant(1), NoFloors).Plan(null!));
    }

    private static ImportanceScores Constant(double score)
    {
        double[,] neurons = new double[3, 40], heads = new double[3, 5];
        Fill(neurons, score);
        Fill(heads, score);
        return new ImportanceScores(neurons, heads);
    }

    private static void Fill(double[,] scores, double score) =>
        System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref scores[0, 0], scores.Length).Fill(score);

    private static ImportanceScores RandomScores(ViTArchitecture a)
    {
        SeededRandom random = new(5);
        return new ImportanceScores(Matrix(a.MlpDim), Matrix(a.Heads));

        double[,] Matrix(int columns)
        {
            double[,] matrix = new double[a.Depth, columns];
            for (int i = 0; i < matrix.Length; i++)
            {
                matrix[i / columns, i % columns] = random.NextDouble();
            }

            return matrix;
        }
    }
}
