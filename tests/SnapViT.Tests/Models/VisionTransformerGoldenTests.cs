using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Models.Parts;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

// Numbers: golden/<family>/io.safetensors and config.json, the reference's forward pass of every stage (torch 1.13.1, CPU, fp32).
public sealed class VisionTransformerGoldenTests
{
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Features_and_logits_are_the_reference_s(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using var scope = NewDisposeScope();
        loaded.Model.Embed(io.Float("images")).ShouldBeWithin(1e-5, io.Float("features"));
        Assert.Equal(Golden.HasClasses(family), loaded.Model.Architecture.Classes > 0);
        if (Golden.HasClasses(family))
        {
            loaded.Model.Logits(io.Float("images")).ShouldBeWithin(1e-5, io.Float("logits"));
        }
    }

    // DINOv3's forward_features are the tokens before the final norm; after it they come in three parts.
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Tokens_after_the_final_norm_are_the_reference_s(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using var scope = NewDisposeScope();
        Tensor expected = family.StartsWith("dinov3", StringComparison.Ordinal)
            ? cat([io.Float("x_norm_clstoken").unsqueeze(1), io.Float("x_storage_tokens"), io.Float("x_norm_patchtokens")], 1)
            : io.Float("forward_features");
        loaded.Model.Tokens(io.Float("images")).ShouldBeWithin(1e-5, expected);
    }

    // Block by block from the reference's own tokens, so that no block inherits the rounding of those before it.
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Every_block_and_its_branches_turn_the_reference_s_tokens_into_the_reference_s(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using var scope = NewDisposeScope();
        Tensor tokens = io.Float("block_0.in");
        for (int block = 0; block < 4; block++)
        {
            using Recorder recorder = new();
            Tensor expected = io.Float($"block_{block}.out");
            loaded.Model.Block(tokens, block, recorder).ShouldBeWithin(1e-5, expected);
            recorder.Outputs[(block, BlockLinear.Proj)].ShouldBeWithin(1e-5, io.Float($"block_{block}.attn.out"));
            recorder.Outputs[(block, BlockLinear.Fc2)].ShouldBeWithin(1e-5, io.Float($"block_{block}.mlp.out"));
            tokens = expected;
        }
    }

    // From the images on, over all blocks. Tokens are as large as 11, where one float32 rounding is 5e-7, and every block adds its own: against the
    // same weights in double the reference ends up to 9.95e-6 off and this forward pass up to 1.05e-5 (dinov3_swiglu, root mean square 2.2e-6 each),
    // on different elements, so that the two differ by up to 1.29e-5. Hence 1e-5 of the largest value, and no more rounding than the reference has.
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Every_block_from_the_images_on_is_the_reference_s_and_as_near_to_double_precision_as_that(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using var scope = NewDisposeScope();
        Tensor images = io.Float("images"), tokens = loaded.Model.EmbedTokens(images);
        PlainVisionTransformer plain = new(loaded.Model);
        double[][][][] exact = [.. Enumerable.Range(0, (int)images.shape[0]).Select(image => plain.Blocks([.. images[image].data<float>().Select(pixel => (double)pixel)]))];
        for (int stage = 0; stage <= 4; stage++)
        {
            Tensor reference = io.Float(stage == 0 ? "block_0.in" : $"block_{stage - 1}.out");
            tokens = stage == 0 ? tokens : loaded.Model.Block(tokens, stage - 1, null);
            tokens.ShouldBeWithinOfLargest(1e-5, reference);
            Tensor inDouble = tensor([.. exact.SelectMany(image => image[stage].SelectMany(token => token))], reference.shape);
            double rounding = RootMeanSquare(tokens - inDouble), referenceRounding = RootMeanSquare(reference - inDouble);
            Assert.True(rounding <= 1.25 * referenceRounding, $"stage {stage}: {rounding:G3} off double precision, the reference {referenceRounding:G3}");
        }

        static double RootMeanSquare(Tensor difference) => Math.Sqrt(difference.pow(2).mean().item<double>());
    }

    [Theory, LeakCheck]
    [InlineData("dinov3_mlp")]
    [InlineData("dinov3_swiglu")]
    public void Rotary_angles_are_the_reference_s(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using var scope = NewDisposeScope();
        using RotaryPart rotary = new(loaded.Model.Architecture, CPU);
        rotary.Cos.ShouldBeWithin(1e-6, io.Float("rope_cos"));
        rotary.Sin.ShouldBeWithin(1e-6, io.Float("rope_sin"));
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

    // The reference counts one class token for every model, and DINOv3's mask token, which no forward pass of images uses.
    [Theory, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Parameters_and_flops_are_the_reference_s(string family)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", family, "config.json")));
        using LoadedModel loaded = Golden.Model(family);
        ViTArchitecture a = loaded.Model.Architecture;
        int maskToken = a.Position == PositionEmbedding.Rotary ? a.EmbedDim : 0;
        Assert.Equal(config.RootElement.GetProperty("count_parameters").GetInt64(), CostModel.Parameters(a, a.FullWidths) + maskToken);
        Assert.Equal(config.RootElement.GetProperty("estimate_model_flops").GetInt64(), CostModel.Flops(a, a.FullWidths, FlopConvention.Reference));
        Assert.Equal(a.Tokens == a.Patches + 1, CostModel.Flops(a, a.FullWidths) == CostModel.Flops(a, a.FullWidths, FlopConvention.Reference));
    }

    private sealed class Recorder : IForwardHook, IDisposable
    {
        public Dictionary<(int, BlockLinear), Tensor> Outputs { get; } = [];

        public void Dispose()
        {
            foreach (Tensor output in Outputs.Values)
            {
                output.Dispose();
            }
        }

        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output) => Outputs[(block, layer)] = output.clone().DetachFromDisposeScope();
    }
}
