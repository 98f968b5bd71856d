using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Search;

namespace SnapViT.Workflows;

/// <summary>What a build made.</summary>
/// <param name="Scores">Scores, factors, floors and provenance.</param>
/// <param name="Search">Fitness of every candidate; null without evaluations.</param>
/// <param name="ContinuedPhotos">Photos that an interrupted build had read already; 0 for a build from its beginning.</param>
/// <param name="Continued">Evaluations taken over from an interrupted build.</param>
/// <param name="Skipped">Images that could not be read.</param>
/// <param name="Discarded">
/// Why an unfinished state that was found could not be continued and the build began anew; null where none was found, or it was.
/// </param>
internal sealed record BuildResult(
    ElasticScores Scores, SearchResult? Search, int ContinuedPhotos, int Continued,
    IReadOnlyList<SkippedImage> Skipped, string? Discarded);

/// <summary>
/// The main job: a pretrained model and unlabelled photos in, elastic scores out. One pass over the photos gathers whatever scores, second
/// moments and search want of them; then come the scores and the search over global factors. What was added up and found so far is kept now
/// and then, and when the build is cancelled: an interrupted build goes on from there to the same result.
/// </summary>
internal sealed class ElasticBuild
{
    /// <summary>So many images say more than as many as are wanted that moments were fitted on.</summary>
    private const int LeastCompared = 16;

    private readonly LoadedModel _source;
    private readonly Preprocessing _preprocessing;
    private readonly ImagePreparation _whole;
    private readonly BuildOptions _options;
    private readonly ImageSet _images;
    private readonly ImageSet _calibration;
    private readonly ImageSet? _compared;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly SortedDictionary<string, string> _provenance;

    /// <summary>Prepares a build; nothing is computed yet.</summary>
    /// <param name="source">The unpruned model; stays the caller's.</param>
    /// <param name="images">Photos; labels are used by criteria of cross-entropy only.</param>
    /// <param name="preprocessing">How they become the model's input.</param>
    /// <param name="options">How the model is made elastic.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <exception cref="SnapViTException">
    /// An option is out of range, the model is pruned already, has no classifier where the criterion needs one, or there are fewer images
    /// than the search compares components.
    /// </exception>
    /// <exception cref="BudgetException">The floors make a ratio of the search impossible.</exception>
    /// <exception cref="ImageException">The criterion needs labels of the model's classes, and the images lack them.</exception>
    public ElasticBuild(
        LoadedModel source, ImageSet images, Preprocessing preprocessing, BuildOptions options, IProgress<WorkProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(preprocessing);
        ArgumentNullException.ThrowIfNull(options);
        _source = source.IsPruned
            ? throw new SnapViTException(
                ErrorKind.Architecture,
                $"{source.Path}: expected an unpruned model, found one whose blocks were cut: {source.Model.Widths}")
            : source;
        _preprocessing = preprocessing;
        _whole = ImagePreparation.Whole(preprocessing);
        _options = options.Validated().Within(source.Model.Architecture);
        RequireRatiosWithinFloors();
        RequireLatencyOfModel();
        images = Criterion.NeedsLabels ? InClassesOfModel(images.Labelled()) : images;
        _progress = progress;
        _images = images.Sample(options.Samples, options.Seed);
        _calibration = images.Sample(Math.Min(options.Samples, options.CalibrationImages), options.Seed);
        _compared = Compared();
        RequireEnoughImages();
        _provenance = Describe();
    }

    /// <summary>
    /// Told once, at the start of <see cref="Run"/>, what is continued of an interrupted build, or why it begins anew; null for nobody.
    /// </summary>
    public Action<string>? Told { get; init; }

    /// <summary>Evaluates the candidates of the search and of the frontier on other machines too; null for here alone.</summary>
    public ICandidateCluster? Cluster { get; init; }

    private Criterion Criterion => _options.Criterion;

    private bool NeedsMoments =>
        _options.KeepMoments || _options.SortHeadDims || Criterion.NeedsMoments
        || (_options.Correction is not null && _options.Evaluations > 0);

    /// <summary>What was assumed about the classes of labelled images; null for nothing.</summary>
    public string? ClassNote { get; private set; }

