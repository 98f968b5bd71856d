using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Elastic;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Correction;

public sealed class HealingTests
{
    private const int Steps = 12;

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void A_sub_network_comes_closer_to_the_whole_model(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using VisionTransformer pruned = Half(loaded.Model);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = io.Float("images");
        using Healing healing = new(loaded.Model, pruned);

        double[] losses = [.. Enumerable.Range(0, Steps).Select(_ => healing.Step(images, 3e-3))];

        Assert.True(losses[^1] < 0.9 * losses[0], $"{family}: {string.Join(' ', losses)}");
    }

    [Fact, LeakCheck]
    public void Matrices_and_what_stands_outside_of_blocks_stay_and_nothing_of_the_sub_network_is_touched()
    {
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.Model("timm_vit");
        using VisionTransformer pruned = Half(loaded.Model), before = Half(loaded.Model);
        using DisposeScope scope = NewDisposeScope();
        using Healing healing = new(loaded.Model, pruned);
        healing.Step(io.Float("images"), 1e-2);

        using VisionTransformer healed = healing.Result();

        int moved = 0;
        foreach (ParameterSpec parameter in pruned.Weights.Table)
        {
            Tensor after = healed.Weights[parameter];
            Assert.True(Same(pruned.Weights[parameter], before.Weights[parameter]), parameter.Name);
            Assert.False(after.requires_grad, parameter.Name);
            bool isSame = Same(after, pruned.Weights[parameter]);
            Assert.True(isSame || (parameter.Block is not null && !parameter.IsWeight), parameter.Name);
            moved += isSame ? 0 : 1;
        }

        Assert.True(moved > 4 * pruned.Architecture.Depth, $"{moved} moved");
    }

    [Fact]
    public void The_same_steps_give_the_same_weights()
    {
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.Model("timm_vit");
        using Tensor images = io.Float("images");
        using VisionTransformer pruned = Half(loaded.Model), first = Healed(), second = Healed();

        Assert.All(first.Weights.Table, parameter => Assert.True(Same(first.Weights[parameter], second.Weights[parameter])));

        VisionTransformer Healed()
        {
            using Healing healing = new(loaded.Model, pruned);
            healing.Step(images, 1e-2);
            healing.Step(images, 1e-2);
            return healing.Result();
        }
    }

    private static bool Same(Tensor first, Tensor second)
    {
        using Tensor equal = first.eq(second).all();
        return equal.item<bool>();
    }

    /// <summary>Half of the neurons, and half of the patch tokens merged in the first block.</summary>
    private static VisionTransformer Half(VisionTransformer model)
    {
        ViTArchitecture a = model.Architecture;
        ImportanceScores scores = new(new double[a.Depth, a.MlpDim], new double[a.Depth, a.Heads]);
        using ElasticWeights elastic = new(model, scores, new KeepFloors(0, 0));
        int left = Math.Max(SubnetWidths.FewestTokens(a, a.Tokens), a.Tokens - (a.Patches / 4));
        return elastic.Cut(new SubnetWidths(a.FullWidths.Select(block => block.With(Axis.Neurons, a.MlpDim / 2).With(Axis.Tokens, left))));
    }
}
