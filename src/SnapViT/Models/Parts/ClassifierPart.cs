using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>The model's own classifier; of distilled DeiT, the mean of its two.</summary>
internal sealed class ClassifierPart(ViTWeights weights, OutputSpec spec)
{
    private readonly ViTArchitecture _architecture = weights.Architecture;
    private readonly LinearLayer _classifier = new(weights, spec.Classifier!);
    private readonly LinearLayer? _distillation = LinearLayer.Find(weights, spec.DistillationClassifier);

    /// <summary>Whether the classifiers look at tokens of their own, not at the pooled feature.</summary>
    public bool ReadsTokens => _distillation is not null;

    /// <summary>Logits [B, classes] from pooled features [B, D].</summary>
    public Tensor OfFeatures(Tensor features) => _classifier.Forward(features);

    /// <summary>Logits [batch, classes] from pooled features [batch, D].</summary>
    public string OfFeatures(OnnxGraph graph, string features) => _classifier.Forward(graph, features);

    /// <summary>Logits [B, classes] from class and distillation token, tokens [B, N, D].</summary>
    public Tensor OfTokens(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor byClass = _classifier.Forward(tokens.select(1, 0)), byDistillation = _distillation!.Forward(tokens.select(1, 1));
        return byClass.Plus(byDistillation).Div(2).MoveToOuterDisposeScope();
    }

    /// <summary>Logits [batch, classes] from class and distillation token, tokens [batch, N, D].</summary>
    public string OfTokens(OnnxGraph graph, string tokens)
    {
        string byClass = _classifier.Forward(graph, Token(graph, tokens, 0)),
            byDistillation = _distillation!.Forward(graph, Token(graph, tokens, 1));
        return graph.Multiply(graph.Add(byClass, byDistillation), 0.5);
    }

    private string Token(OnnxGraph graph, string tokens, int index) =>
        graph.Reshape(graph.Slice(tokens, axis: 1, index, index + 1), -1, _architecture.EmbedDim);
}
