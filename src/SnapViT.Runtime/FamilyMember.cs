using Microsoft.ML.OnnxRuntime;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Export;

namespace SnapViT.Runtime;

/// <summary>
/// One size of a family: features and class scores of images. Its graph is opened at its first use, in some tens of milliseconds, and stays
/// open until the family is disposed. Thread-safe.
/// </summary>
public sealed class FamilyMember
{
    private readonly ViTFamily _family;
    private readonly Lazy<InferenceSession> _session;
    private long _latencyTicks = -1;

    internal FamilyMember(ViTFamily family, OnnxFamilyMember facts, Func<InferenceSession> open)
    {
        _family = family;
        _session = new Lazy<InferenceSession>(open, LazyThreadSafetyMode.ExecutionAndPublication);
        Name = Path.GetFileNameWithoutExtension(facts.Graph);
        (Parameters, Flops, Widths) = (facts.Parameters, facts.Flops, new SubnetWidths(facts.Blocks));
    }

    /// <summary>The name of its graph, such as <c>flops-0.6</c>.</summary>
    public string Name { get; }

    /// <summary>Its learned parameters.</summary>
    public long Parameters { get; }

    /// <summary>Its FLOPs per image.</summary>
    public long Flops { get; }

    /// <summary>What every block keeps.</summary>
    public SubnetWidths Widths { get; }

    /// <summary>Time of a forward pass, as <see cref="ViTFamily.MeasureLatency"/> found it; null before.</summary>
    public TimeSpan? Latency
    {
        get => Interlocked.Read(ref _latencyTicks) is long ticks and >= 0 ? TimeSpan.FromTicks(ticks) : null;
        internal set => Interlocked.Exchange(ref _latencyTicks, value?.Ticks ?? -1);
    }

    /// <summary>Features of one image file.</summary>
    /// <param name="path">The file: JPEG, PNG, WebP or BMP.</param>
    /// <returns><see cref="ViTFamily.FeatureDim"/> numbers.</returns>
    /// <exception cref="SnapViTException">It is no image, or a damaged one; or the family has no features.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public float[] Embed(string path) => Run(Output.Features, [ImageEntry.FromFile(path)], default);

    /// <summary>Features of one encoded image.</summary>
    /// <param name="encoded">The bytes of a JPEG, PNG, WebP or BMP file.</param>
    /// <returns><see cref="ViTFamily.FeatureDim"/> numbers.</returns>
    /// <exception cref="SnapViTException">They are no image, or a damaged one; or the family has no features.</exception>
    public float[] Embed(ReadOnlyMemory<byte> encoded) => Run(Output.Features, [ImageEntry.FromBytes("image", encoded)], default);

    /// <summary>Features of several images in one forward pass, in their order. All must be readable.</summary>
    /// <param name="images">The images, at least one.</param>
    /// <param name="cancellation">Stops between two images, and the forward pass.</param>
    /// <exception cref="SnapViTException">One is no image, or a damaged one; or the family has no features.</exception>
    /// <exception cref="IOException">One cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IReadOnlyList<ReadOnlyMemory<float>> Embed(IReadOnlyList<ImageEntry> images, CancellationToken cancellation = default) =>
        Rows(Run(Output.Features, images, cancellation), images.Count);

    /// <summary>Class scores of one image file by the model's own classifier.</summary>
    /// <param name="path">The file: JPEG, PNG, WebP or BMP.</param>
    /// <returns>Logits, one a class, in the order of <see cref="ViTFamily.ClassNames"/>.</returns>
    /// <exception cref="SnapViTException">It is no image, or a damaged one; or the family has no classifier.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public float[] Classify(string path) => Run(Output.Logits, [ImageEntry.FromFile(path)], default);

    /// <summary>Class scores of one encoded image.</summary>
    /// <param name="encoded">The bytes of a JPEG, PNG, WebP or BMP file.</param>
    /// <returns>Logits, one a class.</returns>
    /// <exception cref="SnapViTException">They are no image, or a damaged one; or the family has no classifier.</exception>
    public float[] Classify(ReadOnlyMemory<byte> encoded) => Run(Output.Logits, [ImageEntry.FromBytes("image", encoded)], default);

    /// <summary>Class scores of several images in one forward pass, in their order. All must be readable.</summary>
    /// <param name="images">The images, at least one.</param>
    /// <param name="cancellation">Stops between two images, and the forward pass.</param>
    /// <exception cref="SnapViTException">One is no image, or a damaged one; or the family has no classifier.</exception>
    /// <exception cref="IOException">One cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IReadOnlyList<ReadOnlyMemory<float>> Classify(IReadOnlyList<ImageEntry> images, CancellationToken cancellation = default) =>
        Rows(Run(Output.Logits, images, cancellation), images.Count);

    /// <summary>What of the model a graph gives.</summary>
    internal enum Output
    {
        Features,
        Logits,
    }

    internal InferenceSession Session
    {
        get
        {
            _family.RequireOpen();
            return _session.Value;
        }
    }

    /// <summary>One output for images that are prepared already.</summary>
    /// <param name="output">Which output.</param>
    /// <param name="prepared">Values [count, 3, S, S]; they must not change meanwhile.</param>
    /// <param name="count">Images.</param>
    /// <param name="cancellation">Stops the forward pass.</param>
    internal float[] Run(Output output, Memory<float> prepared, int count, CancellationToken cancellation)
    {
        string name = output == Output.Features ? "features" : "logits";
        InferenceSession session = Session;
        if (!session.OutputMetadata.ContainsKey(name))
        {
            string found = string.Join(" and ", session.OutputMetadata.Keys);
            throw new SnapViTException(ErrorKind.Architecture, $"{Name}: expected a graph with {name}, found one with {found} only");
        }

        int side = _family.Preprocessing.Side;
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, prepared, [count, 3, side, side]);
        using RunOptions options = new();
        using CancellationTokenRegistration stop = cancellation.Register(() => options.Terminate = true);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(options, ["images"], [input], [name]);
            return results[0].GetTensorDataAsSpan<float>().ToArray();
        }
        catch (OnnxRuntimeException stopped) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException("The forward pass was cancelled.", stopped, cancellation);
        }
    }

    internal void Close()
    {
        if (_session.IsValueCreated)
        {
            _session.Value.Dispose();
        }
    }

    private float[] Run(Output output, IReadOnlyList<ImageEntry> images, CancellationToken cancellation) =>
        Run(output, _family.Preprocessing.Prepare(images, cancellation), images.Count, cancellation);

    private static ReadOnlyMemory<float>[] Rows(float[] values, int count)
    {
        int length = values.Length / count;
        return [.. Enumerable.Range(0, count).Select(row => new ReadOnlyMemory<float>(values, row * length, length))];
    }
}
