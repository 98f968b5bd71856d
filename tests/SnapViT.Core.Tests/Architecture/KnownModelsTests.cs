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
}
