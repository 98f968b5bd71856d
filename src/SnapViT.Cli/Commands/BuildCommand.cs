using System.CommandLine;
using SnapViT.Calibration;
using SnapViT.Cli.Output;
using SnapViT.Cluster;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Search;
using SnapViT.Workflows;
using static TorchSharp.torch;
using Scoring = SnapViT.Importance.Criterion;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit build</c>: scores and search, one elastic scores file.</summary>
internal static class BuildCommand
{
    /// <summary>What the name of the state of an interrupted build adds to that of the scores file.</summary>
    public const string Unfinished = ".unfinished";

    private static readonly string[] Presets = ["recommended", "reference"];
    private static readonly ModelOptions Model = new();
    private static readonly Option<string> Images = new("--images")
    {
        Description = "Photos: a folder (JPEG, PNG, WebP, BMP, TIFF), an archive, or a data set as it is published; labels are used by the "
            + "criteria of cross-entropy only.",
        Required = true,
    };
    private static readonly Option<string?> Labels = new("--labels")
    {
        Description = "For a criterion that needs labels: what tells the classes of the photos, as for eval.",
    };
    private static readonly Option<string> Out = new("--out") { Description = "The scores file to write (safetensors).", Required = true };
    private static readonly Option<int> Samples = new("--samples")
    {
        Description = "Photos used at most, a seeded sample.",
        DefaultValueFactory = _ => 1000,
    };
    private static readonly Option<string> Preset = PresetOption();
    private static readonly Option<int?> Evaluations = new("--evaluations")
    {
        Description = "Candidates of the search; 0 leaves the factors at their start. Default: the preset's, 0 or 50.",
    };
    private static readonly Option<string?> Criterion = CriterionOption();
    private static readonly Option<ScoreNormalisation> Normalise = GlobalOptions.OneOf(
        "--normalise",
        "block: every block's scores are divided by the block's mean before blocks are ranked against each other.",
        ScoreNormalisation.None);
    private static readonly Option<int> Calibration = new("--calibration")
    {
        Description = "Photos that second moments for the correction are taken from at most.",
        DefaultValueFactory = _ => BuildOptions.DefaultCalibrationImages,
    };
    private static readonly Option<int?> CalibrationViews = new("--calibration-views")
    {
        Description = "Random views of each of those photos (crops, mirrored or not, most at a lower resolution); 0 takes the whole "
            + "photo. Default: the preset's, 8 or 0.",
    };
    private static readonly Option<double?> WholeImages = new("--whole-images")
    {
        Description = "Share of the moments' weight that the whole photos have beside the views, 0 or more and below 1. Default: the "
            + "preset's, 0.15 or 0.",
    };
    private static readonly Option<double> PrefixWeight = new("--prefix-weight")
    {
        Description = "Weight of a class, distillation or register token against a patch token in the second moments.",
        DefaultValueFactory = _ => BuildOptions.DefaultPrefixWeight,
    };
    private static readonly Option<double?> LastPrefixWeight = new("--last-prefix-weight")
    {
        Description = "For models that pool the class token: the weight in the last block to which corrections let it rise over the last "
            + "third of the blocks. Default: the preset's, 1000 or no rise.",
    };
    private static readonly Option<string> NeuronDamping = new("--neuron-damping")
    {
        Description = "For --criterion curvature: what is added to the covariance of the neurons' activations, a share of the mean, max "
            + "or percentile of its diagonal; the more, the less the score trusts that other neurons make up for one.",
        DefaultValueFactory = _ => Scoring.Curvature.NeuronDamping.ToText(),
    };
    private static readonly Option<string> HeadDamping = new("--head-damping")
    {
        Description = "The same for heads.",
        DefaultValueFactory = _ => Scoring.Curvature.HeadDamping.ToText(),
    };
    private static readonly Option<double?> FeatureShare = new("--feature-share")
    {
        Description = "For --criterion curvature: share of all neurons, the first to go, that are ranked by what their removal does to "
            + "the features of the photos instead of to the self-supervised loss, 0 to 1. Default: the preset's, 0.2 or 0.",
    };
    private static readonly Option<bool?> Moments = new("--moments")
    {
        Description = "Whether second moments are kept in the file, so that cut and eval can correct; they make it larger (build says by "
            + "how much). Default: the preset's.",
    };
    private static readonly Option<CropProtocol> Crops = GlobalOptions.OneOf(
        "--crops",
        "reference: one global and one local crop per photo; independent: 2 global and 10 local ones, about ten times the time.",
        CropProtocol.Reference);
    private static readonly Option<int> Batch = new("--batch") { Description = "Images per forward pass.", DefaultValueFactory = _ => 16 };
    private static readonly Option<string?> Memory = new("--memory")
    {
        Description = "The most that activations may take, such as 4GB or 800MB: fewer images than --batch then go through at a time, and "
            + "where not even one fits, activations are computed twice instead of being kept. Default: they are computed twice, for the "
            + "same scores, where --batch images take more than half of the machine's memory.",
    };
    private static readonly SearchOptionSet Search = new();
    private static readonly Option<double> NeuronFloor = new("--neuron-floor")
    {
        Description = "Share of its neurons that every block keeps.",
        DefaultValueFactory = _ => 0.05,
    };
    private static readonly Option<double> HeadFloor = new("--head-floor")
    {
        Description = "Share of its heads that every block keeps.",
        DefaultValueFactory = _ => 0.2,
    };

