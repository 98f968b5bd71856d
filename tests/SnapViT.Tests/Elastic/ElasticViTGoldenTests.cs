using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

// Numbers: golden/<family>/prune.safetensors, features and logits of the reference's elastic path at the six ratio pairs.
public sealed class ElasticViTGoldenTests
{
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Sub_networks_give_the_reference_s_features_and_logits(string family)
    {
        using Golden expected = Golden.Open(family, "prune.safetensors");
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ElasticViT elastic = new(loaded.Model, Scores(family), new KeepFloors());
        using var scope = NewDisposeScope();
        foreach ((string key, PruningRatios ratios) in Pairs)
        {
            using Subnet subnet = elastic.At(Budget.Ratios(ratios));
            subnet.Embed(io.Float("images")).ShouldBeWithin(1e-5, expected.Float($"elastic.features.{key}"));
            if (Golden.HasClasses(family))
            {
                subnet.Classify(io.Float("images")).ShouldBeWithin(1e-5, expected.Float($"elastic.logits.{key}"));
            }
        }
    }

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void The_whole_model_in_importance_order_is_the_original(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using ElasticViT elastic = new(loaded.Model, Scores(family), new KeepFloors());
        using var scope = NewDisposeScope();
        using Subnet whole = elastic.At(Budget.Whole);
        whole.Embed(io.Float("images")).ShouldBeWithin(1e-5, io.Float("features"));
    }

    private static (string Key, PruningRatios Ratios)[] Pairs =>
    [
        ("0.15-0.0", new(0.15, 0.0)), ("0.25-0.1", new(0.25, 0.1)), ("0.35-0.2", new(0.35, 0.2)),
        ("0.45-0.3", new(0.45, 0.3)), ("0.55-0.4", new(0.55, 0.4)), ("0.65-0.5", new(0.65, 0.5)),
    ];

    private static ImportanceScores Scores(string family)
    {
        using Golden scores = Golden.Open(family, "dino.safetensors");
        return new ImportanceScores(scores.Matrix("mlp_scores"), scores.Matrix("head_scores"));
    }
}
