using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary>A linear layer. Its tensors belong to the weights that they were found in.</summary>
internal sealed class LinearLayer
{
    /// <summary>Finds the tensors of a layer.</summary>
    public LinearLayer(ViTWeights weights, LinearSpec spec)
        : this(spec, weights[spec.Weight], weights.Find(spec.Bias))
    {
    }

    private LinearLayer(LinearSpec spec, Tensor weight, Tensor? bias) => (Spec, Weight, Bias) = (spec, weight, bias);

    /// <summary>Names, shapes and pruned dimensions.</summary>
    public LinearSpec Spec { get; }

    /// <summary>Weight in model layout: [out, in], or the outputs in several dimensions.</summary>
    public Tensor Weight { get; }

    /// <summary>Bias in model layout: [out]; null where the layer has none.</summary>
    public Tensor? Bias { get; }

    /// <summary>The weight as [out, in], outputs of heads head by head: a view where the kept ones lie side by side, else a copy.</summary>
    public Tensor Matrix() =>
        Spec.Weight.Layout.IsHeadMajor ? Spec.Weight.HeadRows(Weight) : Weight.reshape(Spec.Weight.Shape[0], -1);

    /// <summary>The layer of those weights, or null where the model has no such layer.</summary>
    public static LinearLayer? Find(ViTWeights weights, LinearSpec? spec) => spec is null ? null : new LinearLayer(weights, spec);

    /// <summary>The same layer with handles of its own, which the caller disposes.</summary>
    public LinearLayer Alias() => new(Spec, Weight.alias().DetachFromDisposeScope(), Bias?.alias().DetachFromDisposeScope());

    /// <summary>x [.., in] to [.., out], in the weight's precision.</summary>
    public Tensor Forward(Tensor x)
    {
        if (x.dtype == Weight.dtype && Weight.dim() == 2)
        {
            return F.linear(x, Weight, Bias);
        }

        using DisposeScope scope = NewDisposeScope();
        return F.linear(x.to(Weight.dtype), Matrix(), Bias?.reshape(-1)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// x [.., in] to [.., out]. A weight whose inputs are pruned is stored input-major, so that what a sub-network keeps of any weight in
    /// importance order is its first rows, one contiguous piece.
    /// </summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Rows.</param>
    /// <param name="heads">How its pruned outputs, or else its inputs, belong to heads; null where they do not.</param>
    public string Forward(OnnxGraph graph, string x, HeadRows? heads = null)
    {
        using DisposeScope scope = NewDisposeScope();
        bool inputMajor = Spec.Weight.PrunedInputs.Count > 0;
        string matrix = inputMajor
            ? graph.Weights.Matrix(Spec.Weight.Name, Matrix().t(), outputs: 1, suffix: ".transposed", heads)
            : graph.Weights.Matrix(Spec.Weight.Name, Matrix(), outputs: 0, suffix: "", heads);
        return graph.Gemm(x, matrix, Bias is null ? null : OnnxBias(graph, inputMajor ? null : heads), transposed: !inputMajor);
    }

    /// <summary>The bias as a value of a graph, [out].</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="heads">How it belongs to heads; null where it does not.</param>
    public string OnnxBias(OnnxGraph graph, HeadRows? heads = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return graph.Weights.Vector(Spec.Bias!.Name, Spec.Bias.Layout.IsHeadMajor ? Spec.Bias.HeadRows(Bias!) : Bias!, heads);
    }
}
