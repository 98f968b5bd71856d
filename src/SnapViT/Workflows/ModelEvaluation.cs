using System.Diagnostics;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Evaluation;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// Measures any number of models on the same images in one pass: every batch is decoded once and goes through all of them, side by side.
/// </summary>
/// <param name="preprocessing">How images become the models' input.</param>
/// <param name="batchSize">Images per forward pass, at least 1.</param>
/// <param name="device">Where the models run.</param>
/// <param name="progress">Told how far the work is; null for nobody.</param>
/// <exception cref="SnapViTException">The batch size is below 1.</exception>
public sealed class ModelEvaluation(Preprocessing preprocessing, int batchSize, Device device, IProgress<WorkProgress>? progress = null)
{
    /// <summary>Images that could not be read.</summary>
    public IReadOnlyList<SkippedImage> Skipped => _skipped;

    private readonly List<SkippedImage> _skipped = [];
    private readonly int _batchSize = batchSize >= 1 ? batchSize : throw new SnapViTException(ErrorKind.Option, $"batch: expected at least 1, found {batchSize}");

    /// <summary>Measures models.</summary>
    /// <param name="models">Models of one architecture, whatever their widths; stay the caller's.</param>
    /// <param name="test">Labelled test images.</param>
    /// <param name="train">Labelled training images for k-NN, of the same classes; null to leave k-NN out.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>One row per model.</returns>
    /// <exception cref="ImageException">Images have no labels, too many cannot be read, or the classes of the two sets differ.</exception>
    public IReadOnlyList<EvaluationRow> Run(IReadOnlyList<VisionTransformer> models, ImageSet test, ImageSet? train, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(test);
        test = test.Labelled();
        train = train?.Labelled();
        using Pass? training = train is null ? null : Embed(models, train, "training images", new Wanted(Features: true, Hits: false), cancellation);
        if (train is not null && !train.Classes.SequenceEqual(test.Classes))
        {
            throw new ImageException(train.Source, $"expected the classes of {test.Source} ({test.Classes.Count}), found others ({train.Classes.Count})");
        }

        bool classify = models.Count > 0 && models[0].Architecture.Classes > 0 && models[0].Architecture.Classes == test.Classes.Count;
        using Pass testing = Embed(models, test, "test images", new Wanted(Features: training is not null, Hits: classify), cancellation);
        return [.. models.Select((model, index) => Row(model, index, testing, training, classify))];
    }

    private static EvaluationRow Row(VisionTransformer model, int index, Pass testing, Pass? training, bool classify)
    {
        ViTArchitecture a = model.Architecture;
        PruningRatios removed = PruningRatios.Of(a, model.Widths);
        return new EvaluationRow(
            removed,
            CostModel.Parameters(a, model.Widths),
            CostModel.Flops(a, model.Widths),
            classify ? testing.Correct[index] / (double)testing.Labels.Count : null,
            training is null ? null : Neighbours(testing, training, index),
            testing.Labels.Count / testing.Seconds[index]);
    }

    private static double Neighbours(Pass testing, Pass training, int index)
    {
        using Tensor train = cat(training.Features[index], 0);
        using Tensor test = cat(testing.Features[index], 0);
        using NearestNeighbours neighbours = new(train, training.Labels, Math.Min(NearestNeighbours.PaperNeighbours, training.Labels.Count));
        return neighbours.Accuracy(test, testing.Labels);
    }

    private Pass Embed(IReadOnlyList<VisionTransformer> models, ImageSet images, string stage, Wanted wanted, CancellationToken cancellation)
    {
        Pass pass = new(models.Count, wanted);
        try
        {
            ImageConsumer consumer = new(images, ImagePreparation.Whole(preprocessing), _batchSize, device, batch => pass.Add(models, batch));
            ImageReader reader = new(images, consumer) { Progress = (done, all) => progress?.Report(new WorkProgress(stage, done, all)) };
            reader.Run(cancellation);
            _skipped.AddRange(reader.Skipped);
            return pass;
        }
        catch
        {
            pass.Dispose();
            throw;
        }
    }

    /// <summary>What is kept of a pass: features only for k-NN, for they grow with the images.</summary>
    private readonly record struct Wanted(bool Features, bool Hits);

    /// <summary>Features, hits and seconds of every model over one set of images.</summary>
    private sealed class Pass(int models, Wanted wanted) : IDisposable
    {
        public List<int> Labels { get; } = [];

        public List<Tensor>[] Features { get; } = [.. Enumerable.Range(0, models).Select(_ => new List<Tensor>())];

        public long[] Correct { get; } = new long[models];

        public double[] Seconds { get; } = new double[models];

        public void Add(IReadOnlyList<VisionTransformer> models, ImageBatch batch)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable frozen = no_grad();
            Tensor images = batch.Images, labels = batch.Labels();
            Labels.AddRange(batch.Entries.Select(entry => entry.Label!.Value));
            for (int index = 0; index < models.Count; index++)
            {
                Stopwatch watch = Stopwatch.StartNew();
                Tensor tokens = models[index].Tokens(images);
                Tensor features = models[index].Pool(tokens);
                if (images.device_type == DeviceType.CUDA)
                {
                    // A GPU is asked, not waited for: without this the clock would see the asking only.
                    cuda.synchronize();
                }

                Seconds[index] += watch.Elapsed.TotalSeconds;
                if (wanted.Features)
                {
                    Features[index].Add(features.DetachFromDisposeScope());
                }

                if (wanted.Hits)
                {
                    Correct[index] += models[index].Classify(tokens).argmax(1).eq(labels).sum().item<long>();
                }
            }
        }

        public void Dispose()
        {
            foreach (Tensor feature in Features.SelectMany(list => list))
            {
                feature.Dispose();
            }
        }
    }
}