    /// <summary>Runs the build, or the rest of one that was interrupted.</summary>
    /// <param name="checkpointPath">Where the unfinished state is kept, removed by <see cref="Finish"/>; null for nowhere.</param>
    /// <param name="cancellation">Stops between two batches; the checkpoint stays.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ImageException">Too many images cannot be read.</exception>
    public BuildResult Run(string? checkpointPath = null, CancellationToken cancellation = default)
    {
        BuildState state = State(checkpointPath);
        using VisionTransformer model = new(_source.Model.Weights.To(_options.Precision, _options.Device));
        (BuildPosition from, BuildPass begun) = Begin(model, state);
        using BuildPass pass = begun;
        try
        {
            return Complete(model, pass, from, state, cancellation);
        }
        catch (OperationCanceledException)
        {
            state.Flush();
            throw;
        }
    }

    /// <summary>
    /// Adds up what one of several parts of the photos gives, or the rest of it; <see cref="ShardMerge"/> puts the parts together, and
    /// <see cref="Run"/> continues from there.
    /// </summary>
    /// <param name="shard">Which part.</param>
    /// <param name="checkpointPath">Where the sums are kept while the work goes on, and stay: <see cref="FinishShard"/> names them.</param>
    /// <param name="cancellation">Stops between two batches; the checkpoint stays.</param>
    /// <returns>What was read.</returns>
    /// <inheritdoc cref="Run"/>
    public BuildPosition RunShard(ImageShard shard, string checkpointPath, CancellationToken cancellation = default)
    {
        BuildState state = State(checkpointPath, shard);
        using VisionTransformer model = new(_source.Model.Weights.To(_options.Precision, _options.Device));
        (_, BuildPass begun) = Begin(model, state, shard);
        using BuildPass pass = begun;
        try
        {
            pass.JoinIn(new JobProgress(_progress, TimeProvider.System));
            pass.Read(state, cancellation);
            return pass.Complete(state, shard);
        }
        catch (OperationCanceledException)
        {
            state.Flush();
            throw;
        }
    }

    /// <summary>Gives the complete sums of a part their name.</summary>
    /// <param name="path">The file of the part.</param>
    /// <param name="checkpointPath">What <see cref="RunShard"/> kept.</param>
    /// <exception cref="IOException">It cannot be done; the checkpoint stays.</exception>
    public static void FinishShard(string path, string checkpointPath) => File.Move(checkpointPath, path, overwrite: true);

    private BuildResult Complete(
        VisionTransformer model, BuildPass pass, BuildPosition from, BuildState state, CancellationToken cancellation)
    {
        JobProgress job = new(_progress, TimeProvider.System);
        pass.JoinIn(job);
        IProgress<WorkProgress> search = job.Part(SearchRun.Passes(_source.Model.Architecture, _options, _images.Count));
        IProgress<WorkProgress> frontier = job.Part(FrontierPasses());
        pass.Read(state, cancellation);
        ImportanceScores read = pass.Scores(state);
        ImportanceScores local = pass.Known ?? Normalised(read);

        ElasticScores unfinished = Unfinished(local);
        BuildPosition scored = new()
        {
            Local = local,
            History = from.History,
            Frontier = from.Frontier,
            Photos = _images.Count,
            AllPhotos = _images.Count,
            Skipped = pass.Skipped,
        };
        state.Offer(_images.Count, () => (scored, pass.SaveMoments));
        if (Cluster is not null)
        {
            // Other machines begin where this one is.
            state.Keep(scored, pass.SaveMoments);
        }

        SearchResult? found = pass.Searched is null ? null : SearchFactors(model, pass, unfinished, scored, state, search, cancellation);
        if (found is not null)
        {
            _provenance["fitness_c0"] = found.History[0].ToString("R", CultureInfo.InvariantCulture);
            _provenance["fitness_best"] = found.BestFitness.ToString("R", CultureInfo.InvariantCulture);
            if (found.HeldOut.Count > 0)
            {
                _provenance["fitness_held_out_c0"] = found.HeldOut[0].ToString("R", CultureInfo.InvariantCulture);
                _provenance["fitness_held_out"] = found.HeldOut.Min().ToString("R", CultureInfo.InvariantCulture);
            }
        }

        ElasticScores scores = unfinished with
        {
            Coefficients = found?.Best ?? unfinished.Coefficients,
            Moments = _options.KeepMoments ? pass.Moments?.ToStored() : null,
            ScoredImages = pass.Fingerprints,
            HeadBasis = BasisOf(pass),
        };
        if (pass.Compared is not null)
        {
            BuildPosition searched = scored with { History = found?.History ?? [], Frontier = from.Frontier };
            scores = WithFrontiers(scores, pass, searched, state, frontier, cancellation);
        }

        return new BuildResult(scores, found, from.Photos, from.History.Count, pass.Skipped, state.Discarded);
    }

