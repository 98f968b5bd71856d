using System.Collections.Concurrent;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Evaluation;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// Measures what patch tokens say of where things are: a linear layer is trained on frozen patch tokens to tell the class that most pixels
/// of a patch have; its answers, enlarged bilinearly, are compared with the classes of all pixels. Images and masks are squashed to the
/// model's input. Folders are those of PASCAL VOC, the paper's eighth data set.
/// </summary>
/// <param name="preprocessing">Mean and deviation of the models' input.</param>
/// <param name="batchSize">Images per forward pass, at least 1.</param>
/// <param name="device">Where the models run.</param>
/// <param name="progress">Told how far the work is; null for nobody.</param>
/// <exception cref="SnapViTException">The batch size is below 1.</exception>
public sealed class SegmentationEvaluation(
    Preprocessing preprocessing, int batchSize, Device device, IProgress<WorkProgress>? progress = null)
{
    private readonly Preprocessing _preprocessing = preprocessing with { Mode = ResizeMode.Squash, ResizeTo = preprocessing.Side };
    private readonly Dictionary<string, SkippedImage> _skipped = new(StringComparer.Ordinal);
    private readonly int _batchSize = batchSize >= 1
        ? batchSize
        : throw new SnapViTException(ErrorKind.Option, $"batch: expected at least 1, found {batchSize}");

    /// <summary>
    /// How the layer is trained on patches; default <see cref="LinearProbeOptions.Recommended"/> with 20 passes and 1024 patches a step.
    /// The learning rate is chosen on whole images that are held out.
    /// </summary>
    public LinearProbeOptions Training { get; init; } = LinearProbeOptions.Recommended with { Epochs = 20, BatchSize = 1024 };

    /// <summary>Seed of the layer and of the intervals; default 42.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Images that could not be read, or whose mask is none of theirs, of the last run.</summary>
    public IReadOnlyCollection<SkippedImage> Skipped => _skipped.Values;

    /// <summary>Classes of the training masks of the last run.</summary>
    public int Classes { get; private set; }

    /// <summary>Measures models, one after the other.</summary>
    /// <param name="models">Models of one architecture, at least one; stay the caller's. The others are compared with the first.</param>
    /// <param name="folder">
    /// A folder as PASCAL VOC has it: <c>JPEGImages</c>, <c>SegmentationClass</c> with a PNG of classes for each image, and
    /// <c>ImageSets/Segmentation</c> with a list of names for each split; or a folder above it with nothing else in it.
    /// </param>
    /// <param name="trainSplit">The list of the images that the layer is trained on.</param>
    /// <param name="testSplit">The list of the images that it is measured on.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>
    /// One row per model, with <see cref="EvaluationRow.MeanIou"/>, <see cref="EvaluationRow.PixelAccuracy"/> and the learning rate.
    /// </returns>
    /// <exception cref="ImageException">
    /// The folder is none of VOC's, a split is missing, too many images or masks cannot be read, or no pixel has a class.
    /// </exception>
    /// <exception cref="SnapViTException">An option of the training is out of range.</exception>
    public IReadOnlyList<EvaluationRow> Run(
        IReadOnlyList<VisionTransformer> models, string folder, string trainSplit = "train", string testSplit = "val",
        CancellationToken cancellation = default) =>
        Run(models, VocSegmentation.Open(folder, trainSplit), VocSegmentation.Open(folder, testSplit), cancellation);

    /// <summary>Measures models on splits that are open.</summary>
    internal IReadOnlyList<EvaluationRow> Run(
        IReadOnlyList<VisionTransformer> models, VocSegmentation train, VocSegmentation test, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentOutOfRangeException.ThrowIfZero(models.Count);
        _ = Training.Validated();
        _skipped.Clear();
        JobProgress job = new(progress, TimeProvider.System);
        (IProgress<WorkProgress> Train, IProgress<WorkProgress> Test)[] told =
            [.. models.Select(_ => (job.Part(train.Set.Count), job.Part(test.Set.Count)))];
        List<IReadOnlyList<int[]>> confusions = [];
        List<double> rates = [];
        for (int model = 0; model < models.Count; model++)
        {
            using LinearProbe probe = Train(models[model], train, told[model].Train, cancellation);
            rates.Add(probe.LearningRate);
            confusions.Add(Test(models[model], probe, test, told[model].Test, cancellation));
        }

        return
        [
            .. models.Zip(SegmentationScore.Of(confusions, Classes, Seed), rates).Select(measured => new EvaluationRow(
                PruningRatios.Of(measured.First.Architecture, measured.First.Widths),
                CostModel.Parameters(measured.First.Architecture, measured.First.Widths),
                CostModel.Flops(measured.First.Architecture, measured.First.Widths))
            {
                MeanIou = measured.Second.MeanIou,
                PixelAccuracy = measured.Second.PixelAccuracy,
                ProbeLearningRate = measured.Third,
                Images = confusions[0].Count,
            }),
        ];
    }

    private LinearProbe Train(
        VisionTransformer model, VocSegmentation train, IProgress<WorkProgress> told, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> features = [];
        List<int> labels = [], images = [];
        int patches = Grid(model), seen = 0;
        Pass(train, "training images", told, Take, cancellation);
        Classes = labels.Count > 0
            ? labels.Max() + 1
            : throw new ImageException(train.Set.Source, "expected masks with classes, found pixels without a class only");
        return LinearProbe.Train(cat(features, 0), labels, Classes, Training, Seed, images: images);

        void Take(ImageBatch batch, IReadOnlyList<byte[]> masks)
        {
            using DisposeScope ofBatch = NewDisposeScope();
            Tensor tokens = ImageEmbedding.PatchTokens(model, batch.Images).flatten(0, 1);
            int[] classes = [.. masks.SelectMany(mask => OfPatches(mask, patches))];
            long[] known = [.. Enumerable.Range(0, classes.Length).Where(patch => classes[patch] >= 0).Select(patch => (long)patch)];
            labels.AddRange(known.Select(patch => classes[patch]));
            images.AddRange(known.Select(patch => seen + (int)(patch / (patches * patches))));
            seen += masks.Count;
            using Tensor rows = tensor(known, device: tokens.device);
            features.Add(tokens.index_select(0, rows).MoveToOuterDisposeScope());
        }
    }

    private List<int[]> Test(
        VisionTransformer model, LinearProbe probe, VocSegmentation images, IProgress<WorkProgress> told, CancellationToken cancellation)
    {
        List<int[]> confusions = [];
        int patches = Grid(model), side = _preprocessing.Side;
        Pass(images, "test images", told, Take, cancellation);
        return confusions;

        void Take(ImageBatch batch, IReadOnlyList<byte[]> masks)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable frozen = no_grad();
            Tensor tokens = ImageEmbedding.PatchTokens(model, batch.Images);
            Tensor answers = probe.Answers(tokens.flatten(0, 1)).view(masks.Count, patches, patches, Classes).permute(0, 3, 1, 2);
            Tensor whole = nn.functional.interpolate(
                answers.contiguous(), size: [side, side], mode: InterpolationMode.Bilinear, align_corners: false);
            long[] predicted = [.. whole.argmax(1).cpu().data<long>()];
            for (int image = 0; image < masks.Count; image++)
            {
                byte[] truth = Array.ConvertAll(
                    masks[image], pixel => pixel == ClassMask.Ignored || pixel < Classes ? pixel : throw Unlearned(batch, image, pixel));
                confusions.Add(
                    SegmentationScore.Confusion(truth, predicted.AsSpan(image * side * side, side * side), Classes));
            }
        }
    }

    private SnapViTException Unlearned(ImageBatch batch, int image, byte pixel) => new ImageException(
        batch.Entries[image].Location, $"expected classes of 0 to {Classes - 1}, as the training masks have them, found {pixel}");

    /// <summary>A pass over images with their masks, squashed.</summary>
    private void Pass(
        VocSegmentation images, string stage, IProgress<WorkProgress> told, Action<ImageBatch, IReadOnlyList<byte[]>> take,
        CancellationToken cancellation)
    {
        ConcurrentDictionary<string, byte[]> masks = new(StringComparer.Ordinal);
        int side = _preprocessing.Side;
        ImagePreparation preparation = new([3, side, side], (name, image) =>
        {
            ClassMask mask = images.Mask(name);
            if ((mask.Width, mask.Height) != (image.Width, image.Height))
            {
                throw new ImageException(
                    name, $"expected a mask of {image.Width} x {image.Height} pixels, found {mask.Width} x {mask.Height}");
            }

            masks[name] = mask.Squashed(side);
            return _preprocessing.Apply(image);
        });
        ImageConsumer consumer = new(images.Set, preparation, _batchSize, device, batch => take(
            batch, [.. batch.Entries.Select(entry => masks.Remove(entry.Name, out byte[]? mask) ? mask : [])]));
        ImageReader reader = new(images.Set, consumer)
        {
            Progress = (done, all) => told.Report(new WorkProgress(stage, done, all)),
        };
        reader.Run(cancellation);
        foreach (SkippedImage skipped in reader.Skipped)
        {
            _skipped[skipped.Name] = skipped;
        }
    }

    private static int Grid(VisionTransformer model) => (int)Math.Sqrt(model.Architecture.Patches);

    /// <summary>The class of most pixels of every patch, row by row; -1 for a patch without any.</summary>
    internal static int[] OfPatches(byte[] mask, int patches)
    {
        int side = (int)Math.Sqrt(mask.Length), size = side / patches;
        int[] classes = new int[patches * patches];
        int[] counts = new int[ClassMask.Ignored];
        for (int patch = 0; patch < classes.Length; patch++)
        {
            Array.Clear(counts);
            int top = patch / patches * size, left = patch % patches * size;
            for (int row = top; row < top + size; row++)
            {
                foreach (byte pixel in mask.AsSpan((row * side) + left, size))
                {
                    counts[pixel == ClassMask.Ignored ? 0 : pixel] += pixel == ClassMask.Ignored ? 0 : 1;
                }
            }

            int most = counts.Max();
            classes[patch] = most == 0 ? -1 : Array.IndexOf(counts, most);
        }

        return classes;
    }
}
