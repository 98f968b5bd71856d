using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Tests.Export;

namespace SnapViT.Tests.Calibration;

public sealed class PrefixWeightsTests
{
    [Theory]
    [InlineData("vit")]
    [InlineData("distilled")]
    public void The_weight_rises_geometrically_over_the_last_third_of_the_blocks(string family)
    {
        ViTArchitecture twelve = TinyModels.Families[family] with { Depth = 12 };
        double[] weights = [.. Enumerable.Range(0, 12).Select(block => new PrefixWeights(20, 20 * 81).InFit(twelve, block))];
        double[] expected = [.. Enumerable.Repeat(20.0, 8), 60, 180, 540, 1620];
        Assert.All(weights.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-9));
    }

    [Theory]
    [InlineData("average of patches")]
    [InlineData("siglip")]
    public void It_stays_where_patches_are_pooled(string family) =>
        Assert.All(Enumerable.Range(0, 3), block => Assert.Equal(20, new PrefixWeights(20, 1000).InFit(TinyModels.Families[family], block)));

    [Fact]
    public void It_stays_where_no_last_weight_is_given() =>
        Assert.All(Enumerable.Range(0, 3), block => Assert.Equal(7, new PrefixWeights(7).InFit(TinyModels.Families["vit"], block)));

    [Theory]
    [InlineData(0.0, 1.0, "prefix weight: expected a finite figure above 0, found 0")]
    [InlineData(double.NaN, null, "prefix weight: expected a finite figure above 0, found NaN")]
    [InlineData(20.0, -1.0, "last prefix weight: expected a finite figure above 0, found -1")]
    [InlineData(20.0, double.PositiveInfinity, "last prefix weight: expected a finite figure above 0, found Infinity")]
    public void A_weight_of_nothing_or_everything_is_refused(double first, double? last, string fault) =>
        Assert.Equal(fault, Assert.Throws<SnapViTException>(() => new PrefixWeights(first, last).Validated()).Message);

    [Fact]
    public void They_are_told_in_one_phrase() =>
        Assert.Equal(["20", "20", "20 to 1000"], new[] { new PrefixWeights(20), new PrefixWeights(20, 20), new PrefixWeights(20, 1000) }.Select(weights => weights.ToString()));
}
