using CsCheck;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Planning;

public sealed class FrontierPathTests
{
    private static readonly ViTArchitecture Small = new()
    {
        Depth = 3, EmbedDim = 16, Heads = 4, HeadDim = 8, MlpDim = 40, PatchSize = 8, ImageSize = 48,
    };

    /// <summary>Slices that shrink on every axis at random, each within the one before.</summary>
    private static readonly Gen<Frontier> Frontiers = Gen.Int[0, 3].Array[3].Array[5].Array[1, 6].Select(steps =>
    {
        List<FrontierSlice> slices = [new(Small.FullWidths, 0)];
        foreach (int[][] step in steps)
        {
            slices.Add(new FrontierSlice(Shrunk(slices[^1].Widths, step), slices[^1].Distance + 0.1));
        }

        return new Frontier(slices);
    });

    [Fact]
    public void Every_plan_fits_the_model_and_is_within_the_one_before() => Frontiers.Sample(frontier =>
    {
        foreach (int align in new[] { 1, 8 })
        {
            FrontierPath path = new(frontier, [], align);
            SubnetWidths wider = Small.FullWidths;
            for (int steps = 0; steps <= path.Length; steps++)
            {
                SubnetWidths widths = path.Widths(Small, steps);
                widths.RequireFit(Small);
                Assert.All(widths.Zip(wider), pair => Assert.All(AxisTable.Rows, row => Assert.True(pair.First[row.Axis] <= pair.Second[row.Axis])));
                wider = widths;
            }
        }
    });

    [Fact]
    public void A_path_goes_through_its_slices_and_leaves_whole_what_is_to_stay() => Frontiers.Sample(frontier =>
    {
        FrontierPath path = new(frontier, [], align: 1), whole = new(frontier, [Axis.Tokens, Axis.QueryKeyDims], align: 1);
        for (int slice = 0; slice < frontier.Slices.Count; slice++)
        {
            int steps = slice * (path.Length / Math.Max(1, frontier.Slices.Count - 1));
            Assert.Equal(frontier.Slices[slice].Widths, path.Widths(Small, steps));
            Assert.Equal(frontier.Slices[slice].Distance, path.Distance(steps)!.Value, 1e-12);
            Assert.All(whole.Widths(Small, steps), block => Assert.Equal((Small.Tokens, Small.HeadDim), (block[Axis.Tokens], block[Axis.QueryKeyDims])));
        }
    });

    [Fact]
    public void Rotary_positions_keep_pairs_of_dimensions_on_the_whole_path() => Frontiers.Sample(frontier =>
    {
        ViTArchitecture rotary = Small with { Position = PositionEmbedding.Rotary };
        Frontier even = new([.. frontier.Slices.Select(slice => slice with
        {
            Widths = new SubnetWidths(slice.Widths.Select(block => block.With(Axis.QueryKeyDims, (block[Axis.QueryKeyDims] + 1) / 2 * 2))),
        })]);
        FrontierPath path = new(even, [], align: 1);
        Assert.All(Enumerable.Range(0, path.Length + 1), steps => path.Widths(rotary, steps).RequireFit(rotary));
    });

    [Fact]
    public void A_budget_is_kept_and_the_same_budget_gives_the_same_plan() => Gen.Select(Frontiers, Gen.Double[0.05, 1]).Sample((frontier, share) =>
    {
        ImportanceScores scores = new(new double[3, 40], new double[3, 4]);
        Dictionary<CostUnit, Frontier> frontiers = new() { [CostUnit.Flops] = frontier };
        SubnetPlanner planner = new(Small, scores, new KeepFloors(), frontiers);
        try
        {
            SubnetPlan plan = planner.Plan(Budget.Flops(share));
            Assert.True(plan.Flops <= share * CostModel.Flops(Small, Small.FullWidths));
            Assert.Equal(plan.Widths, new SubnetPlanner(Small, scores, new KeepFloors(), frontiers).Plan(Budget.Flops(share)).Widths);
        }
        catch (BudgetException)
        {
            Assert.True(CostModel.Flops(Small, frontier.Slices[^1].Widths) > (long)(share * CostModel.Flops(Small, Small.FullWidths)));
        }
    });

    private static SubnetWidths Shrunk(SubnetWidths widths, int[][] step)
    {
        List<BlockWidths> blocks = [];
        int into = Small.Tokens;
        for (int block = 0; block < widths.Count; block++)
        {
            BlockWidths kept = widths[block];
            foreach (AxisFacts row in AxisTable.Rows.Where(row => row.Axis != Axis.Tokens))
            {
                kept = kept.With(row.Axis, Math.Max(1, kept[row.Axis] - step[(int)row.Axis][block]));
            }

            int wanted = Math.Min(into, kept[Axis.Tokens] - step[(int)Axis.Tokens][block]);
            into = block == widths.Count - 1
                ? kept[Axis.Tokens] == Small.PooledTokens || step[(int)Axis.Tokens][block] > 1 ? Small.PooledTokens : into
                : Math.Max(wanted, SubnetWidths.FewestTokens(Small, into));
            blocks.Add(kept.With(Axis.Tokens, into));
        }

        return new SubnetWidths(blocks);
    }
}
