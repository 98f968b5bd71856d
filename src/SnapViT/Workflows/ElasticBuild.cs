using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Search;

namespace SnapViT.Workflows;

/// <summary>What a build made.</summary>
/// <param name="Scores">Scores, factors, floors and provenance.</param>
/// <param name="Search">Fitness of every candidate; null without evaluations.</param>
/// <param name="Continued">Evaluations taken over from an interrupted build.</param>
/// <param name="Skipped">Images that could not be read.</param>
/// <param name="Discarded">Why an unfinished state that was found could not be continued and the build began anew; null where none was found, or it was.</param>
internal sealed record BuildResult(ElasticScores Scores, SearchResult? Search, int Continued, IReadOnlyList<SkippedImage> Skipped, string? Discarded);

/// <summary>
/// The main job: a pretrained model and unlabelled photos in, elastic scores out. One pass over the photos gathers whatever scores, second moments and
/// search want of them; then come the scores and the search over global factors, with a checkpoint after the scores and after every evaluation from
/// which an interrupted build goes on to the same result.
/// </summary>
internal sealed class ElasticBuild
{
    private readonly LoadedModel _source;
    private readonly Preprocessing _preprocessing;
    private readonly ImagePreparation _whole;
    private readonly BuildOptions _options;
    private readonly ImageSet _images;
    private readonly ImageSet _calibration;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly SortedDictionary<string, string> _provenance;
    private IReadOnlyList<SkippedImage> _skipped = [];

    /// <summary>Prepares a build; nothing is computed yet.</summary>
    /// <param name="source">The unpruned model; stays the caller's.</param>
    /// <param name="images">Photos; labels are used by criteria of cross-entropy only.</param>
    /// <param name="preprocessing">How they become the model's input.</param>
    /// <param name="options">How the model is made elastic.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <exception cref="SnapViTException">
    /// An option is out of range, the model is pruned already, has no classifier where the criterion needs one, or there are fewer images than the search
    /// compares components.
    /// </exception>
    /// <exception cref="BudgetException">The floors make a ratio of the search impossible.</exception>
    /// <exception cref="ImageException">The criterion needs labels of the model's classes, and the images lack them.</exception>
    public ElasticBuild(LoadedModel source, ImageSet images, Preprocessing preprocessing, BuildOptions options, IProgress<WorkProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(preprocessing);
        ArgumentNullException.ThrowIfNull(options);
        _source = source.IsPruned
            ? throw new SnapViTException(ErrorKind.Architecture, $"{source.Path}: expected an unpruned model, found one whose blocks were cut: {source.Model.Widths}")
            : source;
        _preprocessing = preprocessing;
        _whole = ImagePreparation.Whole(preprocessing);
        _options = options.Validated();
        RequireRatiosWithinFloors();
        images = Criterion.NeedsLabels ? InClassesOfModel(images.Labelled()) : images;
        _progress = progress;
        _images = images.Sample(options.Samples, options.Seed);
        _calibration = images.Sample(Math.Min(options.Samples, options.CalibrationImages), options.Seed);
        RequireEnoughImages();
        _provenance = Describe();
    }

    private Criterion Criterion => _options.Criterion;

    private bool NeedsMoments => _options.KeepMoments || Criterion.NeedsMoments || (_options.Correction is not null && _options.Evaluations > 0);

    /// <summary>What was assumed about the classes of labelled images; null for nothing.</summary>
    public string? ClassNote { get; private set; }

