using SnapViT.Calibration;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Elastic;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Tensors;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT;

/// <summary>
/// One pretrained Vision Transformer at every size (Simoncini et al., NeurIPS 2025). <c>Build</c> scores a model on unlabelled photos,
/// <c>Open</c> takes a model with its scores, <see cref="At(Budget, PlanOptions)"/> gives the largest sub-network within a budget.
/// </summary>
/// <remarks>
/// Thread-safe, but for <see cref="Dispose"/>. Sub-networks of <c>At</c> are views of one ordered copy of the weights, may be used side by
/// side on several threads, and stay valid after this object is disposed. The first one waits until that copy is made and its layers are
/// factored (<see cref="WarmUp"/>); a switch to another budget takes a triangular solve a layer where layers are corrected, else a fraction
/// of a millisecond. A projection whose heads lost value dimensions is factored anew for each budget.
/// </remarks>
public sealed class ElasticViT : IDisposable
{
    /// <summary>Photos that a sequential correction is fitted on at most.</summary>
    internal const int MostPhotos = 256;

    private const int PhotosPerBatch = 16;

    private readonly ElasticWeights _weights;
    private readonly SubnetSource _source;
    private readonly string _correction;
    private readonly ElasticOptions _options;
    private bool _disposed;

    /// <summary>
    /// A model in memory of which nothing is known but its weights and scores. The model stays the caller's, its memory is shared.
    /// </summary>
    internal ElasticViT(
        VisionTransformer model, ImportanceScores scores, KeepFloors floors, Func<ImportanceOrder, ElasticCorrection>? correct = null)
    {
        _weights = new ElasticWeights(model, scores, floors, correct);
        _source = new SubnetSource(
            "model", "", new Dictionary<string, string>(), Preprocessing.Named("reference", model.Architecture.ImageSize));
        (_correction, _options) = (
            correct is null ? SubnetSource.Uncorrected : SubnetSource.Describe(new CorrectionOptions()), new ElasticOptions());
        Scores = new ElasticScores(scores, ScoreCoefficients.Equal(scores.Counts), floors, _source.Provenance);
    }

    private ElasticViT(LoadedModel model, ElasticScores scores, ElasticOptions options)
    {
        RequireSameModel(model, scores);
        CorrectionOptions? correction = options.Correction is { Optional: true } && scores.Moments is null
            ? null
            : options.Correction?.Validated();
        if (correction is not null && scores.Moments is null)
        {
            throw new CheckpointFormatException(
                model.Path, "expected scores with second moments for a correction, found none: build them with moments");
        }

        (Scores, _options, _correction) = (scores, options, SubnetSource.Describe(correction));
        _source = new SubnetSource(
            Path.GetFileName(model.Path), model.Sha256, scores.Provenance,
            (options.Preprocessing ?? model.PreprocessingOrReference).Validated())
        {
            ClassNames = model.ClassNames,
        };
        string? ofCorrection = correction is null
            ? null
            : CorrectionOptions.Doubt(scores.Moments!, model.Model.Architecture.Tokens);
        Doubts = [.. model.Doubts(options.Preprocessing), .. ofCorrection is null ? [] : new[] { ofCorrection }];
        using HeadBasis? basis = scores.HeadBasis is null ? null : new HeadBasis(scores.HeadBasis, model.Model.Architecture);
        using VisionTransformer? sorted = basis is null ? null : new VisionTransformer(basis.Apply(model.Model.Weights));
        VisionTransformer source = sorted ?? model.Model;
        _source = _source with { RotaryPairs = source.Weights.RotaryPairs };
        _weights = new ElasticWeights(
            source, scores.Scaled, scores.Floors, correction is null ? null : Correct, options.Precision, options.Device ?? CPU,
            scores.Frontiers);

        ElasticCorrection Correct(ImportanceOrder order)
        {
            IMomentSource own = scores.Moments!.ForFit(model.Model.Architecture);
            using IMomentSource moments = basis?.Apply(own) ?? own;
            return new ElasticCorrection(source.Weights, moments, order, correction!);
        }
    }

