using SnapViT.Core.Architecture;
using SnapViT.Data;
using SnapViT.Export;
using SnapViT.Loading;

namespace SnapViT.Tests.Export;

public sealed class ModelCardTests
{
    [Fact]
    public void The_card_says_what_was_kept_and_where_it_comes_from()
    {
        ViTArchitecture architecture = TinyModels.Families["vit"];
        ModelConfig config = TinyModels.Config(architecture, TinyModels.Uneven(architecture)) with
        {
            Preprocessing = Preprocessing.Named("deit", 32),
            Provenance = new Dictionary<string, string> { ["model"] = "small.safetensors", ["removed"] = "a bit" },
        };
        string card = ModelCard.Render(config);
        Assert.StartsWith("---\npipeline_tag: image-classification\n", card, StringComparison.Ordinal);
        Assert.Contains($"| parameters | {CostModel.Parameters(architecture, TinyModels.Uneven(architecture))} | {CostModel.Parameters(architecture, architecture.FullWidths)} |", card, StringComparison.Ordinal);
        Assert.Contains("| 1 | 0 | 40 |", card, StringComparison.Ordinal);
        Assert.Contains("| removed | a bit |", card, StringComparison.Ordinal);
        Assert.Contains("mean 0.485 0.456 0.406", card, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_without_a_classifier_is_an_extractor()
    {
        ViTArchitecture architecture = TinyModels.Families["clip"];
        Assert.Contains("image-feature-extraction", ModelCard.Render(TinyModels.Config(architecture, architecture.FullWidths)), StringComparison.Ordinal);
    }
}