    /// <summary>Runs the build, or the rest of one that was interrupted.</summary>
    /// <param name="checkpointPath">Where the unfinished state is kept, removed by <see cref="Finish"/>; null for nowhere.</param>
    /// <param name="cancellation">Stops between two batches; the checkpoint stays.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ImageException">Too many images cannot be read.</exception>
    public BuildResult Run(string? checkpointPath = null, CancellationToken cancellation = default)
    {
        BuildState checkpoint = Checkpoint(checkpointPath);
        (ImportanceScores Local, IReadOnlyList<double> History)? saved = checkpoint.TryRead();
        using VisionTransformer model = new(_source.Model.Weights.To(_options.Precision, _options.Device));
        using CalibrationRun? calibration = NeedsMoments ? new CalibrationRun(model, _calibration, _preprocessing, _whole, _options) : null;
        using PreparedImages? searched = _options.Evaluations > 0 ? new PreparedImages(_images, _whole, _options.BatchSize) : null;
        ImportanceScores read = ReadImages(model, calibration, searched, saved?.Local, cancellation);
        CalibrationMoments? moments = calibration?.Moments;
        IReadOnlyList<double> history = saved?.History ?? [];

        // Scores that compare between blocks as they are would be tilted by the paper's start.
        ScoreCoefficients initial = Criterion.ComparesBlocks || _options.Normalisation == ScoreNormalisation.Block
            ? ScoreCoefficients.Equal(read.Counts)
            : ScoreCoefficients.Initial(read.Counts);
        ElasticScores unfinished = new(read, initial, _options.Fitness.Floors, _provenance);
        checkpoint.Write(unfinished, history);

        SearchResult? found = searched is null ? null : SearchFactors(model, moments, searched, unfinished, history, checkpoint, cancellation);
        if (found is not null)
        {
            _provenance["fitness_c0"] = found.History[0].ToString("R", CultureInfo.InvariantCulture);
            _provenance["fitness_best"] = found.BestFitness.ToString("R", CultureInfo.InvariantCulture);
        }

        ElasticScores scores = unfinished with { Coefficients = found?.Best ?? initial, Moments = _options.KeepMoments ? moments?.ToStored() : null };
        return new BuildResult(scores, found, history.Count, [.. _skipped], checkpoint.Discarded);
    }

    /// <summary>Writes the result, then removes the unfinished state.</summary>
    /// <param name="result">What <see cref="Run"/> returned.</param>
    /// <param name="path">The scores file.</param>
    /// <param name="checkpointPath">The unfinished state.</param>
    /// <exception cref="IOException">It cannot be written; the unfinished state stays.</exception>
    public void Finish(BuildResult result, string path, string checkpointPath)
    {
        ArgumentNullException.ThrowIfNull(result);
        result.Scores.Save(path);
        Checkpoint(checkpointPath).Delete();
    }

    /// <summary>Whether the floors allow a ratio depends on counts alone, so it is known before hours of scoring, not after.</summary>
    private void RequireRatiosWithinFloors()
    {
        ViTArchitecture a = _source.Model.Architecture;
        ImportanceScores equal = new(new double[a.Depth, a.MlpDim], new double[a.Depth, a.Heads]);
        SubnetPlanner planner = new(a, equal, _options.Fitness.Floors);
        foreach (PruningRatios ratios in _options.Fitness.Ratios)
        {
            planner.Plan(Budget.Ratios(ratios));
        }
    }

    /// <summary>A criterion of labels needs a classifier, and images of its classes.</summary>
    private ImageSet InClassesOfModel(ImageSet images)
    {
        int classes = _source.Model.Architecture.Classes;
        if (classes == 0)
        {
            throw new SnapViTException(ErrorKind.Architecture, $"criterion {Criterion}: expected a model with a classifier, found none in {_source.Path}");
        }

        ClassMapping mapping = ClassMapping.Of(images, classes, _source.ClassNames);
        if (mapping.Fault is string fault)
        {
            throw new ImageException(images.Source, $"criterion {Criterion}: {fault}");
        }

        ClassNote = mapping.Note;
        return images.WithLabels(label => mapping[label]);
    }

    /// <summary>As many components need as many images; known before the scoring too.</summary>
    private void RequireEnoughImages()
    {
        int width = _source.Model.Architecture.FeatureDim, components = _options.Fitness.PcaComponents;
        if (_options.Evaluations > 0 && components < width && _images.Count < components)
        {
            throw new SnapViTException(
                ErrorKind.Option,
                $"samples: expected at least {components} images, for the search compares so many principal components of features of width {width}, found {_images.Count}");
        }
    }

