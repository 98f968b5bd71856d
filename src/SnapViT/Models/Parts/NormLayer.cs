using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary>A LayerNorm, in float32 whatever the precision of the model.</summary>
internal sealed class NormLayer
{
    private readonly NormSpec _spec;
    private readonly Tensor _weight;
    private readonly Tensor _bias;

    /// <summary>Finds the tensors of a norm.</summary>
    public NormLayer(ViTWeights weights, NormSpec spec) => (_spec, _weight, _bias) = (spec, weights[spec.Weight], weights[spec.Bias]);

    /// <summary>x [.., D] to [.., D].</summary>
    public Tensor Forward(Tensor x) => F.layer_norm(x, [_weight.shape[0]], _weight, _bias, _spec.Epsilon);

    /// <summary>x [.., D] to [.., D].</summary>
    public string Forward(OnnxGraph graph, string x) => graph.LayerNorm(
        x, graph.Weights.Vector(_spec.Weight.Name, _weight), graph.Weights.Vector(_spec.Bias.Name, _bias), _spec.Epsilon);
}
