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
    [InlineData("hf-hub:timm/vit_small_patch16_224.dino", "timm/vit_small_patch16_224.dino")]
    [InlineData("hf_hub:org/name@v1", "org/name@v1")]
    [InlineData("hf://org/name", "org/name")]
    [InlineData("https://huggingface.co/org/name", "org/name")]
    [InlineData("HTTPS://HuggingFace.co/org/name/", "org/name")]
    [InlineData("http://www.huggingface.co/org/name?library=timm#use", "org/name")]
    [InlineData("huggingface.co/org/name", "org/name")]
    [InlineData("https://hf.co/org/name/tree/main", "org/name")]
    [InlineData("https://huggingface.co/org/name/tree/v1.0", "org/name@v1.0")]
    [InlineData("https://huggingface.co/org/name/tree/refs%2Fpr%2F1", "org/name@refs/pr/1")]
    [InlineData("https://huggingface.co/org/name/tree/refs/pr/1", "org/name@refs/pr/1")]
    public void Other_spellings_of_a_model_are_understood(string text, string expected)
    {
        Assert.True(HubModelName.TryParse(text, out HubModelName? name));
        Assert.Equal(expected, name.ToString());
        Assert.True(HubModelName.IsExplicit(text));
    }

    [Theory]
    [InlineData("https://huggingface.co/org/name/blob/main/model.safetensors")]
    [InlineData("https://huggingface.co/org/name/resolve/main/model.safetensors")]
    [InlineData("https://huggingface.co/datasets/cifar10")]
    [InlineData("https://huggingface.co/org")]
    [InlineData("https://huggingface.co/org/name/tree")]
    [InlineData("https://huggingface.co/org/name/tree/..%2F..")]
    [InlineData("https://example.org/org/name")]
    [InlineData("https://huggingface.co.example.org/org/name")]
    [InlineData("hf-hub:name")]
    [InlineData("hf-hub:./org/name")]
    public void An_address_of_anything_else_is_no_model(string text)
    {
        Assert.False(HubModelName.TryParse(text, out _));
        Assert.True(HubModelName.IsExplicit(text));
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
    [InlineData("models/last.ckpt")]
    [InlineData("models/ViT-B_16.npz")]
    public void Anything_else_is_a_path(string? text) => Assert.False(HubModelName.TryParse(text, out _));

    [Fact]
    public void A_name_may_be_as_long_as_the_hub_allows() =>
        Assert.Equal([true, false], new[] { 91, 92 }.Select(length => HubModelName.TryParse($"org/{new string('a', length + 1)}", out _)));
}
