using System.Diagnostics;
using System.Globalization;
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

    /// <summary>Names of the models' classes in the order of the classifier; empty where they are not known.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>Seed of the intervals; default 42.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>
    /// How a linear classifier is trained on the features of the training images (<see cref="EvaluationRow.Probe"/>); null, the default,
    /// for none. Checked when the evaluation runs.
    /// </summary>
    public LinearProbeOptions? Probe { get; init; }

    /// <summary>The classes of the test images of the last run, in the order of <see cref="Accuracy.PerClass"/>.</summary>
    public IReadOnlyList<(string Name, int Images)> TestClasses { get; private set; } = [];

    /// <summary>What was assumed about the classes, what could not be measured and why, one sentence each.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Told what every model makes of every test image; null for nobody. It stays the caller's.</summary>
    internal ImageOutcomes? Outcomes { get; init; }

    /// <summary>Top-5 says something of classifiers of more classes.</summary>
    private const int Few = 5;

    /// <summary>About what probes cost of a pass over the training images.</summary>
    private const double ProbeCost = 0.2;

    private readonly List<SkippedImage> _skipped = [];
    private readonly List<string> _notes = [];
    private readonly int _batchSize = batchSize >= 1
        ? batchSize
        : throw new SnapViTException(ErrorKind.Option, $"batch: expected at least 1, found {batchSize}");

    /// <summary>Measures models.</summary>
    /// <param name="models">
    /// Models of one architecture, whatever their widths; stay the caller's. The others are compared with the first.
    /// </param>
    /// <param name="test">Labelled test images.</param>
    /// <param name="train">Labelled training images for k-NN, whose classes are matched by name; null to leave k-NN out.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>One row per model.</returns>
    /// <exception cref="ImageException">
    /// Images have no labels, too many cannot be read, or the two sets have no class in common.
    /// </exception>
    /// <exception cref="SnapViTException">An option of the probe is out of range.</exception>
    public IReadOnlyList<EvaluationRow> Run(
        IReadOnlyList<VisionTransformer> models, ImageSet test, ImageSet? train, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(test);
        _ = Probe?.Validated();
        test = test.Labelled();
        train = train?.Labelled();
        _notes.Clear();
        ClassMapping classes = ClassMapping.Of(test, models.Count > 0 ? models[0].Architecture.Classes : 0, ClassNames);
        AddNote("top-1", classes.Fault is null ? classes.Note : $"not measured: {classes.Fault}");
        CommonClasses? common = train is null ? null : Common(test, train);
        JobProgress job = new(progress, TimeProvider.System);
        IProgress<WorkProgress> ofTraining = job.Part(train?.Count ?? 0), ofTest = job.Part(test.Count);
        IProgress<WorkProgress> ofProbe = job.Part(Probe is null || train is null ? 0 : ProbeCost * train.Count);
        using Pass? training = train is null
            ? null
            : Embed(models, train, new Told("training images", ofTraining), new Wanted(Features: true, null, null), cancellation);
        Wanted wanted = new(Features: training is not null, classes.Fault is null ? classes : null, Outcomes);
        using Pass testing = Embed(models, test, new Told("test images", ofTest), wanted, cancellation);
        return Rows(models, testing, training, common, ofProbe, cancellation);
    }

    /// <summary>What the classes of test and training images have in common; what one of them lacks is noted.</summary>
    private CommonClasses Common(ImageSet test, ImageSet train)
    {
        CommonClasses common = CommonClasses.Of(test, train);
        AddNote(
            "k-NN",
            common.WithoutTraining is string untrained
                ? $"test images of classes without training images are not counted ({untrained})"
                : null);
        AddNote(
            "k-NN",
            common.WithoutTest is string untested
                ? $"training images of classes without test images take part ({untested})"
                : null);
        return common;
    }

    private void AddNote(string figure, string? note)
    {
        if (note is not null)
        {
            _notes.Add($"{figure}: {note}");
        }
    }

    private EvaluationRow[] Rows(
        IReadOnlyList<VisionTransformer> models, Pass testing, Pass? training, CommonClasses? common, IProgress<WorkProgress> ofProbe,
        CancellationToken cancellation)
    {
        int[] classes = NumberClasses(testing);
        int[] counted = common is null
            ? []
            : [.. Enumerable.Range(0, testing.Labels.Count).Where(image => common.IsTrained(testing.Labels[image]))];
        bool trains = training is not null && counted.Length > 0;
        (bool[] Voted, bool[] Weighted)[] neighbours = trains
            ? [.. models.Select((_, index) => Neighbours(testing, training!, index, counted, common!))]
            : [];
        (bool[] Hits, double Rate)[] probes = trains && Probe is not null
            ? [.. models.Select((_, index) =>
                {
                    cancellation.ThrowIfCancellationRequested();
                    ofProbe.Report(new WorkProgress("linear probes", index, models.Count));
                    return Probed(Probe, testing, training!, index, counted, common!);
                })]
            : [];
        IReadOnlyList<Accuracy>? top1 = Accuracies(testing.Correct, classes);
        IReadOnlyList<Accuracy>? top5 = Accuracies(testing.AmongFew, classes);
        int[] countedClasses = [.. counted.Select(image => classes[image])];
        IReadOnlyList<Accuracy>? knn = Accuracies([.. neighbours.Select(hits => hits.Voted)], countedClasses);
        IReadOnlyList<Accuracy>? weighted = Accuracies([.. neighbours.Select(hits => hits.Weighted)], countedClasses);
        IReadOnlyList<Accuracy>? probe = Accuracies([.. probes.Select(own => own.Hits)], countedClasses);
        return
        [
            .. models.Select((model, index) => new EvaluationRow(
                PruningRatios.Of(model.Architecture, model.Widths),
                CostModel.Parameters(model.Architecture, model.Widths),
                CostModel.Flops(model.Architecture, model.Widths))
            {
                Top1 = top1?[index],
                Top5 = top5?[index],
                Knn = knn?[index],
                WeightedKnn = weighted?[index],
                Probe = probe?[index],
                ProbeLearningRate = probe is null ? null : probes[index].Rate,
                ImagesPerSecond = testing.Labels.Count / testing.Seconds[index],
                Images = testing.Labels.Count,
                KnnImages = training is null ? null : counted.Length,
            }),
        ];
    }

    /// <summary>Places of the test images' labels among those that occur; names them.</summary>
    private int[] NumberClasses(Pass testing)
    {
        int[] labels = [.. testing.Labels.Distinct().Order()];
        int[] classes = [.. testing.Labels.Select(label => Array.BinarySearch(labels, label))];
        TestClasses =
        [
            .. labels.Select((label, place) => (
                label < testing.ClassNames.Count ? testing.ClassNames[label] : label.ToString(CultureInfo.InvariantCulture),
                classes.Count(own => own == place))),
        ];
        return classes;
    }

    private IReadOnlyList<Accuracy>? Accuracies(IEnumerable<IEnumerable<bool>> hits, int[] classes)
    {
        bool[][] all = [.. hits.Select(own => own.ToArray())];
        return all.Length == 0 || all[0].Length == 0 ? null : Accuracy.Of(all, classes, TestClasses.Count, Seed);
    }

    private static (bool[] Voted, bool[] Weighted) Neighbours(
        Pass testing, Pass training, int index, int[] counted, CommonClasses common)
    {
        using Tensor train = cat(training.Features[index], 0);
        using Tensor all = cat(testing.Features[index], 0);
        using Tensor rows = tensor(Array.ConvertAll(counted, image => (long)image), device: all.device);
        using Tensor test = all.index_select(0, rows);
        using NearestNeighbours neighbours = new(
            train, [.. training.Labels.Select(common.OfTraining)], Math.Min(NearestNeighbours.PaperNeighbours, training.Labels.Count));
        (int[] voted, int[] weighted) = neighbours.PredictBoth(test);
        return (Right(voted), Right(weighted));

        bool[] Right(int[] predicted) => [.. counted.Select((image, place) => predicted[place] == testing.Labels[image])];
    }

    private (bool[] Hits, double Rate) Probed(
        LinearProbeOptions options, Pass testing, Pass training, int index, int[] counted, CommonClasses common)
    {
        int[] labels = [.. training.Labels.Select(common.OfTraining)], known = [.. labels.Distinct().Order()];
        using Tensor train = cat(training.Features[index], 0);
        using Tensor all = cat(testing.Features[index], 0);
        using Tensor rows = tensor(Array.ConvertAll(counted, image => (long)image), device: all.device);
        using Tensor test = all.index_select(0, rows);
        using LinearProbe probe = LinearProbe.Train(
            train, Array.ConvertAll(labels, label => Array.BinarySearch(known, label)), known.Length, options, Seed);
        int[] predicted = probe.Predict(test);
        return ([.. counted.Select((image, place) => known[predicted[place]] == testing.Labels[image])], probe.LearningRate);
    }

    private Pass Embed(
        IReadOnlyList<VisionTransformer> models, ImageSet images, Told told, Wanted wanted, CancellationToken cancellation)
    {
        Pass pass = new(models.Count, wanted, images.Classes);
        try
        {
            ImageConsumer consumer = new(
                images, ImagePreparation.Whole(preprocessing), _batchSize, device, batch => pass.Add(models, batch));
            ImageReader reader = new(images, consumer) { Progress = told.Report };
            told.Report(0, reader.Count);
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

    /// <summary>Who is told how far a pass is, and what it is called.</summary>
    private sealed record Told(string Stage, IProgress<WorkProgress> By)
    {
        public void Report(int done, int all) => By.Report(new WorkProgress(Stage, done, all));
    }

    /// <summary>What is kept of a pass: features only for k-NN, for they grow with the images.</summary>
    private readonly record struct Wanted(bool Features, ClassMapping? Hits, ImageOutcomes? Outcomes);

    /// <summary>Features, hits and seconds of every model over one set of images.</summary>
    private sealed class Pass(int models, Wanted wanted, IReadOnlyList<string> classNames) : IDisposable
    {
        public IReadOnlyList<string> ClassNames => classNames;

        public List<int> Labels { get; } = [];

        public List<Tensor>[] Features { get; } = [.. Enumerable.Range(0, models).Select(_ => new List<Tensor>())];

        /// <summary>Which images the classifier of every model was right on; empty where it was not asked.</summary>
        public List<bool>[] Correct { get; } = [.. Enumerable.Range(0, models).Select(_ => new List<bool>())];

        /// <summary>The same, where the class is among the five likeliest.</summary>
        public List<bool>[] AmongFew { get; } = [.. Enumerable.Range(0, models).Select(_ => new List<bool>())];

        public double[] Seconds { get; } = new double[models];

        public void Add(IReadOnlyList<VisionTransformer> models, ImageBatch batch)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable frozen = no_grad();
            Tensor images = batch.Images;
            int[] labels = [.. batch.Entries.Select(entry => entry.Label!.Value)];
            Tensor? classes = wanted.Hits is ClassMapping mapping
                ? tensor(Array.ConvertAll(labels, label => (long)mapping[label]), device: images.device)
                : null;
            Labels.AddRange(labels);
            for (int index = 0; index < models.Count; index++)
            {
                Stopwatch watch = Stopwatch.StartNew();
                bool features = wanted.Features || wanted.Outcomes is not null || classes is null;
                (Tensor? pooled, Tensor? logits) = models[index].Outputs(images, features, classes is not null);
                if (images.device_type == DeviceType.CUDA)
                {
                    // A GPU is asked, not waited for: without this the clock would see the asking only.
                    cuda.synchronize();
                }

                double seconds = watch.Elapsed.TotalSeconds;
                Seconds[index] += seconds;
                wanted.Outcomes?.Add(index, batch, pooled!, logits, classes, seconds);
                if (wanted.Features)
                {
                    Features[index].Add(pooled!.DetachFromDisposeScope());
                }

                if (classes is not null)
                {
                    Correct[index].AddRange(logits!.argmax(1).eq(classes).cpu().data<bool>());
                    if (logits.shape[1] > Few)
                    {
                        AmongFew[index].AddRange(logits.topk(Few, 1).indexes.eq(classes.unsqueeze(1)).any(1).cpu().data<bool>());
                    }
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

/// <summary>What one sub-network costs and is worth, as far as it was measured.</summary>
/// <param name="Removed">Shares of neurons and heads removed.</param>
/// <param name="Parameters">Learned parameters.</param>
/// <param name="Flops">FLOPs of one image.</param>
public sealed record EvaluationRow(PruningRatios Removed, long Parameters, long Flops)
{
    /// <summary>Accuracy by the model's own classifier; null where it has none or the labels are of other classes.</summary>
    public Accuracy? Top1 { get; init; }

    /// <summary>Images whose class is among the five likeliest; null as top-1 is, and where there are five classes or fewer.</summary>
    public Accuracy? Top5 { get; init; }

    /// <summary>Accuracy by 20 nearest neighbours with a vote each, as the paper has it; null without training images.</summary>
    public Accuracy? Knn { get; init; }

    /// <summary>Accuracy by the same neighbours, votes weighted by <c>exp(cosine / 0.07)</c>, as DINO has it; null as k-NN is.</summary>
    public Accuracy? WeightedKnn { get; init; }

    /// <summary>Accuracy of a linear classifier trained on the features of the training images; null without them, or unasked.</summary>
    public Accuracy? Probe { get; init; }

    /// <summary>
    /// Mean intersection over union of a linear layer on patch tokens (<see cref="SegmentationEvaluation"/>); null where it was not asked
    /// for.
    /// </summary>
    public Accuracy? MeanIou { get; init; }

    /// <summary>Pixels that the same layer gave the right class, 0..1; null as the mean intersection over union is.</summary>
    public double? PixelAccuracy { get; init; }

    /// <summary>The learning rate that the linear classifier or layer was trained with; null without one.</summary>
    public double? ProbeLearningRate { get; init; }

    /// <summary>Speed of the forward pass alone, at the batch size of the evaluation.</summary>
    public double ImagesPerSecond { get; init; }

    /// <summary>Test images that top-1 and speed were measured on.</summary>
    public int Images { get; init; }

    /// <summary>
    /// Test images that k-NN was measured on: those whose class is among the training images; null without training images.
    /// </summary>
    public int? KnnImages { get; init; }
}