    /// <summary>Scores a model on photos: a few minutes for a small one. Any size can be cut from what comes back.</summary>
    /// <param name="modelPath">The unpruned model: a checkpoint, or a folder of the Hugging Face hub.</param>
    /// <param name="imageFolder">Photos (JPEG, PNG, WebP, BMP, TIFF), best a thousand; they need no labels.</param>
    /// <param name="options">How it is made elastic; null for <see cref="BuildOptions.Recommended"/>.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="SnapViTException">
    /// A file, the photos or an option are wrong, or libtorch is missing; the message is one line.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static ElasticViT Build(
        string modelPath, string imageFolder, BuildOptions? options = null,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        TorchRuntime.EnsureLoaded();
        using LoadedModel model = ModelFile.Load(modelPath);
        return Build(model, ImageSet.Open(imageFolder), options, progress, cancellation);
    }

    /// <inheritdoc cref="Build(string, string, BuildOptions, IProgress{WorkProgress}, CancellationToken)"/>
    /// <param name="model">The unpruned model; stays the caller's.</param>
    /// <param name="images">Photos; they need no labels.</param>
    /// <param name="options">How it is made elastic; null for <see cref="BuildOptions.Recommended"/>.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static ElasticViT Build(
        LoadedModel model, ImageSet images, BuildOptions? options = null,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        TorchRuntime.EnsureLoaded();
        ArgumentNullException.ThrowIfNull(model);
        BuildOptions how = options ?? BuildOptions.Recommended;
        BuildResult built = new ElasticBuild(model, images, model.PreprocessingOrReference, how, progress).Run(cancellation: cancellation);
        return Open(model, built.Scores, new ElasticOptions
        {
            Correction = how.Correction is CorrectionOptions correction ? correction with { Optional = true } : null,
            Precision = how.Precision,
            Device = how.Device,
        });
    }

    /// <summary>Opens a model with its scores. Without options, sub-networks are those of <c>snapvit cut</c>.</summary>
    /// <param name="modelPath">The unpruned model: a checkpoint, or a folder of the Hugging Face hub.</param>
    /// <param name="scoresPath">Its scores, from a build or of the reference (.pt).</param>
    /// <param name="options">Correction, precision, device, preprocessing; null for the defaults.</param>
    /// <exception cref="SnapViTException">
    /// A file is damaged, the scores are of another model or hold no moments for the correction asked for, an option is wrong, or libtorch
    /// is missing.
    /// </exception>
    public static ElasticViT Open(string modelPath, string scoresPath, ElasticOptions? options = null)
    {
        TorchRuntime.EnsureLoaded();
        ElasticScores scores = ElasticScores.Load(scoresPath);
        using LoadedModel model = ModelFile.Load(modelPath, (options ?? new ElasticOptions()).Hints);
        return Open(model, scores, options);
    }

    /// <inheritdoc cref="Open(string, string, ElasticOptions)"/>
    /// <param name="model">The unpruned model; stays the caller's, its memory is shared.</param>
    /// <param name="scores">Its scores.</param>
    /// <param name="options">Correction, precision, device, preprocessing; null for the defaults.</param>
    public static ElasticViT Open(LoadedModel model, ElasticScores scores, ElasticOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(scores);
        return new ElasticViT(model, scores, options ?? new ElasticOptions());
    }

    /// <summary>The scores that sub-networks are cut by.</summary>
    public ElasticScores Scores { get; }

    /// <summary>Turns budgets into plans for this model.</summary>
    public SubnetPlanner Planner => _weights.Planner;

    /// <summary>The name of the model's file without its ending.</summary>
    internal string ModelName => Path.GetFileNameWithoutExtension(_source.Model);

    /// <summary>How images become the model's input.</summary>
    public Preprocessing Preprocessing => _source.Preprocessing;

    /// <summary>
    /// What had to be assumed about the model, and what is doubtful in its scores, a sentence each; empty where there is nothing.
    /// </summary>
    public IReadOnlyList<string> Doubts { get; } = [];

    /// <summary>Writes the scores, atomically; <c>Open</c> and every command read them again.</summary>
    /// <param name="path">The file to write (safetensors).</param>
    /// <exception cref="IOException">It cannot be written; nothing is left of it.</exception>
    public void SaveScores(string path) => Scores.Save(path);

    /// <summary>What a budget leaves of every block and what that costs, without cutting.</summary>
    /// <param name="budget">What the sub-network may cost.</param>
    /// <param name="options">
    /// How the budget is divided and rounded, and what latency is measured by; null for the defaults. Files are those of
    /// <see cref="Subnet.Save"/>.
    /// </param>
    /// <exception cref="BudgetException">The floors make the budget impossible, or a latency is asked for without a table.</exception>
    public SubnetPlan Plan(Budget budget, PlanOptions? options = null)
    {
        PlanOptions how = options ?? PlanOptions.Default;
        return Planner.Plan(
            budget,
            how.FileBytes is null
                ? how with { FileBytes = widths => FileBytes(SubnetPlan.Of(Planner.Architecture, widths)) }
                : how);
    }

    /// <summary>Bytes of the file that <see cref="Subnet.Save"/> writes of a plan, header and config included.</summary>
    /// <param name="plan">A plan of this model.</param>
    /// <param name="sequential">
    /// Whether it is corrected on photos (<see cref="CutSequentially"/>), which the file says in more words.
    /// </param>
    public long FileBytes(SubnetPlan plan, bool sequential = false) =>
        ModelFile.Bytes(_source.Config(plan, sequential ? SubnetSource.DescribeSequential(_correction) : _correction));

    /// <summary>Bytes of the file that <see cref="Subnet.Save"/> writes of a plan under a name, which decides its format.</summary>
    internal long FileBytes(SubnetPlan plan, bool sequential, string path) =>
        ModelFile.Bytes(_source.Config(plan, sequential ? SubnetSource.DescribeSequential(_correction) : _correction), path);

    /// <summary>
    /// The largest sub-network within a budget, as views: no weight is copied, but for corrected layers, which are the sub-network's own.
    /// </summary>
    /// <inheritdoc cref="Plan"/>
    /// <exception cref="SnapViTException">
    /// The moments of a layer are singular and not damped, or not finite; the message names the layer.
    /// </exception>
    /// <exception cref="ObjectDisposedException">This object is disposed.</exception>
    public Subnet At(Budget budget, PlanOptions? options = null) => At(Plan(budget, options));

    /// <summary>The sub-network of a plan, as views.</summary>
    /// <param name="plan">A plan of this model.</param>
    /// <exception cref="SnapViTException">
    /// The moments of a layer are singular and not damped, or not finite; the message names the layer.
    /// </exception>
    /// <exception cref="ObjectDisposedException">This object is disposed.</exception>
    public Subnet At(SubnetPlan plan)
    {
        RequireMine(plan);
        return new Subnet(_weights.At(plan.Widths), plan, _source, _correction);
    }

    /// <summary>
    /// The largest sub-network within a budget with its own contiguous copy of the weights it keeps: the way to write one, since nothing
    /// else is copied.
    /// </summary>
    /// <inheritdoc cref="At(Budget, PlanOptions)"/>
    public Subnet Cut(Budget budget, PlanOptions? options = null) => Cut(Plan(budget, options));

    /// <summary>The sub-network of a plan with its own contiguous copy of the weights it keeps.</summary>
    /// <inheritdoc cref="At(SubnetPlan)"/>
    public Subnet Cut(SubnetPlan plan)
    {
        RequireMine(plan);
        return new Subnet(_weights.Cut(plan.Widths), plan, _source, _correction);
    }

    /// <summary>
    /// The sub-network of a plan, re-fitted block after block to what the whole model gives for photos, from the inputs that each layer has
    /// in the sub-network. It starts from the correction of the options, and was measured below that alone
    /// (bench/results/accuracy-seeds.md).
    /// </summary>
    /// <param name="plan">A plan of this model.</param>
    /// <param name="photos">Photos, of which at most 256 are fitted on; labels are not used.</param>
    /// <param name="seed">Seed of their choice.</param>
    /// <param name="progress">Told how far the reading is; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ImageException">Too many photos cannot be read.</exception>
    public Subnet CutSequentially(
        SubnetPlan plan, ImageSet photos, ulong seed = 42,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(photos);
        RequireMine(plan);
        using VisionTransformer whole = _weights.Whole(), start = _weights.Cut(plan.Widths, ScalarType.Float32, CPU);
        PhotoCorrection fit = new(whole, photos.Sample(MostPhotos, seed), Preprocessing, PhotosPerBatch, progress);
        VisionTransformer fitted = fit.Apply(start, _options.Precision, _options.Device ?? CPU, cancellation);
        return new Subnet(fitted, plan, _source, SubnetSource.DescribeSequential(_correction));
    }

    /// <summary>
    /// A sub-network of this model, trained a little on photos by what the whole model says of them; labels are not used. This is not
    /// closed form: it takes minutes, and its files say so. What it gains: bench/results/healing.md.
    /// </summary>
    /// <param name="start">The sub-network; stays the caller's and as it is.</param>
    /// <param name="photos">Photos, at least one; the more the better.</param>
    /// <param name="options">How long and how fast; null for the defaults.</param>
    /// <param name="progress">Told how far it is; null for nobody.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="SnapViTException">An option is out of range.</exception>
    /// <exception cref="ImageException">Too many photos cannot be read.</exception>
    public Subnet Heal(
        Subnet start, ImageSet photos, HealingOptions? options = null,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(start);
        ArgumentNullException.ThrowIfNull(photos);
        RequireMine(start.Plan);
        HealingOptions how = (options ?? new()).Validated();
        using VisionTransformer whole = _weights.Whole();
        VisionTransformer healed = new PhotoHealing(whole, photos, Preprocessing, how, progress)
            .Apply(start.Model, _options.Precision, _options.Device, cancellation);
        return new Subnet(healed, start.Plan, _source, $"{start.Correction}; healed: {how.Describe(photos.Count)}");
    }

    /// <summary>
    /// Does ahead what the first sub-network would wait for: makes the ordered copy of the weights, and factors the second moments of the
    /// layers. Then every budget takes milliseconds.
    /// </summary>
    /// <param name="budgets">The budgets that are going to be asked for; null or none for any: every layer is factored.</param>
    /// <param name="cancellation">Stops between two layers or budgets.</param>
    /// <exception cref="BudgetException">The floors make a budget impossible.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void WarmUp(IReadOnlyList<Budget>? budgets = null, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (budgets is null or [])
        {
            _weights.WarmUp(cancellation);
            return;
        }

        foreach (Budget budget in budgets)
        {
            cancellation.ThrowIfCancellationRequested();
            At(budget).Dispose();
        }
    }

    /// <summary>Writes sub-networks as one ONNX family: the weights once, in importance order, and a small graph for each.</summary>
    /// <param name="folder">The folder to write: new or empty; it is complete or not there.</param>
    /// <param name="subnets">
    /// A name per sub-network of this model, its graph's file without <c>.onnx</c>; taken one by one, and the caller's to dispose.
    /// </param>
    /// <param name="options">Precision and outputs; null for the defaults.</param>
    /// <exception cref="ArgumentException">A sub-network is of another model.</exception>
    /// <exception cref="SnapViTException">A name is given twice, or logits are asked of a model without a classifier.</exception>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public OnnxFamilyFiles SaveOnnxFamily(string folder, IEnumerable<(string Name, Subnet Subnet)> subnets, OnnxOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(subnets);
        using Subnet whole = At(Budget.Whole);
        return OnnxFamily.Save(
            folder, whole.Model,
            subnets.Select(pair => new OnnxFamilySubnet(pair.Name, pair.Subnet.Model, pair.Subnet.Plan, pair.Subnet.Config)),
            options);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        _weights.Dispose();
    }

    private void RequireMine(SubnetPlan plan)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Architecture != Planner.Architecture)
        {
            throw new ArgumentException("plan: expected one of this model, found one of another architecture", nameof(plan));
        }
    }

    /// <summary>Scores of the reference do not say of which file they are: their sizes must fit.</summary>
    private static void RequireSameModel(LoadedModel model, ElasticScores scores)
    {
        string? expected = scores.Provenance.GetValueOrDefault(ElasticScores.ModelHash);
        if (expected is null || expected == model.Sha256)
        {
            return;
        }

        // The same weights in another file; scores from before the weights were hashed know the file only.
        string? weights = scores.Provenance.GetValueOrDefault(ElasticScores.WeightsHash);
        if (weights != model.WeightsSha256)
        {
            throw new CheckpointFormatException(model.Path, weights is null
                ? $"expected the model that the scores were made for (sha256 {expected}), found another (sha256 {model.Sha256})"
                : $"expected the model that the scores were made for (sha256 of its weights {weights}), "
                    + $"found another (sha256 of its weights {model.WeightsSha256})");
        }
    }
}
