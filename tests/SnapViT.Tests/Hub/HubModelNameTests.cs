using SnapViT.Hub;

namespace SnapViT.Tests.Hub;

public sealed class HubModelNameTests
{
    [Theory]
    [InlineData("timm/vit_small_patch16_224.dino", "timm", "vit_small_patch16_224.dino", "main")]
    [InlineData("facebook/dinov2-small@v1.0", "facebook", "dinov2-small", "v1.0")]
    [InlineData("a/b@refs/pr/1", "a", "b", "refs/pr/1")]
    public void A_name_is_organisation_name_and_revision(string text, string organisation, string repository, string revision)
    {
        Assert.True(HubModelName.TryParse(text, out HubModelName? name));
        Assert.Equal((organisation, repository, revision), (name.Organisation, name.Name, name.Revision));
        Assert.Equal(text, name.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("model")]
    [InlineData("/model")]
    [InlineData("org/")]
    [InlineData("org/model/file")]
    [InlineData("./model")]
    [InlineData("../model")]
    [InlineData("org/..")]
    [InlineData("org/a--b")]
    [InlineData("org/-a")]
    [InlineData("org/model@")]
    [InlineData("org/model@../../main")]
    [InlineData("org/model@a//b")]
    [InlineData("org/model@/a")]
    [InlineData("org/model@a b")]
    [InlineData("org/model\n")]
    [InlineData("org\\model")]
    [InlineData("models/deit_tiny.safetensors")]
    [InlineData("models/deit_tiny.PTH")]
    public void Anything_else_is_a_path(string? text) => Assert.False(HubModelName.TryParse(text, out _));

    [Fact]
    public void A_name_may_be_as_long_as_the_hub_allows() =>
        Assert.Equal([true, false], new[] { 91, 92 }.Select(length => HubModelName.TryParse($"org/{new string('a', length + 1)}", out _)));
}
