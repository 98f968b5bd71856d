using SnapViT.Core.Architecture;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Export.Onnx;

/// <summary>
/// The forward pass of a Vision Transformer as an ONNX graph, step by step that of <see cref="VisionTransformer"/>. The residual stream is kept
/// as rows [batch*N, D], so that every linear layer is one Gemm. Branches without heads or neurons are their bias alone.
/// </summary>
internal sealed partial class TransformerGraph
{
    private readonly VisionTransformer _model;
    private readonly ViTArchitecture _architecture;
    private readonly OnnxGraph _graph = new();
    private readonly OnnxWeights _weights;

    private TransformerGraph(VisionTransformer model, OnnxPrecision precision, Func<string, ITensorStore> storeOf)
    {
        _model = model;
        _architecture = model.Architecture;
        _weights = new OnnxWeights(_graph, model.Weights, precision, storeOf);
    }

    /// <summary>Builds the graph and stores its weights.</summary>
    /// <param name="model">The model; stays the caller's.</param>
    /// <param name="options">Precision and outputs.</param>
    /// <param name="storeOf">Where the tensors go that are made of the weight of that canonical name.</param>
    /// <exception cref="ArgumentException">Logits are asked of a model without a classifier, or a weight does not fit the precision.</exception>
    public static OnnxGraph Build(VisionTransformer model, OnnxOptions options, Func<string, ITensorStore> storeOf)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        TransformerGraph transformer = new(model, options.Precision, storeOf);
        transformer.AddOutputs(transformer.Tokens(), OutputsOf(model.Architecture, options.Outputs));
        return transformer._graph;
    }

    private static OnnxOutputs OutputsOf(ViTArchitecture architecture, OnnxOutputs asked) => asked switch
    {
        OnnxOutputs.All => architecture.Classes > 0 ? OnnxOutputs.Features | OnnxOutputs.Logits : OnnxOutputs.Features,
        _ when asked.HasFlag(OnnxOutputs.Logits) && architecture.Classes == 0 =>
            throw new ArgumentException("outputs: expected features, for this model has no classifier; found logits"),
        _ => asked,
    };

    /// <summary>Tokens after the final norm, rows [batch*N, D].</summary>
    private string Tokens()
    {
        string x = Embed(_graph.Input("images", _architecture.Channels, _architecture.ImageSize, _architecture.ImageSize));
        for (int block = 0; block < _architecture.Depth; block++)
        {
            x = Block(x, _model.Widths[block], $"blocks.{block}.");
        }

        return _architecture.NormAfterPool ? x : _weights.Norm(x, "norm");
    }

    /// <summary>Patches in the places of their tokens, plus one table of everything that does not depend on the image: prefix tokens and positions.</summary>
    private string Embed(string images)
    {
        long width = _architecture.EmbedDim, patches = _architecture.Patches;
        string map = _weights.Convolution(images, "patch_embed.proj", _architecture.PatchSize);
        string rows = _graph.Transpose(_graph.Reshape(map, -1, width, patches), 0, 2, 1);
        Tensor table = _model.PlaceTokens(zeros(1, patches, width, device: _model.Weights["patch_embed.proj.weight"].device));
        string placed = _graph.Add(_graph.PadRows(rows, _architecture.PrefixTokens), _weights.Table("token_table", table));
        string x = _graph.Reshape(placed, -1, width);
        return _architecture.HasPreNorm ? _weights.Norm(x, "norm_pre") : x;
    }

    private string Block(string x, BlockWidths widths, string prefix)
    {
        x = AddBranch(x, Attention(x, widths.Heads, prefix), prefix + "ls1.gamma");
        return AddBranch(x, Mlp(x, widths.Neurons, prefix), prefix + "ls2.gamma");
    }

    private string AddBranch(string x, string branch, string layerScale) =>
        _graph.Add(x, _weights.Has(layerScale) ? _graph.Multiply(branch, _weights.Vector(layerScale)) : branch);

    private string Mlp(string x, int neurons, string prefix)
    {
        bool gated = _architecture.Mlp == MlpKind.SwiGlu;
        if (neurons == 0)
        {
            return _weights.Vector(prefix + (gated ? "mlp.w3.bias" : "mlp.fc2.bias"));
        }

        string input = _weights.Norm(x, prefix + "norm2");
        return gated
            ? _weights.Linear(_graph.Multiply(_graph.Silu(_weights.Linear(input, prefix + "mlp.w1")), _weights.Linear(input, prefix + "mlp.w2")), prefix + "mlp.w3")
            : _weights.Linear(_graph.Activate(_weights.Linear(input, prefix + "mlp.fc1"), _architecture.Activation), prefix + "mlp.fc2");
    }
}
