using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks.Frontiers;

/// <summary>The ways of making sub-networks that are compared, on the scores of one model and seed.</summary>
internal sealed class FrontierRows : IDisposable
{
    public const string Whole = "whole model";

    private const string AllAxes = "frontier", Tokens = "tokens only", HeadDims = "head dimensions only", Preset = "heads and neurons corrected";
    private const string Paper = "the paper line", Sequential = "frontier with sequential correction", Healed = "healed frontier";

    /// <summary>Epochs of the healed row, on the photos that the scores are of.</summary>
    private const int Epochs = 3;

    private readonly string _file;
    private readonly ulong _seed;
    private readonly Dictionary<string, ElasticViT> _opened = [];

    public FrontierRows(string shared, string folder, string model, ulong seed)
    {
        Model = ModelFile.Load(Path.Combine(shared, "models", model + ".safetensors"));
        Preprocessing = model.Contains("augreg", StringComparison.Ordinal) ? Preprocessing.Named("augreg", 224) : Preprocessing.Reference;
        Photos = ImageSet.FromFolder(
            Path.Combine(shared, "images", "imagenet-sample"), LabelFile.Read(Path.Combine(shared, "images", "imagenet-synsets.txt")));
        (_file, _seed) = (Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{model}.{seed}")), seed);
    }

    public static IReadOnlyList<string> Names { get; } = [AllAxes, Tokens, HeadDims, Preset, Paper, Sequential, Healed];

    public LoadedModel Model { get; }

    public Preprocessing Preprocessing { get; }

    public ImageSet Photos { get; }

    public ulong Seed => _seed;

    /// <summary>Photos that nothing was computed from.</summary>
    public ImageSet HeldOut
    {
        get
        {
            HashSet<string> used = [.. Used.Entries.Select(entry => entry.Name)];
            return Photos.Where(entry => !used.Contains(entry.Name));
        }
    }

    /// <summary>Photos that scores, frontiers and fits are computed from.</summary>
    private ImageSet Used => Photos.Sample(Options.Samples, _seed);

    private BuildOptions Options => BuildOptions.Recommended with { Samples = 256, CalibrationImages = 192, Seed = _seed, Precision = ScalarType.BFloat16 };

    /// <summary>A sub-network; null where a row cannot meet the budget, or says nothing about its kind.</summary>
    public Subnet? At(string row, Budget budget)
    {
        ElasticViT elastic = Elastic(row);
        PlanOptions how = new() { Allocation = row is Preset or Paper ? Allocation.Pools : Allocation.Frontier };
        try
        {
            return row switch
            {
                Tokens when budget.Unit == CostUnit.Parameters => null,
                Sequential => elastic.CutSequentially(elastic.Plan(budget, how), Used, _seed),
                Healed => HealedFrom(elastic.Cut(budget, how)),
                _ => elastic.At(budget, how),
            };
        }
        catch (BudgetException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        foreach (ElasticViT elastic in _opened.Values)
        {
            elastic.Dispose();
        }

        Model.Dispose();
    }

    private Subnet HealedFrom(Subnet start)
    {
        using (start)
        {
            return Elastic(Healed).Heal(start, Used, new HealingOptions { Epochs = Epochs, Seed = _seed });
        }
    }

    private ElasticViT Elastic(string row)
    {
        if (!_opened.TryGetValue(row, out ElasticViT? elastic))
        {
            elastic = ElasticViT.Open(
                Model, Scores(row),
                new ElasticOptions { Correction = row == Paper ? null : CorrectionOptions.Automatic, Preprocessing = Preprocessing });
            _opened.Add(row, elastic);
        }

        return elastic;
    }

    private ElasticScores Scores(string row) => row switch
    {
        Paper => Kept("paper", () => Build(BuildOptions.Reference with { Samples = Options.Samples, Evaluations = 0, Seed = _seed, Precision = ScalarType.BFloat16 })),
        Tokens => Kept("tokens", () => Along(Axis.Tokens)),
        HeadDims => Kept("head-dims", () => Along(Axis.QueryKeyDims, Axis.ValueDims)),
        Preset => Base with { HeadBasis = null },
        _ => Kept("frontier", () => Along([.. AxisTable.Rows.Select(facts => facts.Axis)])),
    };

    /// <summary>Scores, moments and bases; the frontiers are found from them as a build does.</summary>
    private ElasticScores Base => Kept("base", () => Build(Options with { FrontierImages = 0 }));

    private ElasticScores Kept(string name, Func<ElasticScores> make)
    {
        string path = $"{_file}.{name}.scores";
        if (!File.Exists(path))
        {
            make().Save(path);
        }

        return ElasticScores.Load(path);
    }

    private ElasticScores Build(BuildOptions options) => new ElasticBuild(Model, Photos, Preprocessing, options).Run().Scores;

    private sealed class Told : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value)
        {
            if (value.Done % 20 == 0)
            {
                Console.Error.WriteLine($"{value.Stage} {value.Done}/{value.Total} {value.Note}");
            }
        }
    }

    /// <summary>The frontier that takes from those axes only.</summary>
    private ElasticScores Along(params Axis[] axes)
    {
        ElasticScores scores = Base;
        using IMomentSource moments = scores.Moments!.ForFit(Model.Model.Architecture);
        HashSet<string> fitted = [.. Photos.Sample(Options.CalibrationImages, _seed).Entries.Select(entry => entry.Name)];
        ImageSet compared = Photos.Sample(Options.Samples, _seed).Where(entry => !fitted.Contains(entry.Name));
        using PreparedImages photos = new(compared, ImagePreparation.Whole(Preprocessing), Options.BatchSize);
        new ImageReader(compared, photos.Consumer!).Run(default);
        FrontierRun run = new(Model.Model, scores, moments, Options) { Axes = axes };
        return scores with { Frontiers = run.Find(photos, new Told()) };
    }
}
