using System.Collections.Concurrent;
using SnapViT.Core.Errors;
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
/// model's input.
/// </summary>
/// <param name="preprocessing">Mean and deviation of the models' input.</param>
/// <param name="batchSize">Images per forward pass, at least 1.</param>
/// <param name="device">Where the models run.</param>
/// <param name="seed">Seed of the layer and the bootstrap.</param>
internal sealed class SegmentationEvaluation(Preprocessing preprocessing, int batchSize, Device device, ulong seed)
{
    /// <summary>How the layer is trained: as a linear probe, on patches.</summary>
    public static LinearProbeOptions Training { get; } = LinearProbeOptions.Recommended with { Epochs = 20, BatchSize = 1024 };

    private readonly Preprocessing _preprocessing = preprocessing with { Mode = ResizeMode.Squash, ResizeTo = preprocessing.Side };
    private readonly Dictionary<string, SkippedImage> _skipped = new(StringComparer.Ordinal);

    /// <summary>Images that could not be read, or whose mask is none of theirs.</summary>
    public IReadOnlyCollection<SkippedImage> Skipped => _skipped.Values;

    /// <summary>Classes of the training masks.</summary>
    public int Classes { get; private set; }

    /// <summary>Measures models, one after the other.</summary>
    /// <param name="models">Models of one architecture; stay the caller's. The others are compared with the first.</param>
    /// <param name="train">Images that the layer is trained on.</param>
    /// <param name="test">Images that it is measured on.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ImageException">Too many images or masks cannot be read, or no pixel has a class.</exception>
    public IReadOnlyList<SegmentationScore> Run(
        IReadOnlyList<VisionTransformer> models, VocSegmentation train, VocSegmentation test,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        JobProgress job = new(progress, TimeProvider.System);
        (IProgress<WorkProgress> Train, IProgress<WorkProgress> Test)[] told =
            [.. models.Select(_ => (job.Part(train.Set.Count), job.Part(test.Set.Count)))];
        List<IReadOnlyList<int[]>> confusions = [];
        for (int model = 0; model < models.Count; model++)
        {
            using LinearProbe probe = Train(models[model], train, told[model].Train, cancellation);
            confusions.Add(Test(models[model], probe, test, told[model].Test, cancellation));
        }

        return SegmentationScore.Of(confusions, Classes, seed);
    }

    private LinearProbe Train(
        VisionTransformer model, VocSegmentation images, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> features = [];
        List<int> labels = [];
        int patches = Grid(model);
        Pass(images, "training images", progress, Take, cancellation);
        Classes = labels.Count > 0
            ? labels.Max() + 1
            : throw new ImageException(images.Set.Source, "expected masks with classes, found pixels without a class only");
        return LinearProbe.Train(cat(features, 0), labels, Classes, Training, seed);

        void Take(ImageBatch batch, IReadOnlyList<byte[]> masks)
        {
            using DisposeScope ofBatch = NewDisposeScope();
            Tensor tokens = ImageEmbedding.PatchTokens(model, batch.Images).flatten(0, 1);
            int[] classes = [.. masks.SelectMany(mask => OfPatches(mask, patches))];
            long[] known = [.. Enumerable.Range(0, classes.Length).Where(patch => classes[patch] >= 0).Select(patch => (long)patch)];
            labels.AddRange(known.Select(patch => classes[patch]));
            using Tensor rows = tensor(known, device: tokens.device);
            features.Add(tokens.index_select(0, rows).MoveToOuterDisposeScope());
        }
    }

    private List<int[]> Test(
        VisionTransformer model, LinearProbe probe, VocSegmentation images, IProgress<WorkProgress> progress,
        CancellationToken cancellation)
    {
        List<int[]> confusions = [];
        int patches = Grid(model), side = _preprocessing.Side;
        Pass(images, "test images", progress, Take, cancellation);
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
        VocSegmentation images, string stage, IProgress<WorkProgress> progress, Action<ImageBatch, IReadOnlyList<byte[]>> take,
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
        ImageConsumer consumer = new(images.Set, preparation, batchSize, device, batch => take(
            batch, [.. batch.Entries.Select(entry => masks.Remove(entry.Name, out byte[]? mask) ? mask : [])]));
        ImageReader reader = new(images.Set, consumer)
        {
            Progress = (done, all) => progress.Report(new WorkProgress(stage, done, all)),
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
