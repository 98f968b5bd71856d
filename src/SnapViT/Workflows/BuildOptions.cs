using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Search;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>What is done to local scores before blocks are ranked against each other.</summary>
public enum ScoreNormalisation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Every block's scores are divided by the block's mean, neurons and heads apart (Pham, 2026).</summary>
    Block,
}

/// <summary>How a model is made elastic. The defaults are the paper's.</summary>
public sealed record BuildOptions
{
    /// <summary>Default of <see cref="CalibrationImages"/>.</summary>
    public const int DefaultCalibrationImages = 256;

    /// <summary>What <see cref="Recommended"/> has for <see cref="FrontierImages"/>.</summary>
    public const int DefaultFrontierImages = 64;

    /// <summary>Default weight of a prefix token, in scores and wherever <see cref="PrefixWeights"/> does not rise.</summary>
    public const double DefaultPrefixWeight = 20;

    /// <summary>
    /// What was measured best (bench/results): scores by block curvature, second moments of random views in the file, no search. The
    /// default of <see cref="ElasticViT"/>'s Build and of <c>snapvit build</c>.
    /// </summary>
    public static BuildOptions Recommended => new()
    {
        Criterion = new CurvatureCriterion { FeatureShare = 0.2 },
        CalibrationViews = 8,
        WholeImageShare = 0.15,
        PrefixWeights = new PrefixWeights(DefaultPrefixWeight, 1000),
        Correction = new CorrectionOptions(),
        KeepMoments = true,
        Evaluations = 0,
        SortHeadDims = true,
        FrontierImages = DefaultFrontierImages,
    };

    /// <summary>The paper's scores and search, without correction: the defaults of every option.</summary>
    public static BuildOptions Reference => new();

    /// <summary>Images drawn from the folder at most, at least 1; default 1000.</summary>
    public int Samples { get; init; } = 1000;

    /// <summary>Candidates of the search, 0 or more; default 50.</summary>
    public int Evaluations { get; init; } = 50;

    /// <summary>How structures are scored, with the options of that criterion; default the reference's.</summary>
    public Criterion Criterion { get; init; } = Criterion.Ssl;

    /// <summary>What is done to the scores before blocks are ranked against each other; default nothing.</summary>
    public ScoreNormalisation Normalisation { get; init; }

    /// <summary>Which crops are compared; default the reference's one pair.</summary>
    public CropProtocol Crops { get; init; } = CropProtocol.Reference;

    /// <summary>Images that second moments are taken from at most, at least 1; default 256.</summary>
    public int CalibrationImages { get; init; } = DefaultCalibrationImages;

    /// <summary>
    /// Random views of each of those images (<see cref="RandomViews"/>), 0 or more; default 0, for the whole image as it is evaluated.
    /// </summary>
    public int CalibrationViews { get; init; }

    /// <summary>
    /// Share of the moments' weight that the whole images have beside the views, 0..1 without 1; default 0. Without views they have all of
    /// it.
    /// </summary>
    public double WholeImageShare { get; init; }

    /// <summary>
    /// Weight of a prefix token (class, distillation, register) against 1 of a patch token in the moments; default 20 everywhere.
    /// </summary>
    public PrefixWeights PrefixWeights { get; init; } = new(DefaultPrefixWeight);

    /// <summary>How sub-networks are corrected in the search; null for not at all.</summary>
    public CorrectionOptions? Correction { get; init; }

    /// <summary>Whether second moments are kept in the scores file, so that budgets are corrected without images.</summary>
    public bool KeepMoments { get; init; }

    /// <summary>
    /// Whether the dimensions inside heads are sorted and their bases kept in the scores file, so that they can be left out; default no.
    /// </summary>
    public bool SortHeadDims { get; init; }

    /// <summary>
    /// Images on which the frontier over all axes is looked for, 0 or more; default 0, for none. They are not among those of the second
    /// moments where there are enough.
    /// </summary>
    public int FrontierImages { get; init; }

    /// <summary>
    /// What a forward pass takes on some machine, for a frontier of its own that budgets in time follow; default null, for those that
    /// follow the frontier of FLOPs. Only with <see cref="FrontierImages"/>.
    /// </summary>
    public LatencyTable? Latency { get; init; }

    /// <summary>The costs that frontiers are looked for.</summary>
    internal IReadOnlyList<CostUnit> FrontierUnits =>
        Latency is null ? [CostUnit.Flops, CostUnit.Parameters] : [CostUnit.Flops, CostUnit.Parameters, CostUnit.Nanoseconds];

    /// <summary>What the search minimises.</summary>
    public FitnessOptions Fitness { get; init; } = new();

    /// <summary>How the search draws its candidates, when it ends and how its winner is picked; default the paper's.</summary>
    public SearchOptions Search { get; init; } = new();

