using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Tests.Data;
using SnapViT.Workflows;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Workflows;

/// <summary>Frontiers that builds find of every golden family, on a few images of random colours.</summary>
public sealed class FrontierRunTests : IDisposable
{
    private readonly TemporaryImages _folder = new();
    private readonly ImageSet _images;

    public FrontierRunTests() => _images = _folder.PutMany(10);

    public void Dispose() => _folder.Dispose();

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Slices_are_nested_cost_less_and_less_and_keep_the_floors(string family)
    {
        using LoadedModel loaded = Golden.Model(family);
        ViTArchitecture a = loaded.Model.Architecture;
        ElasticScores scores = Build(loaded);
        foreach ((CostUnit unit, Frontier frontier) in scores.Frontiers)
        {
            Assert.Equal(a.FullWidths, frontier.Slices[0].Widths);
            Assert.All(frontier.Slices.Zip(frontier.Slices.Skip(1)), pair =>
            {
                Assert.True(Cost(pair.Second) < Cost(pair.First), $"{unit}: {Cost(pair.Second)} after {Cost(pair.First)}");
                Assert.True(pair.Second.Distance >= pair.First.Distance);
                Assert.All(pair.Second.Widths.Zip(pair.First.Widths), blocks => Assert.All(
                    AxisTable.Rows, row => Assert.True(blocks.First[row.Axis] <= blocks.Second[row.Axis])));
            });
            Assert.All(frontier.Slices, slice => slice.Widths.RequireFit(a));
            Assert.All(frontier.Slices.SelectMany(slice => slice.Widths), block => Assert.All(
                AxisTable.Rows.Where(row => row.Axis != Axis.Tokens),
                row => Assert.True(block[row.Axis] >= scores.Floors.Kept(row.Axis, row.Count(a)), $"{row.Label}: {block}")));

            long Cost(FrontierSlice slice) => unit == CostUnit.Flops
                ? CostModel.Flops(a, slice.Widths)
                : CostModel.Parameters(a, slice.Widths);
        }

        // Whatever family: dimensions inside heads and tokens are among what is taken.
        SubnetWidths smallest = scores.Frontiers[CostUnit.Flops].Slices[^1].Widths;
        Assert.True(smallest.Total(Axis.QueryKeyDims) < a.Depth * a.HeadDim, "q/k dims");
        Assert.True(smallest.Total(Axis.ValueDims) < a.Depth * a.HeadDim, "v dims");
        Assert.True(smallest.Total(Axis.Tokens) < a.Depth * a.Tokens, "tokens");
    }

    [Theory]
    [InlineData("timm_vit")]
    [InlineData("dinov3_swiglu")]
    public void The_same_build_finds_the_same_frontier(string family)
    {
        using LoadedModel loaded = Golden.Model(family);
        ElasticScores first = Build(loaded), second = Build(loaded);
        Assert.All(first.Frontiers, entry => Assert.Equal(entry.Value.Slices, second.Frontiers[entry.Key].Slices));
    }

    [Theory, LeakCheck]
    [InlineData("dinov3_mlp")]
    [InlineData("dinov3_swiglu")]
    public void Rotary_pairs_are_sorted_where_some_are_left_out_and_lie_as_published_where_all_are_kept(string family)
    {
        using LoadedModel loaded = Golden.Model(family);
        using ElasticViT elastic = ElasticViT.Open(loaded, Build(loaded), new ElasticOptions { Correction = null });
        using DisposeScope scope = NewDisposeScope();
        Tensor images = randn(2, 3, loaded.Model.Architecture.ImageSize, loaded.Model.Architecture.ImageSize, generator: new Generator(1));

        using Subnet whole = elastic.Cut(Budget.Whole), view = elastic.At(Budget.Whole);
        Assert.Null(whole.Config.RotaryPairs);
        Assert.Null(whole.Model.Weights.RotaryPairs);
        Assert.NotNull(view.Model.Weights.RotaryPairs);
        whole.Embed(images).ShouldBeWithinOfLargest(1e-5, loaded.Model.Embed(images));
        view.Embed(images).ShouldBeWithinOfLargest(1e-5, loaded.Model.Embed(images));

        // Through a file and back.
        using Subnet small = elastic.Cut(SubnetPlan.Of(loaded.Model.Architecture, elastic.Scores.Frontiers[CostUnit.Flops].Slices[^1].Widths));
        string path = Path.Combine(_folder.Root, "small.safetensors");
        small.Save(path);
        using LoadedModel again = ModelFile.Load(path);
        again.Model.Embed(images).ShouldBeWithinOfLargest(1e-6, small.Embed(images));
    }

    [Theory]
    [InlineData("timm_vit")]
    [InlineData("siglip2")]
    public void Budgets_in_time_follow_a_frontier_of_their_own_where_a_table_was_given(string family)
    {
        using LoadedModel loaded = Golden.Model(family);
        ViTArchitecture a = loaded.Model.Architecture;

        // A machine on which tokens alone take time.
        LatencyTable table = new(
            new LatencyConditions { Architecture = a, Precision = "fp32", Device = "cpu", Threads = 1, Batch = 1, Machine = "none", Runtime = "none" },
            0,
            AxisTable.Rows.ToDictionary(row => row.Axis, row => Curve(row.Count(a), row.Axis switch
            {
                Axis.Tokens => (0, 1000), Axis.QueryKeyDims or Axis.ValueDims => (1000, 1000), _ => (500, 500),
            })));
        ElasticScores scores = Build(loaded, table);
        string path = Path.Combine(_folder.Root, "scores.safetensors");
        scores.Save(path);
        ElasticScores read = ElasticScores.Load(path);
        SubnetPlan plan = new SubnetPlanner(a, read.Scaled, read.Floors, read.Frontiers).Plan(Budget.Latency(0.8), new PlanOptions { Latency = table });

        Assert.Equal(scores.Frontiers[CostUnit.Nanoseconds].Slices, read.Frontiers[CostUnit.Nanoseconds].Slices);
        Assert.True(table.Predict(plan.Widths) <= 0.8 * table.Predict(a.FullWidths));
        Assert.True(plan.Widths.Total(Axis.Tokens) < a.FullWidths.Total(Axis.Tokens));
        Assert.Equal(a.FullWidths.Total(Axis.Neurons), plan.Widths.Total(Axis.Neurons));
        Assert.Equal(a.FullWidths.Total(Axis.QueryKeyDims), plan.Widths.Total(Axis.QueryKeyDims));
        Assert.Contains("batch 1, fp32, cpu", read.Provenance["frontier_latency"], StringComparison.Ordinal);

        static LatencyCurve Curve(int count, (double First, double Last) nanoseconds) => new([(0, nanoseconds.First), (count, nanoseconds.Last)]);
    }

    private ElasticScores Build(LoadedModel loaded, LatencyTable? latency = null)
    {
        Preprocessing preprocessing = loaded.PreprocessingOrReference with
        {
            Side = loaded.Model.Architecture.ImageSize, ResizeTo = loaded.Model.Architecture.ImageSize,
        };
        BuildOptions options = BuildOptions.Recommended with
        {
            Samples = 10, CalibrationImages = 6, CalibrationViews = 1, FrontierImages = 4, BatchSize = 4, Latency = latency,
        };
        return new ElasticBuild(loaded, _images, preprocessing, options).Run(cancellation: TestContext.Current.CancellationToken).Scores;
    }
}
