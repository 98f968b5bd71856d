using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Workflows;
using TorchSharp;

namespace SnapViT.Tests.Workflows;

[LeakCheck]
public sealed class ElasticBuildMemoryTests : IDisposable
{
    private readonly BuildSite _site = new();

    public void Dispose() => _site.Dispose();

    [Fact]
    public void Less_memory_sends_fewer_images_through_at_a_time_and_gives_the_same_scores()
    {
        long ofView = ActivationMemory.OfView(SmallModels.Vit, torch.ScalarType.Float32);
        ElasticScores all = _site.Build().Scores, few = _site.Build(BuildSite.Options with { Memory = (2 * ofView) + 1 }).Scores;

        Assert.Equal(("4", "2"), (all.Provenance["batch"], few.Provenance["batch"]));
        for (int block = 0; block < SmallModels.Vit.Depth; block++)
        {
            double[] expected = all.Local.Of(Axis.Neurons, block).ToArray(), found = few.Local.Of(Axis.Neurons, block).ToArray();
            Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First, pair.Second, pair.First * 1e-4));
        }
    }

    [Theory]
    [InlineData("fisher", CropProtocol.Reference)]
    [InlineData("ssl", CropProtocol.Independent)]
    [InlineData("curvature", CropProtocol.Independent)]
    public void Where_not_even_one_image_fits_activations_are_recomputed_and_the_file_is_the_same(string criterion, CropProtocol crops)
    {
        BuildOptions options = BuildSite.Options with { Criterion = Criterion.Named(criterion), Crops = crops, BatchSize = 1 };
        int views = DistillationPairs.Of(crops).StudentViews;
        long memory = views * ActivationMemory.OfRecomputedView(SmallModels.Vit, torch.ScalarType.Float32);
        Assert.True(memory < views * ActivationMemory.OfView(SmallModels.Vit, torch.ScalarType.Float32));
        Assert.True((options with { Memory = memory }).Within(SmallModels.Vit).Recomputes);
        _site.Build(options);
        byte[] kept = File.ReadAllBytes(_site.Out);
        _site.Build(options with { Memory = memory });
        Assert.Equal(kept, File.ReadAllBytes(_site.Out));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Without_a_bound_batches_stay_as_they_are_and_what_is_beyond_the_machine_is_recomputed(bool isBeyond)
    {
        ViTArchitecture vast = SmallModels.Vit with { Depth = 1024, EmbedDim = 1 << 16, Heads = 1 << 14, MlpDim = 1 << 20, PatchSize = 1, ImageSize = 1024 };
        BuildOptions options = BuildSite.Options.Within(isBeyond ? vast : SmallModels.Vit);
        Assert.Equal((BuildSite.Options.BatchSize, isBeyond), (options.BatchSize, options.Recomputes));
    }

    [Fact]
    public void Memory_that_one_image_does_not_fit_into_is_named_before_any_work()
    {
        SnapViTException fault = Assert.Throws<SnapViTException>(
            () => _site.Build(BuildSite.Options with { Crops = CropProtocol.Independent, Memory = 1000 }));
        Assert.Matches("^memory: expected at least [0-9]+MB for one image of this model in 12 views, found 0MB$", fault.Message);
    }
}