    private static readonly Option<int?> FrontierImages = new("--frontier-images")
    {
        Description = "Photos on which the frontier over tokens, head dimensions, heads and neurons is looked for; 0 leaves it out. "
            + "Default: the preset's, 64 or 0.",
    };
    private static readonly Option<bool?> HeadDims = new("--head-dims")
    {
        Description = "Whether the dimensions inside heads are sorted, so that they can be taken out. Default: the preset's, true or "
            + "false.",
    };

    private static readonly Option<string?> Shard = new("--shard")
    {
        Description = "Reads one of several parts of the photos, such as 3/8; --out is the file of its sums, and merge-scores puts all "
            + "parts together.",
    };

    /// <summary>A named table has a frontier of its own.</summary>
    private static readonly LatencyOptions Latency = new();

    public static Command Create()
    {
        Verb command = new("build", "Scores a model on unlabelled photos; from the scores file any size can be cut.", """
            Every neuron and head is scored by self-supervised gradients. With --evaluations, a search then weighs blocks and heads
            against each other. The same command continues an interrupted build, from its state in OUT.unfinished.

              snapvit build deit_tiny.safetensors --images photos --out deit_tiny.scores.safetensors

            Budgets in time follow the frontier of FLOPs. With --latency-table FILE they have one of their own, along the latencies in that
            file, which are measured first where it is not there.

            Several machines read a part of the photos each; the result is that of one machine, byte for byte.

              snapvit build MODEL --images photos --shard 1/2 --out part1
              snapvit build MODEL --images photos --shard 2/2 --out part2
              snapvit merge-scores part1 part2 --out scores.safetensors
              snapvit build MODEL --images photos --out scores.safetensors
            """);
        Model.AddTo(command);
        foreach (Option option in (Option[])
            [
                Images, Labels, Out, Preset, Samples, Criterion, Normalise, Evaluations, Crops, Calibration, CalibrationViews, WholeImages,
                PrefixWeight, LastPrefixWeight, NeuronDamping, HeadDamping, FeatureShare, Moments, Batch, Memory, NeuronFloor, HeadFloor,
                FrontierImages, HeadDims, .. Latency.Options, Shard, .. BuildCluster.Options, GlobalOptions.Force,
            ])
        {
            command.Options.Add(option);
        }

        Search.AddTo(command);
        command.Does(Run);
        return command;
    }

    private static Option<string?> CriterionOption()
    {
        Option<string?> option = new("--criterion")
        {
            Description = $"{string.Join("; ", Scoring.All.Select(row => $"{row.Name}: {row.Meaning}"))}. Default: the preset's.",
        };
        option.AcceptOnlyFromAmong([.. Scoring.All.Select(row => row.Name)]);
        return option;
    }

