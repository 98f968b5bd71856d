using SnapViT.Calibration;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// The part of a build that gathers second moments: the unpruned model over random views of the calibration images, over whole images, or
/// both.
/// </summary>
internal sealed class CalibrationRun : IRunningSums, IDisposable
{
    private readonly VisionTransformer _model;
    private readonly BuildOptions _options;

    /// <summary>Whole images that are added after all views; null where there are no views, or nothing but views.</summary>
    private readonly PreparedImages? _whole;

    /// <summary>Whole images of those that were added so far.</summary>
    private long _added;

    /// <summary>A run over the calibration images; nothing is read yet.</summary>
    /// <param name="model">The model in the precision and on the device of the build; stays the caller's.</param>
    /// <param name="images">The calibration images.</param>
    /// <param name="preprocessing">How images become the model's input.</param>
    /// <param name="whole">Whole images as the model's input, the preparation that all consumers of a pass share.</param>
    /// <param name="options">The build's.</param>
    public CalibrationRun(
        VisionTransformer model, ImageSet images, Preprocessing preprocessing, ImagePreparation whole, BuildOptions options)
    {
        (_model, _options) = (model, options);
        Moments = new CalibrationMoments(model.Architecture, options.PrefixWeights, options.Device, options.SortHeadDims);
        int views = options.CalibrationViews;
        if (views == 0)
        {
            Consumers = 
            [
                new ImageConsumer(images, whole, options.BatchSize, options.Device, batch => Moments.Add(_model, batch.Images))
                {
                    Passes = PassesPerView,
                },
            ];
            return;
        }

        ImagePreparation random = ImagePreparation.Views(new RandomViews(views, preprocessing, options.Seed));
        ImageConsumer ofViews = new(images, random, Math.Max(1, options.BatchSize / views), options.Device, AddViews)
        {
            Passes = views * PassesPerView,
        };
        _whole = options.WholeImageShare > 0 ? new PreparedImages(images, whole, options.BatchSize) : null;
        Consumers = _whole is null ? [ofViews] : [ofViews, _whole.Consumer!];
    }

    /// <summary>The second moments; complete after <see cref="Finish"/>. They stay this object's.</summary>
    public CalibrationMoments Moments { get; }

    /// <summary>About what <see cref="Finish"/> costs, in forward passes of the model for one image.</summary>
    public double FinishPasses => _whole is null ? 0 : _whole.Consumer!.Images.Count * PassesPerView;

    private double PassesPerView => 1 + LayerWork.Moments(_model.Architecture);

    /// <summary>What it wants of the images.</summary>
    public IReadOnlyList<ImageConsumer> Consumers { get; }

    /// <summary>
    /// Adds what waited until all views were added: sums in one order give the same moments to the last bit, however the images were read.
    /// </summary>
    /// <param name="progress">Told how many images were added; null for nobody.</param>
    /// <param name="afterBatch">Called after every batch with the number of images added, when the sums can be kept.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public void Finish(IProgress<WorkProgress>? progress, Action<int> afterBatch, CancellationToken cancellation)
    {
        if (_whole is null)
        {
            return;
        }

        progress?.Report(new WorkProgress("calibration", _added, _whole.Count));
        double weight = _options.WholeImageShare / (1 - _options.WholeImageShare) * _options.CalibrationViews;
        foreach (Tensor batch in _whole.Batches(_options.BatchSize, _options.Device, _added, cancellation))
        {
            using (batch)
            {
                Moments.Add(_model, batch, weight);
                _added += batch.shape[0];
            }

            afterBatch((int)_added);
            progress?.Report(new WorkProgress("calibration", _added, _whole.Count));
        }
    }

    /// <summary>What the moments are of, for the provenance.</summary>
    /// <param name="images">Calibration images.</param>
    /// <param name="options">The build's.</param>
    public static string Describe(int images, BuildOptions options)
    {
        string whole = options is { CalibrationViews: > 0, WholeImageShare: > 0 and double share }
            ? FormattableString.Invariant($", {share} of the weight on whole images")
            : "";
        return FormattableString.Invariant(
            $"{images} images, {options.CalibrationViews} random views{whole}, prefix weight {options.PrefixWeights}");
    }

    /// <inheritdoc/>
    public void Save(SumWriter to)
    {
        to.Add("whole_images", _added);
        ((IRunningSums)Moments).Save(to.Under("moments"));
    }

    /// <inheritdoc/>
    public void Restore(SumReader from)
    {
        _added = from.Count("whole_images");
        ((IRunningSums)Moments).Restore(from.Under("moments"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Moments.Dispose();
        _whole?.Dispose();
    }

    private void AddViews(ImageBatch batch)
    {
        using Tensor images = batch.Images.flatten(0, 1);
        Moments.Add(_model, images);
    }
}
