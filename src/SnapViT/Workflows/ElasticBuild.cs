using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Search;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>What a build made.</summary>
/// <param name="Scores">Scores, factors, floors and provenance.</param>
/// <param name="Search">Fitness of every candidate; null without evaluations.</param>
/// <param name="Continued">Evaluations taken over from an interrupted build.</param>
/// <param name="Skipped">Files that could not be read.</param>
/// <param name="Discarded">Why an unfinished state that was found could not be continued and the build began anew; null where none was found, or it was.</param>
public sealed record BuildResult(ElasticScores Scores, SearchResult? Search, int Continued, IReadOnlyList<SkippedImage> Skipped, string? Discarded);

/// <summary>
/// The main job: a pretrained model and unlabelled photos in, elastic scores out. Local scores first, then the search over global factors, with
/// a checkpoint after the scores and after every evaluation from which an interrupted build goes on to the same result.
/// </summary>
public sealed class ElasticBuild
{
    private readonly LoadedModel _source;
    private readonly Preprocessing _preprocessing;
    private readonly BuildOptions _options;
    private readonly ImageSet _files;
    private readonly ImageSet _calibration;
    private readonly CalibrationPasses _passes;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly SortedDictionary<string, string> _provenance;
    private IReadOnlyList<SkippedImage> _skipped = [];

    /// <summary>Prepares a build; nothing is computed yet.</summary>
    /// <param name="source">The unpruned model; stays the caller's.</param>
    /// <param name="images">Photos; labels are used by criteria of cross-entropy only.</param>
    /// <param name="preprocessing">How they become the model's input.</param>
    /// <param name="options">How the model is made elastic.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <exception cref="ArgumentException">An option is out of range, the model is pruned already, or there are fewer images than the search compares components.</exception>
    /// <exception cref="BudgetException">The floors make a ratio of the search impossible.</exception>
    /// <exception cref="ImageException">The criterion needs labels of the model's classes, and the images lack them.</exception>
    public ElasticBuild(LoadedModel source, ImageSet images, Preprocessing preprocessing, BuildOptions options, IProgress<WorkProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(options);
        _source = source.IsPruned
            ? throw new ArgumentException($"{source.Path}: expected an unpruned model, found one whose blocks were cut: {source.Model.Widths}", nameof(source))
            : source;
        _preprocessing = preprocessing;
        _options = options.Validated();
        RequireRatiosWithinFloors();
        LocalScoring.RequireLabels(source, images, options);
        _progress = progress;
        _files = images.Sample(options.Samples, options.Seed);
        _calibration = images.Sample(Math.Min(options.Samples, options.CalibrationImages), options.Seed);
        _passes = new CalibrationPasses(_calibration, preprocessing, options, progress);
        RequireEnoughImages();
        _provenance = Describe();
    }

