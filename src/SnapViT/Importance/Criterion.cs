using SnapViT.Calibration;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// How a structure is scored, with the options of that criterion: its name, what it needs, and its run in a build. Immutable. To add a
/// criterion, add a record with its options and its run, and one line to <see cref="All"/>.
/// </summary>
public abstract record Criterion
{
    private const string NotApplicable = "none";

    /// <summary>A criterion.</summary>
    /// <param name="name">Its name in commands and provenance.</param>
    /// <param name="meaning">What it measures, in a few words for people.</param>
    internal Criterion(string name, string meaning) => (Name, Meaning) = (name, meaning);

    /// <summary>The name in commands and provenance.</summary>
    public string Name { get; }

    /// <summary>What it measures, in a few words for people.</summary>
    public string Meaning { get; }

    /// <summary>Whether images need labels of the model's own classes, and the model its classifier.</summary>
    public bool NeedsLabels { get; internal init; }

    /// <summary>Whether second moments of activations are needed besides.</summary>
    public bool NeedsMoments { get; internal init; }

    /// <summary>
    /// Whether scores of different blocks compare as they are, so that the factors start at 1 instead of the paper's tilt.
    /// </summary>
    public bool ComparesBlocks { get; internal init; }

    /// <summary>
    /// The square of the mean self-supervised gradient over all images, as the reference computes it: <c>mean_row((1/n sum_i g_i)^2)</c>.
    /// </summary>
    public static Criterion Ssl { get; } = new GradientCriterion(
        "ssl", "squared mean self-supervised gradient, as the reference", _ => new SquaredMeanGradient());

    /// <summary>
    /// The mean of the squared per-image gradients, the paper's Eq. 2 (empirical Fisher): <c>1/n sum_i mean_row(g_i^2)</c>.
    /// </summary>
    public static Criterion Fisher { get; } = new GradientCriterion(
        "fisher", "mean of squared per-image gradients, the paper's Eq. 2", _ => new PerSampleFisher());

    /// <summary>
    /// The loss that removing a structure costs after the others were corrected, from block-wise curvature, with default options.
    /// </summary>
    public static CurvatureCriterion Curvature { get; } = new();

    /// <summary>As <see cref="Ssl"/> with the cross-entropy of the model's own classifier; needs labels.</summary>
    public static Criterion CrossEntropy { get; } =
        new GradientCriterion("cross-entropy", "ssl with labels and the model's classifier", _ => new SquaredMeanGradient())
        {
            NeedsLabels = true,
        };

    /// <summary>Connection sensitivity of self-supervised gradients (gradient times weight), plus magnitude.</summary>
    public static Criterion SnipMagnitude { get; } =
        new GradientCriterion("snip-magnitude", "gradient times weight, plus magnitude", weights => new SensitivityMagnitude(weights));

    /// <summary>As <see cref="SnipMagnitude"/> with the cross-entropy of the model's own classifier; needs labels.</summary>
    public static Criterion SnipMagnitudeCrossEntropy { get; } =
        new GradientCriterion("snip-magnitude-cross-entropy", "the same with labels", weights => new SensitivityMagnitude(weights))
        {
            NeedsLabels = true,
        };

    /// <summary>Layer-adaptive magnitude (Lee et al., 2021); looks at weights only.</summary>
    public static WeightCriterion Lamp { get; } =
        new("lamp", "layer-adaptive magnitude of weights, without photos", (weights, _) => LayerAdaptiveMagnitude.Of(weights));

    /// <summary>Uniform random numbers, seeded: what any other criterion has to beat.</summary>
    public static WeightCriterion Random { get; } =
        new("random", "seeded random numbers", (weights, seed) => RandomScores.Of(weights.Architecture, seed)) { ComparesBlocks = true };

    /// <summary>All criteria, with default options.</summary>
    public static IReadOnlyList<Criterion> All { get; } =
        [Ssl, Fisher, Curvature, CrossEntropy, SnipMagnitude, SnipMagnitudeCrossEntropy, Lamp, Random];

    /// <summary>The criterion of a name, with default options.</summary>
    /// <param name="name">One of the names of <see cref="All"/>.</param>
    /// <exception cref="SnapViTException">There is no such criterion; the message lists them.</exception>
    public static Criterion Named(string name) => All.FirstOrDefault(criterion => criterion.Name == name)
        ?? throw new SnapViTException(
            ErrorKind.Option,
            $"criterion: expected one of {string.Join(", ", All.Select(criterion => criterion.Name))}, found '{name}'");

    /// <summary>The name.</summary>
    public sealed override string ToString() => Name;

    /// <summary>The options that belong to this criterion, as they stand in the provenance.</summary>
    internal virtual IReadOnlyDictionary<string, string> Describe() => new Dictionary<string, string>();

    /// <summary>What is wrong with the options, one phrase each.</summary>
    internal virtual IEnumerable<string> Faults() => [];

    /// <summary>Begins to score a model. Nothing is read yet; the run names what it wants of the images.</summary>
    internal abstract CriterionRun Start(CriterionInput input);