    private static Option<string> PresetOption()
    {
        Option<string> option = new("--preset")
        {
            Description = "recommended: block curvature and second moments for the correction; reference: the paper's scores and search.",
            DefaultValueFactory = _ => Presets[0],
        };
        option.AcceptOnlyFromAmong(Presets);
        return option;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        BuildOptions options = Read(parsed);
        Search.Require(parsed, options.Evaluations);
        ImageShard? shard = parsed.GetValue(Shard) is string part ? ImageShard.Parse(part) : null;
        BuildCluster.Require(parsed, options, shard);
        string path = parsed.GetRequiredValue(Out);
        OutputPath.RequireWritable(path);
        OutputPath.RequireWritable(path + Unfinished);
        Latency.Require(parsed);
        PhotoFolders folders = new(parsed);
        ImageSet images = Open(parsed, folders, options);
        using LoadedModel model = Model.Load(parsed, cancellation);
        options = OfModel(parsed, options, model, cancellation);
        RunRecord run = RunRecord.Of(parsed, model) with { Photos = parsed.GetValue(Images) };
        if (shard is ImageShard one)
        {
            BuildPosition read = ProgressDisplay.Run(parsed, progress =>
            {
                BuildPosition position = Begin(progress, cluster: null).RunShard(one, path + Unfinished, cancellation);
                ElasticBuild.FinishShard(path, path + Unfinished);
                return position;
            });
            return ShardReport.Of(path, run, read, folders.LeftOut);
        }

        using BuildCluster? cluster = BuildCluster.Start(parsed, path + Unfinished, cancellation);
        BuildResult result = ProgressDisplay.Run(parsed, progress =>
        {
            ElasticBuild build = Begin(progress, cluster?.Evaluation);
            BuildResult built = build.Run(path + Unfinished, cancellation);
            build.Finish(built, path, path + Unfinished);
            return built;
        });
        cluster?.Tell();
        return BuildReport.Of(path, run, result, folders.LeftOut) with
        {
            Doubts = [.. Model.Doubts(parsed, model), .. DoubtOf(result, model) is string doubt ? [doubt] : Array.Empty<string>()],
            Next = NextCommand.Of(
                "cut", parsed.GetRequiredValue(Model.Argument), path, "--flops", "0.6", "--out", "small.safetensors"),
        };

        ElasticBuild Begin(IProgress<WorkProgress> progress, ICandidateCluster? cluster)
        {
            ElasticBuild build = new(model, images, Model.Preprocess(parsed, model), options, progress)
            {
                Told = text => parsed.InvocationConfiguration.Error.WriteLine($"snapvit: {text}"),
                Cluster = cluster,
            };
            if (build.ClassNote is string note)
            {
                parsed.InvocationConfiguration.Error.WriteLine(note);
            }

            return build;
        }
    }

