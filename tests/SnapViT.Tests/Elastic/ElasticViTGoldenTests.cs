using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Loading;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

// Numbers: golden/timm_vit/prune.safetensors, features and logits of the reference's elastic path at the six ratio pairs.
public sealed class ElasticViTGoldenTests
{
    public static TheoryData<string, double, double> Pairs => new()
    {
        { "0.15-0.0", 0.15, 0.0 }, { "0.25-0.1", 0.25, 0.1 }, { "0.35-0.2", 0.35, 0.2 },
        { "0.45-0.3", 0.45, 0.3 }, { "0.55-0.4", 0.55, 0.4 }, { "0.65-0.5", 0.65, 0.5 },
    };

    [Theory, LeakCheck, MemberData(nameof(Pairs))]
    public void A_sub_network_gives_the_reference_s_features_and_logits(string key, double mlp, double heads)
    {
        using Golden scores = Golden.Open("timm_vit", "dino.safetensors");
        using Golden expected = Golden.Open("timm_vit", "prune.safetensors");
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.TimmVit();
        using ElasticViT elastic = new(loaded.Model, new ImportanceScores(scores.Matrix("mlp_scores"), scores.Matrix("head_scores")), new KeepFloors());
        using var scope = NewDisposeScope();
        using Subnet subnet = elastic.At(Budget.Ratios(mlp, heads));
        subnet.Embed(io.Float("images")).ShouldBeWithin(1e-5, expected.Float($"elastic.features.{key}"));
        subnet.Logits(io.Float("images")).ShouldBeWithin(1e-5, expected.Float($"elastic.logits.{key}"));
    }

    [Fact, LeakCheck]
    public void The_whole_model_in_importance_order_is_the_original()
    {
        using Golden scores = Golden.Open("timm_vit", "dino.safetensors");
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.TimmVit();
        using ElasticViT elastic = new(loaded.Model, new ImportanceScores(scores.Matrix("mlp_scores"), scores.Matrix("head_scores")), new KeepFloors());
        using var scope = NewDisposeScope();
        using Subnet whole = elastic.At(Budget.Whole);
        whole.Embed(io.Float("images")).ShouldBeWithin(1e-5, io.Float("features"));
    }
}