    private BuildState Checkpoint(string? path) => new(path, string.Join('\n', _provenance.Where(pair => !pair.Key.StartsWith("fitness_", StringComparison.Ordinal))));

    /// <summary>
    /// Reads every image once, for all that is made of images: second moments, scores unless they are known, and the images that the search compares.
    /// </summary>
    /// <param name="model">The model in the precision and on the device of the build.</param>
    /// <param name="calibration">Gathers second moments; null where they are not needed.</param>
    /// <param name="searched">Keeps the images of the search; null without one.</param>
    /// <param name="known">Scores of an interrupted build; null where they are still to be found.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>The local scores.</returns>
    private ImportanceScores ReadImages(
        VisionTransformer model, CalibrationRun? calibration, PreparedImages? searched, ImportanceScores? known, CancellationToken cancellation)
    {
        using CriterionRun? scoring = known is null ? Criterion.Start(Input(model)) : null;
        ImageConsumer[] keeps = searched is null ? [] : [searched.Consumer!];
        ImageReader reader = new(_images, [.. calibration?.Consumers ?? [], .. scoring?.Consumers ?? [], .. keeps])
        {
            Progress = (done, all) => _progress?.Report(new WorkProgress("photos", done, all, scoring?.Note ?? "")),
        };
        reader.Run(cancellation);
        _skipped = [.. reader.Skipped];
        calibration?.Finish(_progress, cancellation);
        return known ?? Normalised(scoring!.Scores(calibration?.Moments));
    }

    private CriterionInput Input(VisionTransformer model) => new()
    {
        Model = model,
        Weights = _source.Model.Weights,
        Images = _images,
        Calibration = _calibration,
        Preprocessing = _preprocessing,
        Whole = _whole,
        Crops = _options.Crops,
        BatchSize = _options.BatchSize,
        Seed = _options.Seed,
        Device = _options.Device,
    };

    private ImportanceScores Normalised(ImportanceScores scores) => _options.Normalisation == ScoreNormalisation.Block ? scores.DividedByBlockMean() : scores;

    private SearchResult SearchFactors(
        VisionTransformer model,
        CalibrationMoments? moments,
        PreparedImages images,
        ElasticScores unfinished,
        IReadOnlyList<double> history,
        BuildState checkpoint,
        CancellationToken cancellation)
    {
        using Fitness fitness = new(
            model, unfinished.Local, () => images.Batches(_options.BatchSize, _options.Device, cancellation), _options.Fitness, Corrections(moments));
        return CoefficientSearch.Run(
            unfinished.Coefficients,
            candidate => fitness.Evaluate(candidate, cancellation),
            new SearchOptions { Evaluations = _options.Evaluations, Seed = _options.Seed },
            history,
            told =>
            {
                checkpoint.Write(unfinished, told);
                _progress?.Report(new WorkProgress("search", told.Count, _options.Evaluations + 1, string.Create(CultureInfo.InvariantCulture, $"best {told.Min():F4}")));
            });
    }

    private Func<ImportanceOrder, ElasticCorrection>? Corrections(CalibrationMoments? moments) => moments is not null && _options.Correction is CorrectionOptions correction
        ? order => new ElasticCorrection(_source.Model.Weights, moments, order, correction)
        : null;

    /// <summary>What the numbers depend on: the input, the options of the build and those of its criterion.</summary>
    private SortedDictionary<string, string> Describe()
    {
        Dictionary<string, string> input = new()
        {
            [ElasticScores.ModelHash] = _source.Sha256,
            ["model"] = Path.GetFileName(_source.Path),
            ["images"] = _images.Count.ToString(CultureInfo.InvariantCulture),
            ["images_sha256"] = _images.Hash(),
            ["preprocessing"] = _preprocessing.Describe(),
            ["calibration"] = NeedsMoments ? CalibrationRun.Describe(_calibration.Count, _options) : "none",
        };
        return new SortedDictionary<string, string>(
            input.Concat(_options.Describe()).Concat(Criterion.DescribeAmongAll()).ToDictionary(), StringComparer.Ordinal);
    }
}