    /// <summary>Opens the build of a command line that another machine runs, to evaluate candidates for it.</summary>
    /// <param name="parsed">That command line.</param>
    /// <param name="job">What the other machine says of its build.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="SnapViTException">The input or this machine is not as there.</exception>
    internal static OpenedSite OpenSite(ParseResult parsed, ClusterJob job, CancellationToken cancellation)
    {
        BuildOptions options = Read(parsed);
        set_num_threads(job.Threads);
        if (BuildState.ThisMachine() is string machine && machine != job.Machine)
        {
            throw new SnapViTException(
                ErrorKind.Option, $"worker: expected a machine as that of the build, {job.Machine}, found {machine}");
        }

        if (parsed.GetValue<string?>("--latency-table") is string table && !File.Exists(table))
        {
            throw new SnapViTException(ErrorKind.File, $"--latency-table {table}: there is no such file on this machine");
        }

        ImageSet images = Open(parsed, new PhotoFolders(parsed), options);
        LoadedModel model = Model.Load(parsed, cancellation);
        try
        {
            ElasticBuild build = new(model, images, Model.Preprocess(parsed, model), OfModel(parsed, options, model, cancellation));
            return new OpenedSite(build.OpenSite(job.State, cancellation), model);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The options that stand on the command line or in the preset; torch is ready then.</summary>
    private static BuildOptions Read(ParseResult parsed)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        BuildOptions preset = parsed.GetRequiredValue(Preset) == Presets[0] ? BuildOptions.Recommended : BuildOptions.Reference;
        return (preset with
        {
            Samples = parsed.GetValue(Samples),
            Evaluations = parsed.GetValue(Evaluations) ?? preset.Evaluations,
            Criterion = CriterionOf(parsed, preset.Criterion),
            Normalisation = parsed.GetValue(Normalise),
            CalibrationImages = parsed.GetValue(Calibration),
            CalibrationViews = parsed.GetValue(CalibrationViews) ?? preset.CalibrationViews,
            WholeImageShare = parsed.GetValue(WholeImages) ?? preset.WholeImageShare,
            PrefixWeights = new PrefixWeights(
                parsed.GetValue(PrefixWeight), parsed.GetValue(LastPrefixWeight) ?? preset.PrefixWeights.Last),
            KeepMoments = parsed.GetValue(Moments) ?? preset.KeepMoments,
            FrontierImages = parsed.GetValue(FrontierImages) ?? preset.FrontierImages,
            SortHeadDims = parsed.GetValue(HeadDims) ?? preset.SortHeadDims,
            Crops = parsed.GetValue(Crops),
            Fitness = Search.Fitness(parsed, new KeepFloors(parsed.GetValue(NeuronFloor), parsed.GetValue(HeadFloor))),
            Search = Search.Read(parsed),
            Seed = parsed.GetValue(GlobalOptions.Seed),
            BatchSize = parsed.GetValue(Batch),
            Memory = parsed.GetValue(Memory) is string memory ? ByteSize.Parse(Memory.Name, memory) : null,
            Precision = precision,
            Device = device,
        }).Validated();
    }

    private static ImageSet Open(ParseResult parsed, PhotoFolders folders, BuildOptions options)
    {
        LabelFile? labels = parsed.GetValue(Labels) is string file ? LabelFile.Read(file) : null;
        return folders.Open(parsed.GetRequiredValue(Images), labels: labels, needsLabels: options.Criterion.NeedsLabels);
    }

    /// <summary>The options that depend on the model.</summary>
    private static BuildOptions OfModel(ParseResult parsed, BuildOptions options, LoadedModel model, CancellationToken cancellation) =>
        (options with
        {
            Latency = Latency.Table(
                parsed, model, options.Device, options.Precision, needed: Latency.IsNamed(parsed), cancellation),
            Search = Search.WithCovariance(parsed, options.Search, model),
        }).Validated();

    /// <summary>What cut will say of the second moments.</summary>
    private static string? DoubtOf(BuildResult result, LoadedModel model) => result.Scores.Moments is { } moments
        ? CorrectionOptions.Doubt(moments, model.Model.Architecture.Tokens)
        : null;

    /// <summary>The criterion of the name that was given, else the preset's, with the options that belong to it.</summary>
    private static Scoring CriterionOf(ParseResult parsed, Scoring preset)
    {
        Scoring chosen = parsed.GetValue(Criterion) is string name && name != preset.Name ? Scoring.Named(name) : preset;
        Option? without = chosen is CurvatureCriterion
            ? null
            : Array.Find<Option>([NeuronDamping, HeadDamping, FeatureShare], option => GlobalOptions.IsGiven(parsed, option));
        if (without is not null)
        {
            throw new SnapViTException(
                ErrorKind.Option, $"{without.Name}: expected --criterion {Scoring.Curvature} with it, found {chosen}");
        }

        return chosen is CurvatureCriterion curvature
            ? curvature with
            {
                NeuronDamping = Damping.Parse(parsed.GetRequiredValue(NeuronDamping), NeuronDamping.Name),
                HeadDamping = Damping.Parse(parsed.GetRequiredValue(HeadDamping), HeadDamping.Name),
                FeatureShare = parsed.GetValue(FeatureShare) ?? curvature.FeatureShare,
            }
            : chosen;
    }
}
