using SnapViT.Core.Architecture;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

// Numbers: golden/timm_vit/io.safetensors, the reference's forward pass of every stage (torch 1.13.1, CPU, fp32).
public sealed class VisionTransformerGoldenTests
{
    [Fact, LeakCheck]
    public void Features_logits_and_tokens_are_the_reference_s()
    {
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.TimmVit();
        using var scope = NewDisposeScope();
        loaded.Model.Embed(io.Float("images")).ShouldBeWithin(1e-5, io.Float("features"));
        loaded.Model.Logits(io.Float("images")).ShouldBeWithin(1e-5, io.Float("logits"));
        loaded.Model.Tokens(io.Float("images")).ShouldBeWithin(1e-5, io.Float("forward_features"));
    }

    [Fact, LeakCheck]
    public void Every_branch_of_every_block_is_the_reference_s()
    {
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.TimmVit();
        using var scope = NewDisposeScope();
        Recorder recorder = new();
        loaded.Model.Tokens(io.Float("images"), recorder);
        for (int block = 0; block < 4; block++)
        {
            recorder.Outputs[(block, BlockLinear.Proj)].ShouldBeWithin(1e-5, io.Float($"block_{block}.attn.out"));
            recorder.Outputs[(block, BlockLinear.Fc2)].ShouldBeWithin(1e-5, io.Float($"block_{block}.mlp.out"));
        }
    }

    [Fact, LeakCheck]
    public void In_bfloat16_features_stay_within_a_hundredth_of_the_largest()
    {
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.TimmVit();
        using VisionTransformer halved = new(loaded.Model.Weights.To(ScalarType.BFloat16));
        using var scope = NewDisposeScope();
        halved.Embed(io.Float("images")).ShouldBeWithinOfLargest(0.02, io.Float("features"));
    }

    [Fact]
    public void Parameters_and_flops_are_the_reference_s()
    {
        using LoadedModel loaded = Golden.TimmVit();
        ViTArchitecture a = loaded.Model.Architecture;
        Assert.Equal(123_802, CostModel.Parameters(a, a.FullWidths));
        Assert.Equal(4_290_864, CostModel.Flops(a, a.FullWidths));
    }

    private sealed class Recorder : IForwardTap
    {
        public Dictionary<(int, BlockLinear), Tensor> Outputs { get; } = [];

        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output) => Outputs[(block, layer)] = output.clone().MoveToOuterDisposeScope().MoveToOuterDisposeScope().MoveToOuterDisposeScope();
    }
}