    /// <summary>Seed of the sample, the crops and the search; default 42.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Images per forward pass, at least 1; default 16.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>
    /// Bytes that the activations of a pass may take, above 0: fewer images than <see cref="BatchSize"/> then go through the model at a
    /// time, and where not even one fits, activations are computed again for the backward pass instead of being kept. The weights, the sums
    /// and the photos that are kept are not counted. Null, the default, leaves the batch as it is, and recomputes activations that take
    /// more than half of the machine's memory; on a GPU, whose memory is not known, never.
    /// </summary>
    public long? Memory { get; init; }

    /// <summary>Whether activations are recomputed: <see cref="Within"/> decides it.</summary>
    internal bool Recomputes { get; private init; }

    /// <summary>Precision of the matrix products, float32 or bfloat16; default float32.</summary>
    public ScalarType Precision { get; init; } = ScalarType.Float32;

    /// <summary>Where the network runs; default the CPU.</summary>
    public Device Device { get => field ?? CPU; init; }

    /// <summary>Checks the options.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">A number is out of its range; the message lists all violations.</exception>
    public BuildOptions Validated()
    {
        List<string> faults = [];
        if (Samples < 1)
        {
            faults.Add($"samples: expected at least 1, found {Samples}");
        }

        if (Evaluations < 0)
        {
            faults.Add($"evaluations: expected 0 or more, found {Evaluations}");
        }

        if (BatchSize < 1)
        {
            faults.Add($"batch: expected at least 1, found {BatchSize}");
        }

        if (Memory is < 1 and long memory)
        {
            faults.Add($"memory: expected at least 1 byte, found {memory}");
        }

        if (CalibrationImages < 1)
        {
            faults.Add($"calibration images: expected at least 1, found {CalibrationImages}");
        }

        if (FrontierImages < 0)
        {
            faults.Add($"frontier images: expected 0 or more, found {FrontierImages}");
        }

        if (Latency is not null && FrontierImages == 0)
        {
            faults.Add("latency table: expected frontier images with it, found 0");
        }

        if (CalibrationViews < 0)
        {
            faults.Add($"calibration views: expected 0 or more, found {CalibrationViews}");
        }

        if (!(WholeImageShare >= 0 && WholeImageShare < 1))
        {
            faults.Add($"whole image share: expected 0 or more and below 1, found {WholeImageShare}");
        }

        faults.AddRange(Criterion.Faults());
        _ = PrefixWeights.Validated();
        _ = Correction?.Validated();
        _ = Fitness.Validated();
        _ = Search.Validated();
        return faults.Count == 0 ? this : throw new SnapViTException(ErrorKind.Option, string.Join("; ", faults));
    }

    /// <summary>
    /// These options within the memory: as many images per forward pass as fit, and where not one does, with recomputed activations.
    /// Without a bound the number stays, so that machines of different memory give the same bytes: what does not fit is recomputed.
    /// </summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <exception cref="SnapViTException">It is not enough for one image even so.</exception>
    internal BuildOptions Within(ViTArchitecture architecture)
    {
        // All views of an image are in one pass.
        int least = Criterion is WeightCriterion ? 1 : DistillationPairs.Of(Crops).StudentViews;
        long ofView = ActivationMemory.OfView(architecture, Precision);
        if (Memory is not long memory)
        {
            return this with { Recomputes = Math.Max(least, BatchSize) * ofView > ActivationMemory.OfMachine(Device) };
        }

        bool recomputes = memory / ofView < least;
        ofView = recomputes ? ActivationMemory.OfRecomputedView(architecture, Precision) : ofView;
        long views = memory / ofView;
        return views >= least
            ? this with { BatchSize = (int)Math.Min(BatchSize, views), Recomputes = recomputes }
            : throw new SnapViTException(
                ErrorKind.Option,
                $"memory: expected at least {(least * ofView / 1_000_000) + 1}MB for one image of this model in {least} views, "
                    + $"found {memory / 1_000_000}MB");
    }

    /// <summary>The options that numbers depend on, as they stand in the provenance; the criterion adds its own.</summary>
    internal IEnumerable<KeyValuePair<string, string>> Describe() => Fitness.Describe().Concat(Search.Describe()).Concat(
        new Dictionary<string, string>
        {
            [ElasticScores.Criterion] = Criterion.Name,
            ["normalise"] = Normalisation.ToString().ToLowerInvariant(),
            ["crops"] = Crops.ToString().ToLowerInvariant(),
            ["evaluations"] = Evaluations.ToString(CultureInfo.InvariantCulture),
            ["seed"] = Seed.ToString(CultureInfo.InvariantCulture),
            ["batch"] = BatchSize.ToString(CultureInfo.InvariantCulture),
            ["device"] = Device.type == DeviceType.CUDA ? "cuda" : "cpu",
            ["precision"] = Precision == ScalarType.BFloat16 ? "bf16" : "fp32",
            ["correction"] = Correction?.ToString() ?? "none",
        });
}
