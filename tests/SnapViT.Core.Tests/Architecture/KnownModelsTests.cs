using SnapViT.Core.Architecture;

namespace SnapViT.Core.Tests.Architecture;

public sealed class KnownModelsTests
{
    [Theory]
    [InlineData(192, 12, 768, "ViT-Ti", 3)]
    [InlineData(384, 12, 1536, "ViT-S", 6)]
    [InlineData(768, 12, 3072, "ViT-B", 12)]
    [InlineData(1024, 24, 4096, "ViT-L", 16)]
    [InlineData(1280, 32, 5120, "ViT-H", 16)]
    public void Published_sizes_are_known(int width, int depth, int hidden, string name, int heads) =>
        Assert.Equal((name, heads), KnownModels.Find(width, depth, hidden));

    [Theory]
    [InlineData(192, 12, 769)]
    [InlineData(192, 11, 768)]
    [InlineData(193, 12, 768)]
    [InlineData(0, 0, 0)]
    public void A_size_that_differs_anywhere_is_not_guessed(int width, int depth, int hidden) => Assert.Null(KnownModels.Find(width, depth, hidden));

    [Theory]
    [InlineData("timm/vit_small_patch16_224.dino", 384, 12, 6, Activation.GeluErf, "dino")]
    [InlineData("timm/vit_large_patch16_224.augreg_in21k_ft_in1k", 1024, 24, 16, Activation.GeluErf, "augreg")]
    [InlineData("timm/deit3_huge_patch14_224.fb_in22k_ft_in1k", 1280, 32, 16, Activation.GeluErf, "deit3")]
    [InlineData("timm/vit_huge_plus_patch16_dinov3.lvd1689m", 1280, 32, 20, Activation.GeluErf, null)]
    [InlineData("timm/ViT-gopt-16-SigLIP2-256", 1536, 40, 16, Activation.GeluTanh, "siglip")]
    public void A_published_name_says_what_no_shape_does(string name, int width, int depth, int heads, Activation activation, string? preprocessing) =>
        Assert.Equal(new PublishedModel(name, width, depth, heads, activation, preprocessing), KnownModels.Named(name));

    [Theory]
    [InlineData("vit_small_patch16_224.dino")]
    [InlineData("other/vit_small_patch16_224.dino")]
    [InlineData("timm/vit_small_patch16_224")]
    [InlineData("timm/")]
    [InlineData("")]
    public void A_name_that_is_not_in_the_table_is_not_guessed(string name) => Assert.Null(KnownModels.Named(name));

    [Fact]
    public void Every_row_of_names_is_of_a_known_size_and_there_once()
    {
        Assert.Equal(KnownModels.Names.Count, KnownModels.Names.Distinct().Count());
        Assert.All(KnownModels.Names, name => Assert.NotNull(KnownModels.Named(name)));
    }
}