    /// <summary>Local scores with the factors that a search starts from.</summary>
    private ElasticScores Unfinished(ImportanceScores local)
    {
        // Scores that compare between blocks as they are would be tilted by the paper's start.
        ScoreCoefficients initial = Criterion.ComparesBlocks || _options.Normalisation == ScoreNormalisation.Block
            ? ScoreCoefficients.Equal(local.Counts)
            : ScoreCoefficients.Initial(local.Counts);
        initial = _options.Search.Start is (double first, double last)
            ? ScoreCoefficients.Linear(local.Counts, first, first - last)
            : initial;
        return new ElasticScores(local, initial, _options.Fitness.Floors, _provenance);
    }

    private StoredHeadBasis? BasisOf(BuildPass pass) =>
        pass.Moments is { Heads: HeadMoments heads } moments ? heads.Bases(_source.Model.Weights, moments) : null;

    /// <summary>Opens a build that another machine has scored, to evaluate candidates for it.</summary>
    /// <param name="statePath">The state of that build.</param>
    /// <param name="cancellation">Stops between two images.</param>
    /// <returns>What evaluates; the caller disposes it before the model.</returns>
    /// <exception cref="SnapViTException">The state is missing, or of another build: other options, model or images.</exception>
    public CandidateSite OpenSite(string statePath, CancellationToken cancellation = default)
    {
        BuildState state = State(statePath);
        VisionTransformer model = new(_source.Model.Weights.To(_options.Precision, _options.Device));
        BuildPass? pass = null;
        try
        {
            pass = state.TryRead(_options.Device, (position, sums) => new BuildPass(Input(model), _options, NeedsMoments, position, sums));
            if (pass is not { Known: ImportanceScores local })
            {
                throw new SnapViTException(
                    ErrorKind.Option, state.Discarded ?? $"{statePath}: expected the state of a build that has scores, found none");
            }

            pass.Read(state, cancellation);
            ElasticScores scores = Unfinished(local) with { HeadBasis = BasisOf(pass) };
            return new CandidateSite(model, _source.Model, scores, pass, _options, cancellation);
        }
        catch
        {
            pass?.Dispose();
            model.Dispose();
            throw;
        }
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
        State(checkpointPath).Delete();
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

    private void RequireLatencyOfModel()
    {
        if (_options.Latency is LatencyTable table && table.Conditions.Architecture != _source.Model.Architecture)
        {
            throw new SnapViTException(ErrorKind.File, "latency table: expected one of this model's architecture, found one of another");
        }
    }

    /// <summary>A criterion of labels needs a classifier, and images of its classes.</summary>
    private ImageSet InClassesOfModel(ImageSet images)
    {
        int classes = _source.Model.Architecture.Classes;
        if (classes == 0)
        {
            throw new SnapViTException(
                ErrorKind.Architecture, $"criterion {Criterion}: expected a model with a classifier, found none in {_source.Path}");
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
        int tuned = _images.Count - SearchRun.HeldOut(_options, _images.Count);
        if (_options.Evaluations > 0 && components < width && tuned < components)
        {
            throw new SnapViTException(
                ErrorKind.Option,
                $"samples: expected at least {components} images, "
                    + $"for the search compares so many principal components of features of width {width}, found {tuned}");
        }
    }

    private BuildState State(string? path, ImageShard? shard = null) => new(
        path,
        string.Join('\n', _provenance.Where(pair => !pair.Key.StartsWith("fitness_", StringComparison.Ordinal))),
        TimeProvider.System,
        shard);

    /// <summary>The pass over the images, at its beginning or where an interrupted build left it; says which.</summary>
    private (BuildPosition From, BuildPass Pass) Begin(VisionTransformer model, BuildState state, ImageShard? shard = null)
    {
        BuildPosition? from = null;
        BuildPass? continued = state.TryRead(_options.Device, (position, sums) =>
        {
            BuildPass pass = new(Input(model), _options, NeedsMoments, position, sums, shard);
            from = position;
            return pass;
        });
        if (continued is not null)
        {
            Told?.Invoke(from!.IsMerged
                ? $"continues from merged shards: {from.ToText()}"
                : $"continues an interrupted build: {from.ToText()}");
            return (from!, continued);
        }

        if (state.Discarded is not null)
        {
            Told?.Invoke($"begins anew: {state.Discarded}");
        }

        return (new BuildPosition(), new BuildPass(Input(model), _options, NeedsMoments, shard: shard));
    }

    private CriterionInput Input(VisionTransformer model) => new()
    {
        Model = model,
        Weights = _source.Model.Weights,
        Images = _images,
        Calibration = _calibration,
        Compared = _compared,
        Preprocessing = _preprocessing,
        Whole = _whole,
        Crops = _options.Crops,
        BatchSize = _options.BatchSize,
        Recomputes = _options.Recomputes,
        Seed = _options.Seed,
        Device = _options.Device,
    };

    private ImportanceScores Normalised(ImportanceScores scores) =>
        _options.Normalisation == ScoreNormalisation.Block ? scores.DividedByBlockMean() : scores;

    private SearchResult SearchFactors(
        VisionTransformer model,
        BuildPass pass,
        ElasticScores unfinished,
        BuildPosition scored,
        BuildState state,
        IProgress<WorkProgress> progress,
        CancellationToken cancellation) =>
        new SearchRun(model, _source.Model.Weights, unfinished, pass.Moments, _options) { Cluster = Cluster }.Find(
            pass.Searched!,
            progress,
            scored.History,
            told =>
            {
                BuildPosition reached = scored with { History = [.. told] };
                state.Offer(_images.Count, () => (reached, pass.SaveMoments));
            },
            cancellation);

    /// <summary>The same scores with the frontiers over all axes.</summary>
    private ElasticScores WithFrontiers(
        ElasticScores scores, BuildPass pass, BuildPosition searched, BuildState state, IProgress<WorkProgress> progress,
        CancellationToken cancellation)
    {
        using IMomentSource? moments = ((IMomentSource?)pass.Moments)?.Share();
        return scores with
        {
            Frontiers = new FrontierRun(_source.Model, scores, moments, _options) { Cluster = With(scores.Coefficients) }.Find(
                pass.Compared!,
                progress,
                searched.Frontier,
                measured => state.Offer(_images.Count, () => (searched with { Frontier = measured() }, pass.SaveMoments)),
                cancellation),
        };
    }

    /// <summary>The cluster of a stage that begins with what the search found.</summary>
    private ICandidateCluster? With(ScoreCoefficients found) => Cluster is null ? null : new InContext(Cluster, found.Vector.ToArray());

    private double FrontierPasses() =>
        _compared is null ? 0
            : FrontierSearch.Passes(_source.Model.Architecture, AxisTable.Rows.Count, _options.FrontierUnits.Count) * _compared.Count;

    /// <summary>Images for the frontier: none of the moments', where enough others were drawn.</summary>
    private ImageSet? Compared()
    {
        HashSet<string> fitted = [.. _calibration.Entries.Select(entry => entry.Name)];
        int others = _images.Entries.Count(entry => !fitted.Contains(entry.Name)), wanted = _options.FrontierImages;
        return wanted == 0 ? null
            : others >= Math.Min(wanted, LeastCompared) ? _images.Where(entry => !fitted.Contains(entry.Name)).Sample(wanted, _options.Seed)
            : _images.Sample(wanted, _options.Seed);
    }

    /// <summary>What the numbers depend on: the input, the options of the build and those of its criterion.</summary>
    private SortedDictionary<string, string> Describe()
    {
        Dictionary<string, string> input = new()
        {
            [ElasticScores.ModelHash] = _source.Sha256,
            [ElasticScores.WeightsHash] = _source.WeightsSha256,
            ["model"] = Path.GetFileName(_source.Path),
            ["images"] = _images.Count.ToString(CultureInfo.InvariantCulture),
            [ScoredImages.SetHash] = _images.Hash(),
            ["preprocessing"] = _preprocessing.Describe(),
            ["calibration"] = NeedsMoments ? CalibrationRun.Describe(_calibration.Count, _options) : "none",
        };
        if (_options.SortHeadDims)
        {
            input["head_dims"] = "sorted";
        }

        if (_compared is not null)
        {
            input["frontier"] = FormattableString.Invariant($"{_compared.Count} images, sha256 {_compared.Hash()}");
            if (_options.Latency is LatencyTable latency)
            {
                input["frontier_latency"] = $"{latency.Conditions.Describe()}, sha256 {latency.Hash()}";
            }
        }

        return new SortedDictionary<string, string>(
            input.Concat(_options.Describe()).Concat(Criterion.DescribeAmongAll()).ToDictionary(), StringComparer.Ordinal);
    }

    private sealed class InContext(ICandidateCluster cluster, double[] context) : ICandidateCluster
    {
        public IReadOnlyList<double[]> Evaluate(CandidateWork work, CancellationToken cancellation) =>
            cluster.Evaluate(work with { Context = context }, cancellation);
    }
}