    /// <summary>Runs the build, or the rest of one that was interrupted.</summary>
    /// <param name="checkpointPath">Where the unfinished state is kept, removed by <see cref="Finish"/>; null for nowhere.</param>
    /// <param name="cancellation">Stops between two batches; the checkpoint stays.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ImageException">Too many files cannot be read.</exception>
    public BuildResult Run(string? checkpointPath = null, CancellationToken cancellation = default)
    {
        BuildState checkpoint = Checkpoint(checkpointPath);
        using VisionTransformer model = new(_source.Model.Weights.To(_options.Precision, _options.Device));
        using CalibrationMoments? moments = NeedsMoments ? _passes.Run(model, cancellation) : null;
        (ImportanceScores local, IReadOnlyList<double> history) = checkpoint.TryRead() ?? (Score(model, moments, cancellation), []);
        // Scores that compare between blocks as they are would be tilted by the paper's start.
        ScoreCoefficients initial = Criterion.ComparesBlocks || _options.Normalisation == ScoreNormalisation.Block
            ? ScoreCoefficients.Equal(local.Depth, local.HeadsPerBlock)
            : ScoreCoefficients.Initial(local.Depth, local.HeadsPerBlock);
        ElasticScores unfinished = new(local, initial, _options.Fitness.Floors, _provenance);
        checkpoint.Write(unfinished, history);

        SearchResult? found = _options.Evaluations == 0 ? null : SearchFactors(model, moments, unfinished, history, checkpoint, cancellation);
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

    /// <summary>As many components need as many images; known before the scoring too.</summary>
    private void RequireEnoughImages()
    {
        int width = _source.Model.Architecture.FeatureDim, components = _options.Fitness.PcaComponents;
        if (_options.Evaluations > 0 && components < width && _files.Count < components)
        {
            throw new ArgumentException(
                $"samples: expected at least {components} images, for the search compares so many principal components of features of width {width}, found {_files.Count}");
        }
    }

    private BuildState Checkpoint(string? path) => new(path, string.Join('\n', _provenance.Where(pair => !pair.Key.StartsWith("fitness_", StringComparison.Ordinal))));

    private SearchResult SearchFactors(
        VisionTransformer model, CalibrationMoments? moments, ElasticScores unfinished, IReadOnlyList<double> history, BuildState checkpoint, CancellationToken cancellation)
    {
        ImageBatches batches = ImageBatches.ForEvaluation(_files.Entries, _preprocessing, _options.BatchSize);
        using PreparedImages prepared = PreparedImages.Load(batches, cancellation);
        _skipped = [.. batches.Skipped];
        using Fitness fitness = new(
            model, unfinished.Local, () => OnDevice(prepared.Batches(_options.BatchSize), cancellation), _options.Fitness, Corrections(moments));
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

    private CriterionRow Criterion => CriterionTable.Of(_options.Criterion);

    private bool NeedsMoments => _options.KeepMoments || Criterion.NeedsMoments || (_options.Correction is not null && _options.Evaluations > 0);

    private Func<ImportanceOrder, ElasticCorrection>? Corrections(CalibrationMoments? moments) => moments is not null && _options.Correction is CorrectionOptions correction
        ? order => new ElasticCorrection(_source.Model.Weights, moments, order, correction)
        : null;

    private ImportanceScores Score(VisionTransformer model, CalibrationMoments? moments, CancellationToken cancellation)
    {
        LocalScoring scoring = new(_source, _files, _calibration, _preprocessing, _options, _progress);
        ImportanceScores scores = scoring.Run(model, moments, cancellation);
        _skipped = scoring.Skipped;
        return scores;
    }

    private IEnumerable<Tensor> OnDevice(IEnumerable<Tensor> batches, CancellationToken cancellation)
    {
        foreach (Tensor batch in batches)
        {
            using (batch)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return batch.to(_options.Device);
            }
        }
    }

    private SortedDictionary<string, string> Describe() => new(StringComparer.Ordinal)
    {
        [ElasticScores.ModelHash] = _source.Sha256,
        ["model"] = Path.GetFileName(_source.Path),
        ["images"] = _files.Count.ToString(CultureInfo.InvariantCulture),
        ["images_sha256"] = _files.Hash(),
        [ElasticScores.Criterion] = Criterion.Name,
        ["normalise"] = _options.Normalisation.ToString().ToLowerInvariant(),
        ["crops"] = _options.Crops.ToString().ToLowerInvariant(),
        ["evaluations"] = _options.Evaluations.ToString(CultureInfo.InvariantCulture),
        ["seed"] = _options.Seed.ToString(CultureInfo.InvariantCulture),
        ["batch"] = _options.BatchSize.ToString(CultureInfo.InvariantCulture),
        ["device"] = _options.Device.type == DeviceType.CUDA ? "cuda" : "cpu",
        ["precision"] = _options.Precision == ScalarType.BFloat16 ? "bf16" : "fp32",
        ["ratios"] = string.Join(' ', _options.Fitness.Ratios),
        ["losses"] = string.Join(' ', _options.Fitness.Losses),
        ["pca_components"] = _options.Fitness.PcaComponents.ToString(CultureInfo.InvariantCulture),
        ["floors"] = string.Create(CultureInfo.InvariantCulture, $"{_options.Fitness.Floors.NeuronFraction} {_options.Fitness.Floors.HeadFraction}"),
        ["preprocessing"] = _preprocessing.Describe(),
        ["calibration"] = NeedsMoments ? _passes.Describe() : "none",
        ["curvature_damping"] = Criterion.NeedsMoments ? _options.CurvatureDamping.ToString() : "none",
        ["feature_share"] = Criterion.NeedsMoments ? _options.FeatureShare.ToString(CultureInfo.InvariantCulture) : "none",
        ["correction"] = _options.Correction?.ToString() ?? "none",
    };
}
