using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Tests.Planning;

public sealed class SubnetPlannerGoldenTests
{
    private const string Tie = "the reference removes every score equal to the last one it has to remove, more than asked";
    private const string LostFloor = "the floors leave 32 of 40 to remove: the reference then keeps nothing in any block, here it is an error";

    /// <summary>The cases in which the reference's elastic rule is at fault (method.md, section 4), and why.</summary>
    private static readonly Dictionary<(string Name, double Ratio, double Floor), string> Faults = new()
    {
        [("distinct", 0.85, 0.2)] = LostFloor, [("distinct", 0.95, 0.2)] = LostFloor,
        [("ties", 0.85, 0.2)] = LostFloor, [("ties", 0.95, 0.2)] = LostFloor,
        [("zeros", 0.85, 0.2)] = LostFloor, [("zeros", 0.95, 0.2)] = LostFloor,
        [("zeros", 0.1, 0)] = Tie, [("zeros", 0.1, 0.2)] = Tie,
        [("ties", 0.1, 0)] = Tie, [("ties", 0.1, 0.2)] = Tie, [("ties", 0.25, 0)] = Tie, [("ties", 0.25, 0.2)] = Tie,
        [("ties", 0.35, 0)] = Tie, [("ties", 0.35, 0.2)] = Tie, [("ties", 0.5, 0)] = Tie, [("ties", 0.5, 0.2)] = Tie,
        [("ties", 0.75, 0.2)] = Tie, [("ties", 0.8, 0)] = Tie, [("ties", 0.85, 0)] = Tie, [("ties", 0.95, 0)] = Tie,
    };

    // golden/<family>/prune.json: ElasticViT of the reference (commit 2ed5f79), floors 0.05 and 0.2, the six pairs of the paper.
    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void Kept_structures_and_costs_are_the_references(string family)
    {
        ViTArchitecture architecture = GoldenFamily.Architecture(family);
        SubnetPlanner planner = new(architecture, GoldenFamily.Scores(family), new KeepFloors());
        using JsonDocument json = GoldenFamily.Json(family, "prune.json");
        JsonElement[] cases = [.. json.RootElement.GetProperty("ratios").EnumerateArray()];
        Assert.Equal(PruningRatios.Paper, cases.Select(entry => new PruningRatios(entry.GetProperty("mlp_ratio").GetDouble(), entry.GetProperty("head_ratio").GetDouble())));
        foreach ((PruningRatios pair, JsonElement elastic) in PruningRatios.Paper.Zip(cases.Select(entry => entry.GetProperty("elastic"))))
        {
            SubnetPlan plan = planner.Plan(Budget.Ratios(pair));
            for (int block = 0; block < architecture.Depth; block++)
            {
                Assert.Equal(Integers(elastic.GetProperty("mlp_kept")[block]), Sorted(planner.Order.Of(Axis.Neurons, block)[..plan.Widths[block][Axis.Neurons]]));
                Assert.Equal(Integers(elastic.GetProperty("head_kept")[block]), Sorted(planner.Order.Of(Axis.Heads, block)[..plan.Widths[block][Axis.Heads]]));
            }

            Assert.Equal(Integers(elastic.GetProperty("mlp_keep_counts")), plan.Widths.Select(block => block[Axis.Neurons]));
            Assert.Equal(Integers(elastic.GetProperty("head_keep_counts")), plan.Widths.Select(block => block[Axis.Heads]));
            Assert.Equal(elastic.GetProperty("params").GetInt64() - GoldenFamily.MaskToken(family), plan.Parameters);
            Assert.Equal(elastic.GetProperty("flops").GetInt64(), CostModel.Flops(architecture, plan.Widths, FlopConvention.Reference));
        }
    }

    // golden/ranking_unit.json: the reference's elastic rule on 4 x 10 scores, distinct, tied and with zeros; here as neurons and as heads.
    [Fact]
    public void Keep_counts_are_the_references_wherever_its_rule_has_no_fault()
    {
        using JsonDocument json = GoldenFamily.Json("ranking_unit.json");
        HashSet<(string, double, double)> differing = [];
        foreach (JsonElement entry in json.RootElement.EnumerateArray())
        {
            (string Name, double Ratio, double Floor) key =
                (entry.GetProperty("name").GetString()!, entry.GetProperty("ratio").GetDouble(), entry.GetProperty("min_keep_ratio").GetDouble());
            int[] reference = Integers(entry.GetProperty("elastic_keep_counts"));
            int[]? found = KeepCounts(Scores(entry.GetProperty("scores")), key.Ratio, key.Floor);
            Assert.Equal(Faults.GetValueOrDefault(key) == LostFloor, found is null);
            if (found is not null)
            {
                Assert.Equal(40 - (int)(40 * key.Ratio), found.Sum());
            }

            if (found is null || !found.SequenceEqual(reference))
            {
                Assert.True(reference.Sum() < 40 - (int)(40 * key.Ratio), $"{key}: the reference removes no more than asked, so the difference is no fault of its");
                differing.Add(key);
            }
        }

        Assert.Equal(Faults.Keys.Order(), differing.Order());
    }

    private static int[]? KeepCounts(double[,] scores, double ratio, double floor)
    {
        ViTArchitecture architecture = new() { Depth = 4, EmbedDim = 40, Heads = 10, HeadDim = 4, MlpDim = 10, PatchSize = 8, ImageSize = 32 };
        SubnetPlanner planner = new(architecture, new ImportanceScores(scores, scores), new KeepFloors(floor, floor));
        try
        {
            SubnetWidths widths = planner.Plan(Budget.Ratios(ratio, ratio)).Widths;
            Assert.Equal(widths.Select(block => block[Axis.Neurons]), widths.Select(block => block[Axis.Heads]));
            return [.. widths.Select(block => block[Axis.Neurons])];
        }
        catch (BudgetException)
        {
            return null;
        }
    }

    private static double[,] Scores(JsonElement rows)
    {
        double[,] scores = new double[rows.GetArrayLength(), rows[0].GetArrayLength()];
        for (int block = 0; block < scores.GetLength(0); block++)
        {
            for (int i = 0; i < scores.GetLength(1); i++)
            {
                scores[block, i] = rows[block][i].GetDouble();
            }
        }

        return scores;
    }

    private static int[] Integers(JsonElement array) => [.. array.EnumerateArray().Select(element => element.GetInt32())];

    private static int[] Sorted(ReadOnlySpan<int> indices) => [.. indices.ToArray().Order()];
}
