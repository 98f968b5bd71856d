using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;

namespace SnapViT.Tests.Elastic;

/// <summary>What sub-networks add to the one copy of the weights, counted in pieces of memory.</summary>
[LeakCheck]
public sealed class ElasticViTMemoryTests
{
    [Fact]
    public void Ten_uncorrected_budgets_take_the_memory_of_one()
    {
        using ElasticViT elastic = ElasticModels.Create(corrected: false);
        List<Subnet> subnets = Ten(elastic);
        Assert.InRange(Storages.Bytes(subnets) / (double)Storages.Bytes(subnets[0]), 1, 1.05);
        subnets.ForEach(subnet => subnet.Dispose());
    }

    [Fact]
    public void Ten_uncorrected_plans_of_all_axes_take_the_memory_of_one()
    {
        ViTArchitecture a = ElasticModels.Architecture;
        using ElasticViT elastic = ElasticModels.Create(corrected: false);
        List<Subnet> subnets = [.. Enumerable.Range(0, 10).Select(plan => elastic.At(SubnetPlan.Of(a, Smaller(a, plan))))];
        Assert.InRange(Storages.Bytes(subnets) / (double)Storages.Bytes(subnets[0]), 1, 1.05);
        subnets.ForEach(subnet => subnet.Dispose());
    }

    [Fact]
    public void A_corrected_sub_network_adds_its_own_proj_and_fc2_and_nothing_else()
    {
        ViTArchitecture a = ElasticModels.Architecture;
        using ElasticViT elastic = ElasticModels.Create(corrected: true);
        List<Subnet> subnets = Ten(elastic);
        Dictionary<nint, long> shared = Storages.Of(subnets[0]);
        foreach (Subnet subnet in subnets)
        {
            long own = Storages.Of(subnet).Where(piece => !shared.ContainsKey(piece.Key)).Sum(piece => piece.Value);
            Assert.Equal(sizeof(float) * subnet.Plan.Widths.Sum(block => Corrected(a, block)), own);
        }

        subnets.ForEach(subnet => subnet.Dispose());
    }

    /// <summary>Elements of the layers of a block that lost inputs, with their biases.</summary>
    private static long Corrected(ViTArchitecture a, BlockWidths kept)
    {
        long proj = kept[Axis.Heads] < a.Heads ? a.EmbedDim * ((kept[Axis.Heads] * a.HeadDim) + 1L) : 0;
        return proj + (kept[Axis.Neurons] < a.MlpDim ? a.EmbedDim * (kept[Axis.Neurons] + 1L) : 0);
    }

    /// <summary>Fewer units of every axis in every block; the last block computes its pooled tokens.</summary>
    private static SubnetWidths Smaller(ViTArchitecture a, int by) => new(Enumerable.Range(0, a.Depth).Select(block =>
        AxisTable.Rows.Aggregate(a.FullBlock, (kept, row) => kept.With(
            row.Axis,
            by > 0 && row.Axis == Axis.Tokens && block == a.Depth - 1 ? a.PooledTokens
                : row.Count(a) - (row.Axis == Axis.Tokens ? Math.Min(by, block + 1) : row.Count(a) * by / 12)))));

    private static List<Subnet> Ten(ElasticViT elastic) => [.. ElasticModels.TenBudgets.Select(ratios => elastic.At(Budget.Ratios(ratios)))];
}
