using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Models;
using SnapViT.Tests.Export;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Calibration;

public sealed class CalibrationMomentsTests
{
    private const int LastBlock = 2;

    [Theory, LeakCheck]
    [InlineData("vit")]
    [InlineData("dinov2")]
    [InlineData("distilled")]
    [InlineData("dinov2 giant")]
    public void The_last_block_is_fitted_as_if_prefix_tokens_had_weighed_so_from_the_start(string family)
    {
        using VisionTransformer model = TinyModels.Create(family);
        using CalibrationMoments rising = Moments(model, new PrefixWeights(20, 300)), late = Moments(model, new PrefixWeights(300)), early = Moments(model, new PrefixWeights(20));
        foreach (BlockLinear layer in new[] { BlockLinear.Proj, BlockLinear.Fc2 })
        {
            ShouldEqual(rising.ForFit(LastBlock, layer), late.Of(LastBlock, layer).Alias());
            ShouldEqual(rising.ForFit(0, layer), early.Of(0, layer).Alias());
            ShouldEqual(rising.Of(LastBlock, layer).Alias(), early.Of(LastBlock, layer).Alias());
        }
    }

    [Fact, LeakCheck]
    public void An_image_of_weight_three_counts_as_three_of_it()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using Tensor images = TinyModels.Images(model.Architecture, 4);
        using Tensor first = images.narrow(0, 0, 2), others = images.narrow(0, 2, 2), thrice = cat([first, first, first, others]);
        using CalibrationMoments weighted = new(model.Architecture, new PrefixWeights(20, 300)), repeated = new(model.Architecture, new PrefixWeights(20, 300));
        weighted.Add(model, first, 3);
        weighted.Add(model, others);
        repeated.Add(model, thrice);
        for (int block = 0; block <= LastBlock; block++)
        {
            ShouldEqual(weighted.ForFit(block, BlockLinear.Fc2), repeated.ForFit(block, BlockLinear.Fc2));
        }
    }

    [Fact, LeakCheck]
    public void What_a_file_keeps_is_what_is_fitted_by()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using CalibrationMoments rising = Moments(model, new PrefixWeights(20, 300));
        using IMomentSource read = rising.ToStored().ForFit(model.Architecture);
        for (int block = 0; block <= LastBlock; block++)
        {
            ShouldEqual(read.ForFit(block, BlockLinear.Fc2), rising.ForFit(block, BlockLinear.Fc2));
            ShouldEqual(read.ForFit(block, BlockLinear.Proj), rising.ForFit(block, BlockLinear.Proj));
        }
    }

    [Fact, LeakCheck]
    public void An_alias_outlives_its_origin()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using CalibrationMoments kept = Moments(model, new PrefixWeights(20, 300));
        CalibrationMoments origin = Moments(model, new PrefixWeights(20, 300));
        using CalibrationMoments alias = origin.Alias();
        origin.Dispose();
        ShouldEqual(alias.ForFit(LastBlock, BlockLinear.Fc2), kept.ForFit(LastBlock, BlockLinear.Fc2));
    }

    private static CalibrationMoments Moments(VisionTransformer model, PrefixWeights weights)
    {
        CalibrationMoments moments = new(model.Architecture, weights);
        using Tensor images = TinyModels.Images(model.Architecture, 5);
        moments.Add(model, images);
        return moments;
    }

    private static void ShouldEqual(SecondMoments actual, SecondMoments expected)
    {
        using DisposeScope scope = NewDisposeScope();
        using (actual)
        using (expected)
        {
            Assert.Equal(expected.Weight, actual.Weight, expected.Weight * 1e-6);
            actual.Mean().ShouldBeWithinOfLargest(1e-5, expected.Mean());
            actual.Covariance().ShouldBeWithinOfLargest(1e-5, expected.Covariance());
        }
    }
}
