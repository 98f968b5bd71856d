using SnapViT.Core.Architecture;
using SnapViT.Importance;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

[LeakCheck]
public sealed class FeatureProbesTests
{
    private const double Step = 1e-2;

    // A bias reaches every token alike, so the derivative along it is the sum of the gradients at all of them.
    [Theory]
    [InlineData(0, "proj")]
    [InlineData(0, "fc2")]
    [InlineData(2, "fc2")]
    public void The_gradient_is_the_derivative_of_the_normalised_features_along_the_probe(int block, string layer)
    {
        using DisposeScope scope = NewDisposeScope();
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        Tensor images = SmallModels.Images(SmallModels.Vit, 2);
        Tensor probes = images.flatten(1).narrow(1, 0, SmallModels.Vit.FeatureDim).clone();
        Tensor direction = images.flatten().narrow(0, 100, SmallModels.Vit.EmbedDim).clone();
        double expected = (Projected(model, images, probes, block, layer, direction * Step) - Projected(model, images, probes, block, layer, direction * -Step)) / (2 * Step);
        Assert.Equal(1, Gradient(model, images, probes, block, layer).dot(direction).item<float>() / expected, 1e-2);
        Assert.True(Math.Abs(expected) > 1e-3, "a derivative of nothing would show nothing");
    }

    private static Tensor Gradient(VisionTransformer model, Tensor images, Tensor probes, int block, string layer)
    {
        BlockLinear wanted = layer == "proj" ? BlockLinear.Proj : BlockLinear.Fc2;
        Tensor[] parts = [];
        new BackwardPasses(model, recomputes: false).Run(
            images, probes, (piece, ofPiece) => FeatureProbes.Of(model, piece, ofPiece), () => new OutputHook(),
            hooks => parts =
            [
                .. hooks.SelectMany(hook => hook.Gradients())
                    .Where(kept => kept.Block == block && kept.Layer == wanted)
                    .Select(kept => kept.Gradient.sum([0, 1]).MoveToOuterDisposeScope()),
            ]);
        return stack(parts).sum([0]);
    }

    private static double Projected(VisionTransformer model, Tensor images, Tensor probes, int block, string layer, Tensor change)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        string bias = layer == "proj" ? $"blocks.{block}.attn.proj.bias" : $"blocks.{block}.mlp.fc2.bias";
        using VisionTransformer moved = new(model.Weights.Map(model.Widths, (parameter, tensor) => parameter.Name == bias ? tensor + change : tensor.alias()));
        Tensor features = moved.Pool(moved.Tokens(images));
        return ((features / features.norm(1, keepdim: true)) * probes).sum().item<float>();
    }
}
