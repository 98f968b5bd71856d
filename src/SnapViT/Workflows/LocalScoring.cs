using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>The first part of a build: local scores of a model by the criterion of its options.</summary>
internal sealed class LocalScoring(
    LoadedModel source, IReadOnlyList<ImageFile> files, Preprocessing preprocessing, BuildOptions options, IProgress<WorkProgress>? progress)
{
    private readonly CriterionRow _criterion = CriterionTable.Of(options.Criterion);

    /// <summary>Files that could not be read.</summary>
    public IReadOnlyList<SkippedFile> Skipped { get; private set; } = [];

    private DistillationPairs Pairs => options.Crops == CropProtocol.Reference ? DistillationPairs.OnePair : DistillationPairs.TwoGlobalTenLocal;

    /// <summary>Fails where a criterion asks for labels that the model or the images lack.</summary>
    /// <exception cref="ArgumentException">The model has no classifier.</exception>
    /// <exception cref="ImageFolderException">The images are not those of the model's classes.</exception>
    public static void RequireLabels(LoadedModel source, ImageFolder images, BuildOptions options)
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

        if (images.Classes.Count != classes || images.Files.Any(file => file.Label is null))
        {
            throw new ImageFolderException(
                images.Path, $"criterion {criterion.Name}: expected images of the model's {classes} classes, one sub-folder each or by --labels, found {images.Classes.Count}");
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
        using CurvatureEstimator estimator = new(model, Pairs);
        Read(Crops(), (images, _) => estimator.Add(images), () => estimator.LossSum / estimator.Images, cancellation);
        return estimator.Scores(moments, source.Model.Weights, options.CurvatureDamping);
    }

    private ImportanceScores Gradients(VisionTransformer model, CancellationToken cancellation)
    {
        using ScoreEstimator estimator = new(model, options.Criterion, Pairs);
        bool labelled = _criterion.Source == ScoreSource.LabelledImages;
        Read(
            labelled ? ImageBatches.ForEvaluation(files, preprocessing, options.BatchSize) : Crops(),
            (images, batch) =>
            {
                if (labelled)
                {
                    using Tensor labels = tensor(batch.Files.Select(file => (long)file.Label!.Value).ToArray(), device: options.Device);
                    estimator.Add(images, labels);
                }
                else
                {
                    estimator.Add(images);
                }
            },
            () => estimator.LossSum / estimator.Images,
            cancellation);
        return estimator.Scores();
    }

    private ImageBatches Crops() => ImageBatches.ForCrops(
        files, new MultiCrop(options.Crops, preprocessing, options.Seed), Math.Max(1, options.BatchSize / Pairs.StudentViews));

    /// <summary>Hands all images to an estimator, batch by batch.</summary>
    private void Read(ImageBatches batches, Action<Tensor, ImageBatch> add, Func<double> meanLoss, CancellationToken cancellation)
    {
        int done = 0;
        foreach (ImageBatch batch in batches.Read(cancellation))
        {
            using (batch)
            {
                using Tensor onDevice = batch.Images.to(options.Device);
                add(onDevice, batch);
            }

            done += batch.Files.Count;
            progress?.Report(new WorkProgress("scoring", done, files.Count, string.Create(CultureInfo.InvariantCulture, $"loss {meanLoss():F4}")));
        }

        Skipped = [.. batches.Skipped];
    }
}
