using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Onnx;
using SnapViT.Workflows;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT;

/// <summary>
/// A sub-network for one budget: features, class scores and patch tokens of images, and the formats it is written in. Disposing it never
/// touches the elastic model. Thread-safe, but for <see cref="Dispose"/>.
/// </summary>
/// <remarks>
/// Every method that takes a tensor takes normalised images, float32 [B, 3, S, S] on the sub-network's device, with S the model's image
/// size. Encoded images (JPEG, PNG, WebP, BMP) are decoded and prepared as <see cref="Preprocessing"/> says. Results are the caller's.
/// </remarks>
public sealed class Subnet : IDisposable
{
    private const int MostPhotos = 256;
    private const int PhotosPerBatch = 16;

    private readonly VisionTransformer _model;
    private bool _disposed;

    internal Subnet(VisionTransformer model, SubnetPlan plan, SubnetSource source, string correction)
    {
        _model = model;
        Correction = correction;
        Plan = plan;
        Source = source;
    }

    /// <summary>The network, owned by this object.</summary>
    /// <exception cref="ObjectDisposedException">This object is disposed.</exception>
    public VisionTransformer Model
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _model;
        }
    }

    /// <summary>Widths, parameters and FLOPs of the sub-network.</summary>
    public SubnetPlan Plan { get; }

    /// <summary>How images become the model's input.</summary>
    public Preprocessing Preprocessing => Source.Preprocessing;

    /// <summary>What every file of this sub-network says about it: widths, preprocessing, provenance.</summary>
    public ModelConfig Config => Source.Config(Plan, Correction, Model.Weights.RotaryPairs);

    internal SubnetSource Source { get; }

    /// <summary>How it was corrected, in words.</summary>
    internal string Correction { get; }

    /// <summary>Pooled features, without gradients.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <returns>Features, float32 [B, D] (CLIP: [B, projection width]).</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    /// <exception cref="ObjectDisposedException">This object is disposed.</exception>
    public Tensor Embed(Tensor images) => Model.Embed(images);

    /// <summary>Pooled features of one image file, [1, D].</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SnapViTException">It is no image, or a damaged one.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public Tensor Embed(string path) => Apply(Model.Embed, [ImageEntry.FromFile(path)]);

    /// <summary>Pooled features of one encoded image, [1, D].</summary>
    /// <param name="encoded">The bytes of a JPEG, PNG, WebP, BMP or TIFF file.</param>
    /// <exception cref="SnapViTException">They are no image, or a damaged one.</exception>
    public Tensor Embed(ReadOnlySpan<byte> encoded) => Apply(Model.Embed, Decode(encoded));

    /// <summary>Pooled features of one encoded image, [1, D].</summary>
    /// <param name="encoded">A stream of the bytes of a JPEG, PNG, WebP, BMP or TIFF file; read to its end, stays the caller's.</param>
    /// <exception cref="SnapViTException">They are no image, or a damaged one.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public Tensor Embed(Stream encoded) => Apply(Model.Embed, Decode(encoded));

    /// <summary>
    /// Pooled features of several images in one forward pass, [B, D]: of files, bytes or whatever opens. All must be readable.
    /// </summary>
    /// <param name="images">The images, at least one.</param>
    /// <exception cref="SnapViTException">One is no image, or a damaged one.</exception>
    /// <exception cref="IOException">One cannot be read.</exception>
    public Tensor Embed(IReadOnlyList<ImageEntry> images) => Apply(Model.Embed, images);

    /// <summary>Class scores by the model's own classifier, without gradients.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <returns>Logits, float32 [B, classes].</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    /// <exception cref="SnapViTException">The model has no classifier.</exception>
    /// <exception cref="ObjectDisposedException">This object is disposed.</exception>
    public Tensor Classify(Tensor images) => Model.Logits(images);

    /// <summary>Class scores of one image file, [1, classes].</summary>
    /// <inheritdoc cref="Embed(string)"/>
    /// <exception cref="SnapViTException">The model has no classifier.</exception>
    public Tensor Classify(string path) => Apply(Model.Logits, [ImageEntry.FromFile(path)]);

    /// <summary>Class scores of one encoded image, [1, classes].</summary>
    /// <inheritdoc cref="Embed(ReadOnlySpan{byte})"/>
    /// <exception cref="SnapViTException">The model has no classifier.</exception>
    public Tensor Classify(ReadOnlySpan<byte> encoded) => Apply(Model.Logits, Decode(encoded));

    /// <summary>Class scores of one encoded image, [1, classes].</summary>
    /// <inheritdoc cref="Embed(Stream)"/>
    /// <exception cref="SnapViTException">The model has no classifier.</exception>
    public Tensor Classify(Stream encoded) => Apply(Model.Logits, Decode(encoded));

    /// <summary>Class scores of several images in one forward pass, [B, classes].</summary>
    /// <inheritdoc cref="Embed(IReadOnlyList{ImageEntry})"/>
    /// <exception cref="SnapViTException">The model has no classifier.</exception>
    public Tensor Classify(IReadOnlyList<ImageEntry> images) => Apply(Model.Logits, images);

    /// <summary>
    /// One vector per patch after the final norm, without gradients; class, distillation and register tokens are left out.
    /// </summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <returns>Tokens, float32 [B, P, D], the patches row by row.</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    /// <exception cref="ObjectDisposedException">This object is disposed.</exception>
    public Tensor PatchTokens(Tensor images) => ImageEmbedding.PatchTokens(Model, images);

    /// <summary>
    /// Features of all images of a set, in its order. Images that cannot be read are left out and listed.
    /// </summary>
    /// <param name="images">The images; labels are not used.</param>
    /// <param name="batchSize">Images per forward pass, at least 1.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>The caller's.</returns>
    /// <exception cref="ImageException">More than a tenth of the images cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public ImageFeatures EmbedFolder(
        ImageSet images, int batchSize = 32, IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        EmbeddedImages embedded = ImageEmbedding.Run(
            Model.Embed, Preprocessing, images, batchSize, Model.Weights.Device, progress, cancellation);
        return new ImageFeatures(embedded.Features, [.. embedded.Entries.Select(entry => entry.Name)], embedded.Skipped);
    }

    /// <inheritdoc cref="EmbedFolder(ImageSet, int, IProgress{WorkProgress}, CancellationToken)"/>
    /// <param name="folder">A folder, whose sub-folders count, an archive or a data set; after a <c>#</c> one split of it.</param>
    /// <param name="batchSize">Images per forward pass, at least 1.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public ImageFeatures EmbedFolder(
        string folder, int batchSize = 32, IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default) =>
        EmbedFolder(ImageSet.Open(folder), batchSize, progress, cancellation);

    /// <summary>
    /// Writes the model and its config beside it, such as <c>small.safetensors</c> and <c>small.config.json</c>, atomically.
    /// </summary>
    /// <param name="path">The file to write: a PyTorch state dict for <c>.pt</c>, <c>.pth</c> and <c>.bin</c>, else safetensors.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public IReadOnlyList<string> Save(string path)
    {
        ModelConfig config = Config;
        ModelFile.Save(path, Model, config);
        return [path, ModelFile.SaveConfig(path, config)];
    }

    /// <summary>
    /// Writes an ONNX graph (opset 17): input <c>images</c>, outputs <c>features</c> and <c>logits</c>; large weights go into a file beside
    /// it.
    /// </summary>
    /// <param name="path">The .onnx file to write; atomically.</param>
    /// <param name="options">Precision and outputs; null for the defaults.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="SnapViTException">
    /// Logits are asked of a model without a classifier, or a weight does not fit the precision.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public IReadOnlyList<string> ToOnnx(string path, OnnxOptions? options = null) => OnnxExport.Save(path, Model, Config, options);

    /// <summary>Writes a PyTorch state dict with the names of timm's <c>VisionTransformer</c>, atomically.</summary>
    /// <param name="path">The file to write.</param>
    /// <exception cref="SnapViTException">timm's <c>VisionTransformer</c> has no such model.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveTorch(string path) => TorchStateDict.Save(path, Model);

    /// <summary>
    /// Writes a folder as model hubs take it: <c>model.safetensors</c>, <c>config.json</c> and a model card; it is complete or not there.
    /// </summary>
    /// <param name="folder">The folder to write: new or empty.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public IReadOnlyList<string> SaveHubFolder(string folder) => HubFolder.Save(folder, Model, Config);

    /// <summary>How far the weights of an ONNX precision give what these weights give, on photos.</summary>
    /// <param name="precision">How the graph's weights are stored.</param>
    /// <param name="photos">Photos, of which at most 256 are compared; labels are not used.</param>
    /// <param name="seed">Seed of their choice.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ImageException">Too many photos cannot be read.</exception>
    public ModelAgreement CompareOnnx(
        OnnxPrecision precision, ImageSet photos, ulong seed = 42,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(photos);
        using VisionTransformer dequantized = DequantizedModel.Of(Model, precision);
        return ModelAgreement.Measure(
            Model, dequantized, photos.Sample(MostPhotos, seed), Preprocessing, PhotosPerBatch, progress, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        _model.Dispose();
    }

    private static RgbImage Decode(ReadOnlySpan<byte> encoded) => ImageDecoder.Decode(encoded, "image");

    private static RgbImage Decode(Stream encoded) => ImageDecoder.Decode(encoded, "image");

    private Tensor Apply(Func<Tensor, Tensor> network, IReadOnlyList<ImageEntry> images) =>
        Apply(network, Preprocessing.Prepare(images), images.Count);

    private Tensor Apply(Func<Tensor, Tensor> network, RgbImage image) => Apply(network, Preprocessing.Apply(image), 1);

    private Tensor Apply(Func<Tensor, Tensor> network, float[] values, int count)
    {
        using Tensor prepared = tensor(values, [count, 3, Preprocessing.Side, Preprocessing.Side]);
        return OnCpu(network, prepared);
    }

    /// <summary>What the network gives for images on the CPU, on the CPU.</summary>
    private Tensor OnCpu(Func<Tensor, Tensor> network, Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        return network(images.to(Model.Weights.Device)).cpu().MoveToOuterDisposeScope();
    }
}
