using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>The first part of a build: local scores of a model by the criterion of its options.</summary>
/// <param name="source">The unpruned model.</param>
/// <param name="files">Images that are scored on.</param>
/// <param name="calibration">Images that second moments are taken of; the curvature of features as well.</param>
/// <param name="preprocessing">How they become the model's input.</param>
/// <param name="options">The build's.</param>
/// <param name="progress">Told how far the work is; null for nobody.</param>
internal sealed class LocalScoring(
    LoadedModel source,
    ImageSet files,
    ImageSet calibration,
    Preprocessing preprocessing,
    BuildOptions options,
    IProgress<WorkProgress>? progress)
{
    private readonly CriterionRow _criterion = CriterionTable.Of(options.Criterion);

    /// <summary>Files that could not be read.</summary>
    public IReadOnlyList<SkippedImage> Skipped { get; private set; } = [];

    private DistillationPairs Pairs => options.Crops == CropProtocol.Reference ? DistillationPairs.OnePair : DistillationPairs.TwoGlobalTenLocal;

    /// <summary>Fails where a criterion asks for labels that the model or the images lack.</summary>
    /// <exception cref="ArgumentException">The model has no classifier.</exception>
    /// <exception cref="ImageException">The images are not those of the model's classes.</exception>
    public static void RequireLabels(LoadedModel source, ImageSet images, BuildOptions options)
    {
        CriterionRow criterion = CriterionTable.Of(options.Criterion);
        int classes = source.Model.Architecture.Classes;
        if (criterion.Source != ScoreSource.LabelledImages)
        {
            return;
        }

        if (classes == 0)
        {
            throw new ArgumentException($"criterion {criterion.Name}: expected a model with a classifier, found none in {source.Path}");
        }

        if (images.Classes.Count != classes || !images.IsLabelled)
        {
            throw new ImageException(
                images.Source, $"criterion {criterion.Name}: expected images of the model's {classes} classes, one sub-folder each or by --labels, found {images.Classes.Count}");
        }
    }

    /// <summary>Scores the model.</summary>
    /// <param name="model">The model in the precision and on the device of the build.</param>
    /// <param name="moments">Second moments of its activations; null where the criterion needs none.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public ImportanceScores Run(VisionTransformer model, CalibrationMoments? moments, CancellationToken cancellation)
    {
        ImportanceScores scores = _criterion switch
        {
            { Source: ScoreSource.Weights } => _criterion.OfWeights(source.Model.Weights, options.Seed),
            { NeedsMoments: true } => Curvature(model, moments!, cancellation),
            _ => Gradients(model, cancellation),
        };
        return options.Normalisation == ScoreNormalisation.Block ? scores.DividedByBlockMean() : scores;
    }

    private ImportanceScores Curvature(VisionTransformer model, CalibrationMoments moments, CancellationToken cancellation)
    {
        using CurvatureEstimator loss = new(model);
        Read(Crops(), (images, _) => loss.Add(images, Pairs), () => MeanLoss(loss.LossSum, loss.Images), cancellation);
        ImportanceScores scores = loss.Scores(moments, source.Model.Weights, options.CurvatureDamping);
        return options.FeatureShare > 0 ? MergedRanking.Of(scores, CurvatureOfFeatures(model, moments, cancellation), options.FeatureShare) : scores;
    }

    private ImportanceScores CurvatureOfFeatures(VisionTransformer model, CalibrationMoments moments, CancellationToken cancellation)
    {
        using CurvatureEstimator features = new(model);
        ImageBatches batches = ImageBatches.ForEvaluation(calibration.Entries, preprocessing, options.BatchSize);
        Read(
            batches,
            (images, batch) =>
            {
                using Tensor probes = Probes(batch.Entries);
                features.AddProbes(images, probes);
            },
            () => "features",
            cancellation);
        return features.Scores(moments, source.Model.Weights, options.CurvatureDamping);
    }

    /// <summary>A direction per image, [B, feature width]; each image has its own stream by name, whatever the order and the batches.</summary>
    private Tensor Probes(IReadOnlyList<ImageEntry> batch)
    {
        int width = source.Model.Architecture.FeatureDim;
        float[] values = [.. batch.SelectMany(file =>
        {
            SeededRandom random = SeededRandom.ForPurpose(options.Seed, $"probes/{file.Name}");
            return Enumerable.Range(0, width).Select(_ => (float)random.NextNormal());
        })];
        return tensor(values, [batch.Count, width], device: options.Device);
    }

    private ImportanceScores Gradients(VisionTransformer model, CancellationToken cancellation)
    {
        using ScoreEstimator estimator = new(model, options.Criterion, Pairs);
        bool labelled = _criterion.Source == ScoreSource.LabelledImages;
        Read(
            labelled ? ImageBatches.ForEvaluation(files.Entries, preprocessing, options.BatchSize) : Crops(),
            (images, batch) =>
            {
                if (labelled)
                {
                    using Tensor labels = tensor(batch.Entries.Select(file => (long)file.Label!.Value).ToArray(), device: options.Device);
                    estimator.Add(images, labels);
                }
                else
                {
                    estimator.Add(images);
                }
            },
            () => MeanLoss(estimator.LossSum, estimator.Images),
            cancellation);
        return estimator.Scores();
    }

    private ImageBatches Crops() => ImageBatches.ForCrops(
        files.Entries, new MultiCrop(options.Crops, preprocessing, options.Seed), Math.Max(1, options.BatchSize / Pairs.StudentViews));

    private static string MeanLoss(double sum, long images) => string.Create(CultureInfo.InvariantCulture, $"loss {sum / images:F4}");

    /// <summary>Hands all images to an estimator, batch by batch.</summary>
    private void Read(ImageBatches batches, Action<Tensor, ImageBatch> add, Func<string> note, CancellationToken cancellation)
    {
        int done = 0;
        foreach (ImageBatch batch in batches.Read(cancellation))
        {
            using (batch)
            {
                using Tensor onDevice = batch.Images.to(options.Device);
                add(onDevice, batch);
            }

            done += batch.Entries.Count;
            progress?.Report(new WorkProgress("scoring", done, batches.Files.Count, note()));
        }

        Skipped = [.. Skipped.Union(batches.Skipped)];
    }
}
