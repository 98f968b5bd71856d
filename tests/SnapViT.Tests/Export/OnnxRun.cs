using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace SnapViT.Tests.Export;

/// <summary>A graph in ONNX Runtime, the other engine that exports are compared with.</summary>
internal sealed class OnnxRun : IDisposable
{
    private readonly InferenceSession _session;

    /// <summary>Loads a graph.</summary>
    /// <param name="path">The graph.</param>
    /// <param name="exact">
    /// Whether 8-bit weights meet float32 activations. By default ONNX Runtime fuses dequantisation and product and rounds activations to 8 bits too.
    /// </param>
    public OnnxRun(string path, bool exact = true)
    {
        using SessionOptions options = new() { IntraOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        if (exact)
        {
            options.AddSessionConfigEntry("session.qdq_matmulnbits_accuracy_level", "1");
        }

        _session = new InferenceSession(path, options);
    }

    public IEnumerable<string> Outputs => _session.OutputMetadata.Keys;

    public IReadOnlyDictionary<string, string> Metadata => _session.ModelMetadata.CustomMetadataMap;

    /// <summary>One output of the graph for images [B, 3, S, S].</summary>
    public Tensor Run(string output, Tensor images)
    {
        float[] pixels = images.contiguous().data<float>().ToArray();
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(pixels, images.shape);
        using RunOptions options = new();
        using IDisposableReadOnlyCollection<OrtValue> results = _session.Run(options, ["images"], [input], [output]);
        return tensor(results[0].GetTensorDataAsSpan<float>().ToArray(), results[0].GetTensorTypeAndShape().Shape);
    }

    public void Dispose() => _session.Dispose();
}
