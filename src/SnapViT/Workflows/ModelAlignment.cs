using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Features;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Search;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// The alignment of all parts of a model (<see cref="KernelAlignment"/>), and the correlation matrix nearest to it, from which a search can
/// start.
/// </summary>
/// <param name="Alignment">CKA of every pair of parts, [n, n].</param>
/// <param name="Correlation">The nearest correlation matrix, [n, n].</param>
/// <param name="Skipped">Images that could not be read.</param>
internal sealed record ModelAlignment(double[,] Alignment, double[,] Correlation, IReadOnlyList<SkippedImage> Skipped)
{
    private const string AlignmentName = "cka", CorrelationName = "correlation", Weights = "weights_sha256";

    /// <summary>Measures a model.</summary>
    /// <param name="model">An unpruned model.</param>
    /// <param name="preprocessing">How images become its input.</param>
    /// <param name="images">The images; every pair of them is compared, so that memory grows with the square of their number.</param>
    /// <param name="batchSize">Images per forward pass, at least 1.</param>
    /// <param name="device">Where the model runs, in float32.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="SnapViTException">The model is pruned.</exception>
    /// <exception cref="ImageException">Too many images cannot be read.</exception>
    public static ModelAlignment Of(
        LoadedModel model, Preprocessing preprocessing, ImageSet images, int batchSize, Device device,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (model.IsPruned)
        {
            throw new SnapViTException(
                ErrorKind.Architecture, $"{model.Path}: expected an unpruned model, found one whose blocks were cut");
        }

        using VisionTransformer network = new(model.Model.Weights.To(ScalarType.Float32, device));
        using KernelAlignment alignment = new(network.Architecture);
        ImageConsumer consumer = new(
            images, ImagePreparation.Whole(preprocessing), batchSize, device, batch => alignment.Add(network, batch.Images));
        IProgress<WorkProgress>? job = JobProgress.Of(progress, TimeProvider.System);
        ImageReader reader = new(images, consumer) { Progress = (done, all) => job?.Report(new WorkProgress("photos", done, all)) };
        reader.Run(cancellation);
        double[,] matrix = alignment.Matrix();
        return new ModelAlignment(matrix, NearestCorrelation.Of(matrix, cancellation), [.. reader.Skipped]);
    }

    /// <summary>Writes both matrices as safetensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">The model that was measured.</param>
    /// <param name="images">The images it was measured on.</param>
    public void Save(string path, LoadedModel model, ImageSet images)
    {
        using Tensor alignment = OfMatrix(Alignment), correlation = OfMatrix(Correlation);
        SafetensorsWriter.Write(
            path,
            [ArchiveTensors.ToWrite(AlignmentName, alignment), ArchiveTensors.ToWrite(CorrelationName, correlation)],
            new Dictionary<string, string>
            {
                ["model"] = Path.GetFileName(model.Path),
                [Weights] = model.WeightsSha256,
                ["images"] = FormattableString.Invariant($"{images.Count}"),
                ["images_sha256"] = images.Hash(),
            });
    }

    /// <summary>Reads a covariance for the search of a model from a file that <see cref="Save"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">The model that is searched for.</param>
    /// <exception cref="SnapViTException">The file has no such matrix, or it is one of another model.</exception>
    public static InitialCovariance Covariance(string path, LoadedModel model)
    {
        using SafetensorsReader archive = SafetensorsReader.Open(path);
        ViTArchitecture a = model.Model.Architecture;
        long n = a.Depth * (1 + a.Heads);
        if (!archive.Tensors.TryGetValue(CorrelationName, out TensorEntry? entry) || !entry.Shape.SequenceEqual([n, n]))
        {
            string found = entry is null ? "none" : $"[{string.Join(", ", entry.Shape)}]";
            throw new SnapViTException(
                ErrorKind.File, $"{path}: expected a matrix '{CorrelationName}' [{n}, {n}], as 'snapvit cka' writes it; found {found}");
        }

        if (archive.Metadata.TryGetValue(Weights, out string? weights) && weights != model.WeightsSha256)
        {
            throw new SnapViTException(
                ErrorKind.File, $"{path}: expected a matrix of {Path.GetFileName(model.Path)}, found one of another model");
        }

        double[,] matrix = new double[n, n];
        Buffer.BlockCopy(archive.ReadDoubles(CorrelationName), 0, matrix, 0, matrix.Length * sizeof(double));
        return new InitialCovariance(matrix);
    }

    private static Tensor OfMatrix(double[,] matrix) => tensor(matrix.Cast<double>().ToArray(), [matrix.GetLength(0), matrix.GetLength(1)]);
}
