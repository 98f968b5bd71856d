using Google.Protobuf;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Onnx;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Export;

/// <summary>
/// Models as ONNX graphs (opset 17): input <c>images</c>, float32 [batch, 3, S, S], normalised; outputs <c>features</c> and <c>logits</c>;
/// the batch is free. The metadata key <see cref="ModelConfig.MetadataKey"/> holds the model's config: widths, preprocessing, provenance.
/// </summary>
internal static class OnnxExport
{
    /// <summary>The operator set of the graphs.</summary>
    public const int Opset = OnnxGraph.Opset;

    /// <summary>What the name of the file of weights adds to that of the graph.</summary>
    public const string DataSuffix = ".data";

    /// <summary>Writes a model; weights beyond <see cref="OnnxOptions.InlineLimit"/> go into <c>path.data</c> beside it.</summary>
    /// <param name="path">The .onnx file to write; atomically.</param>
    /// <param name="model">The model, pruned or not; stays the caller's.</param>
    /// <param name="config">What the graph says about itself; its architecture and widths must be the model's.</param>
    /// <param name="options">Precision and outputs; null for the defaults.</param>
    /// <returns>The files written: the graph, and its weights where they are beside it.</returns>
    /// <exception cref="SnapViTException">
    /// Logits are asked of a model without a classifier, or a weight does not fit the precision.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static IReadOnlyList<string> Save(string path, VisionTransformer model, ModelConfig config, OnnxOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(config);
        options ??= new OnnxOptions();
        if (CostModel.Parameters(model.Architecture, model.Widths) * sizeof(float) <= options.InlineLimit)
        {
            InlineTensors inside = new();
            Write(path, Build(model, options, _ => inside), config);
            return [path];
        }

        // The weights first: a graph never stands there without them.
        string data = path + DataSuffix;
        OnnxGraph? graph = null;
        AtomicFile.Write(data, stream =>
        {
            ExternalTensors beside = new(stream, Path.GetFileName(data));
            graph = Build(model, options, _ => beside);
        });
        Write(path, graph!, config);
        return [path, data];
    }

    internal static void Write(string path, OnnxGraph graph, ModelConfig config) =>
        AtomicFile.Write(path, stream => graph.Model([KeyValuePair.Create(ModelConfig.MetadataKey, config.ToJson())]).WriteTo(stream));

    /// <summary>Builds the graph of a model and stores its weights.</summary>
    /// <param name="model">The model; stays the caller's.</param>
    /// <param name="options">Precision and outputs.</param>
    /// <param name="storeOf">Where the tensors go that are made of the weight of that canonical name.</param>
    /// <exception cref="SnapViTException">
    /// Logits are asked of a model without a classifier, or a weight does not fit the precision.
    /// </exception>
    internal static OnnxGraph Build(VisionTransformer model, OnnxOptions options, Func<string, ITensorStore> storeOf)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        ViTArchitecture a = model.Architecture;
        OnnxOutputs outputs = OutputsOf(a, options.Outputs);
        OnnxGraph graph = new(options.Precision, storeOf);
        bool wantsFeatures = outputs.HasFlag(OnnxOutputs.Features), wantsLogits = outputs.HasFlag(OnnxOutputs.Logits);
        string images = graph.Input("images", a.Channels, a.ImageSize, a.ImageSize);
        (string? features, string? logits) = model.Outputs(graph, images, wantsFeatures, wantsLogits);
        if (wantsFeatures)
        {
            graph.Output("features", features!, a.FeatureDim);
        }

        if (wantsLogits)
        {
            graph.Output("logits", logits!, a.Classes);
        }

        return graph;
    }

    /// <summary>The outputs that a graph of such a model has.</summary>
    /// <param name="architecture">The model's.</param>
    /// <param name="asked">What was asked for.</param>
    /// <exception cref="SnapViTException">Logits are asked of a model without a classifier.</exception>
    internal static OnnxOutputs OutputsOf(ViTArchitecture architecture, OnnxOutputs asked) => asked switch
    {
        OnnxOutputs.All => architecture.Classes > 0 ? OnnxOutputs.Features | OnnxOutputs.Logits : OnnxOutputs.Features,
        _ when asked.HasFlag(OnnxOutputs.Logits) && architecture.Classes == 0 =>
            throw new SnapViTException(ErrorKind.Option, "outputs: expected features, for this model has no classifier; found logits"),
        _ => asked,
    };
}
