using SnapViT.Calibration;
using SnapViT.Data;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// The part of a build that gathers second moments: the unpruned model over random views of the calibration images, over whole images, or
/// both.
/// </summary>
internal sealed class CalibrationRun : IDisposable
{
    private readonly VisionTransformer _model;

    /// <summary>A run over the calibration images; nothing is read yet.</summary>
    /// <param name="model">The model in the precision and on the device of the build; stays the caller's.</param>
    /// <param name="images">The calibration images.</param>
    /// <param name="preprocessing">How images become the model's input.</param>
    /// <param name="whole">Whole images as the model's input, the preparation that all consumers of a pass share.</param>
    /// <param name="options">The build's.</param>
    public CalibrationRun(
        VisionTransformer model, ImageSet images, Preprocessing preprocessing, ImagePreparation whole, BuildOptions options)
    {
        _model = model;
        Moments = new CalibrationMoments(model.Architecture, options.PrefixWeights, options.Device, options.SortHeadDims);
        int views = options.CalibrationViews;
        double passesPerView = 1 + LayerWork.Moments(model.Architecture);
        List<ImageConsumer> consumers = [];
        if (views > 0)
        {
            ImagePreparation random = ImagePreparation.Views(new RandomViews(views, preprocessing, options.Seed));
            consumers.Add(new ImageConsumer(images, random, Math.Max(1, options.BatchSize / views), options.Device, AddViews)
            {
                Passes = views * passesPerView,
            });
        }

        if (views == 0 || options.WholeImageShare > 0)
        {
            double weight = views == 0 ? 1 : options.WholeImageShare / (1 - options.WholeImageShare) * views;
            consumers.Add(new ImageConsumer(
                images, whole, options.BatchSize, options.Device, batch => Moments.Add(_model, batch.Images, weight))
            {
                Passes = passesPerView,
            });
        }

        Consumers = consumers;
    }

    /// <summary>The second moments; complete when all consumers were served. They stay this object's.</summary>
    public CalibrationMoments Moments { get; }

    /// <summary>What it wants of the images.</summary>
    public IReadOnlyList<ImageConsumer> Consumers { get; }

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
    public void Dispose() => Moments.Dispose();

    private void AddViews(ImageBatch batch)
    {
        using Tensor images = batch.Images.flatten(0, 1);
        Moments.Add(_model, images);
    }
}
