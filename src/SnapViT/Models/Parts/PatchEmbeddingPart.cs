using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>The patch embedding: a convolution whose kernel and step are the patch size.</summary>
internal sealed class PatchEmbeddingPart(ViTWeights weights, PatchEmbeddingSpec spec)
{
    private readonly ViTArchitecture _architecture = weights.Architecture;
    private readonly LinearLayer _convolution = new(weights, spec.Layer);

    /// <summary>Images [B, 3, S, S] to patch tokens, float32 [B, P, D]: a linear layer over patches that do not overlap.</summary>
    public Tensor Forward(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        long grid = _architecture.Grid, side = _architecture.PatchSize, channels = _architecture.Channels;
        Tensor patches = images.reshape(images.shape[0], channels, grid, side, grid, side)
            .permute(0, 2, 4, 1, 3, 5)
            .reshape(images.shape[0], grid * grid, channels * side * side);
        return _convolution.Forward(patches).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>Images [batch, 3, S, S] to patch tokens, [batch, P, D].</summary>
    public string Forward(OnnxGraph graph, string images)
    {
        string kernel = graph.Weights.Matrix(spec.Layer.Weight.Name, _convolution.Weight, outputs: 0);
        string map = graph.Convolution(
            images, kernel, _convolution.Bias is null ? null : _convolution.OnnxBias(graph), _architecture.PatchSize);
        return graph.Transpose(graph.Reshape(map, -1, _architecture.EmbedDim, _architecture.Patches), 0, 2, 1);
    }
}