    /// <summary>The options of this criterion and the names of those of all others, which do not apply.</summary>
    internal IEnumerable<KeyValuePair<string, string>> DescribeAmongAll()
    {
        IReadOnlyDictionary<string, string> own = Describe();
        IEnumerable<string> others = All.SelectMany(criterion => criterion.Describe().Keys).Distinct().Except(own.Keys);
        return own.Concat(others.Select(key => KeyValuePair.Create(key, NotApplicable)));
    }
}

/// <summary>A criterion that scores from the weights alone: no image is looked at.</summary>
public sealed record WeightCriterion : Criterion
{
    private readonly Func<ViTWeights, ulong, ImportanceScores> _scores;

    internal WeightCriterion(string name, string meaning, Func<ViTWeights, ulong, ImportanceScores> scores)
        : base(name, meaning) => _scores = scores;

    /// <summary>Scores of a model.</summary>
    /// <param name="weights">The unpruned weights.</param>
    /// <param name="seed">Seed of everything random.</param>
    public ImportanceScores Of(ViTWeights weights, ulong seed) => _scores(weights, seed);

    internal override CriterionRun Start(CriterionInput input) => new Run(this, input);

    private sealed class Run(WeightCriterion criterion, CriterionInput input) : CriterionRun, IRunningSums
    {
        public override IRunningSums Sums => this;

        public void Save(SumWriter to)
        {
        }

        public void Restore(SumReader from)
        {
        }

        public override ImportanceScores Scores(CalibrationMoments? moments, Action<int, int>? told = null) =>
            criterion.Of(input.Weights, input.Seed);

        public override void Dispose()
        {
        }
    }
}

/// <summary>What a criterion scores a model by.</summary>
internal sealed class CriterionInput
{
    /// <summary>The unpruned model, in the precision and on the device of the build.</summary>
    public required VisionTransformer Model { get; init; }

    /// <summary>Its weights in float32.</summary>
    public required ViTWeights Weights { get; init; }

    /// <summary>The images to score on.</summary>
    public required ImageSet Images { get; init; }

    /// <summary>The images that second moments are taken of, a part of the others.</summary>
    public required ImageSet Calibration { get; init; }

    /// <summary>The images that the frontier is looked for on, best none of those; null for none.</summary>
    public ImageSet? Compared { get; init; }

    /// <summary>How images become the model's input.</summary>
    public required Preprocessing Preprocessing { get; init; }

    /// <summary>Whole images as the model's input; the one preparation that all consumers of whole images share.</summary>
    public required ImagePreparation Whole { get; init; }

    /// <summary>Which crops the self-supervised loss compares.</summary>
    public required CropProtocol Crops { get; init; }

    /// <summary>Images per forward pass.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Whether backward passes compute activations again instead of keeping them, for the memory.</summary>
    public bool Recomputes { get; init; }

    /// <summary>Seed of everything random.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Where the model is.</summary>
    public required Device Device { get; init; }

    /// <summary>Which views of an image are compared.</summary>
    public DistillationPairs Pairs => DistillationPairs.Of(Crops);

    /// <summary>Forward passes that gradients cost: a backward pass takes about two.</summary>
    private int WithBackward => Recomputes ? 4 : 3;

    /// <summary>A consumer that takes gradients of whole images, [B, 3, S, S].</summary>
    public ImageConsumer OfWhole(ImageSet images, Action<ImageBatch> take) =>
        new(images, Whole, BatchSize, Device, take) { Passes = WithBackward };

    /// <summary>A consumer of crops of the images to score on, [B, V, 3, S, S].</summary>
    public ImageConsumer OfCrops(Action<ImageBatch> take) => new(
        Images,
        ImagePreparation.Crops(new MultiCrop(Crops, Preprocessing, Seed)),
        Math.Max(1, BatchSize / Pairs.StudentViews),
        Device,
        take)
    {
        Passes = Pairs.TeacherViews + (WithBackward * Pairs.StudentViews),
    };
}

/// <summary>One criterion at work on one model: it says what it wants of the images, takes it, and gives scores at the end.</summary>
internal abstract class CriterionRun : IDisposable
{
    /// <summary>What it wants of the images.</summary>
    public virtual IReadOnlyList<ImageConsumer> Consumers => [];

    /// <summary>
    /// What is added up while consumers are served; null where it cannot be put aside, so that an interrupted pass begins anew.
    /// </summary>
    public virtual IRunningSums? Sums => null;

    /// <summary>The latest figure of interest, for people; empty for none.</summary>
    public virtual string Note => "";

    /// <summary>About what <see cref="Scores"/> costs, in forward passes of the model for one image; default next to nothing.</summary>
    public virtual double ScoringPasses => 0;

    /// <summary>The scores, after all consumers were served.</summary>
    /// <param name="moments">
    /// Second moments of the model's activations; null where the criterion does not need them and nobody else does.
    /// </param>
    /// <param name="told">Told how many layers of how many are done, where that takes long; null for nobody.</param>
    public abstract ImportanceScores Scores(CalibrationMoments? moments, Action<int, int>? told = null);

    /// <summary>Frees what was gathered.</summary>
    public abstract void Dispose();

    /// <summary>The mean loss so far, for people.</summary>
    private protected static string MeanLoss(double sum, long images) =>
        images == 0 ? "" : FormattableString.Invariant($"loss {sum / images:F4}");
}
