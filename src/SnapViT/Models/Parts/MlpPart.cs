using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models.Parts;

/// <summary>An MLP over the neurons that are kept: standard, or SwiGLU.</summary>
internal sealed class MlpPart(ViTWeights weights, MlpSpec spec)
{
    private readonly Activation _activation = weights.Architecture.Activation;

    /// <summary>The first layer: <c>fc1</c>, or SwiGLU's gate <c>w1</c>.</summary>
    public LinearLayer First { get; } = new(weights, spec.First);

    /// <summary>SwiGLU's <c>w2</c>; null in a standard MLP.</summary>
    public LinearLayer? Gated { get; } = LinearLayer.Find(weights, spec.Gated);

    /// <summary>The last layer: <c>fc2</c>, or SwiGLU's <c>w3</c>.</summary>
    public LinearLayer Last { get; } = new(weights, spec.Last);

    /// <summary>Whether no neuron is left; the branch is then the bias of <see cref="Last"/> alone.</summary>
    public bool IsEmpty => spec.Neurons == 0;

    /// <summary>Tokens after the norm, [.., D] to [.., D].</summary>
    /// <param name="x">Tokens.</param>
    /// <param name="hook">Sees the first and the last layer of a block's MLP; null for none.</param>
    public Tensor Forward(Tensor x, IForwardHook? hook = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor input = x.to(First.Weight.dtype);
        Tensor hidden = First.Forward(input);
        Observe(hook, spec.First, input, hidden);
        Tensor active = Gated is null ? Activate(hidden) : F.silu(hidden) * Gated.Forward(input);
        Tensor output = Last.Forward(active);
        Observe(hook, spec.Last, active, output);
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>Tokens after the norm, rows [.., D] to [.., D].</summary>
    public string Forward(OnnxGraph graph, string x)
    {
        string hidden = First.Forward(graph, x);
        if (Gated is null)
        {
            return Last.Forward(graph, Activate(graph, hidden));
        }

        string silu = graph.Multiply(hidden, graph.Sigmoid(hidden));
        return Last.Forward(graph, graph.Multiply(silu, Gated.Forward(graph, x)));
    }

    private static void Observe(IForwardHook? hook, LinearSpec layer, Tensor input, Tensor output)
    {
        if (layer is { Weight.Block: int block, Layer: BlockLinear seen })
        {
            hook?.Observe(block, seen, input, output);
        }
    }

    private Tensor Activate(Tensor x) => _activation switch
    {
        Activation.GeluErf => F.gelu(x),
        Activation.GeluTanh => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh),
        Activation.QuickGelu => x * sigmoid(x.Times(1.702)),
        _ => throw new InvalidOperationException($"unknown activation {_activation}"),
    };

    private string Activate(OnnxGraph graph, string x) => _activation switch
    {
        // x/2 (1 + erf(x / sqrt 2)), in the order of operations that ONNX Runtime knows and fuses.
        Activation.GeluErf => graph.Multiply(
            graph.Multiply(x, graph.Add(graph.Node("Erf", [graph.Node("Div", [x, graph.Number(Math.Sqrt(2))])]), graph.Number(1))), 0.5),
        Activation.GeluTanh => GeluTanh(graph, x),
        Activation.QuickGelu => graph.Multiply(x, graph.Sigmoid(graph.Multiply(x, 1.702))),
        _ => throw new InvalidOperationException($"unknown activation {_activation}"),
    };

    /// <summary><c>x/2 (1 + tanh(sqrt(2/pi) x (1 + 0.044715 x^2)))</c>.</summary>
    private static string GeluTanh(OnnxGraph graph, string x)
    {
        string cubic = graph.Multiply(x, graph.Add(graph.Multiply(graph.Multiply(x, x), 0.044715), graph.Number(1)));
        string tanh = graph.Node("Tanh", [graph.Multiply(cubic, Math.Sqrt(2 / Math.PI))]);
        return graph.Multiply(graph.Multiply(x, 0.5), graph.Add(tanh, graph.Number(1)));
    }
}
