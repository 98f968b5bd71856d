using System.Diagnostics;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Demo;

/// <summary>The main job on the embedded model: images are drawn, the model is built, budgets are cut and measured.</summary>
internal sealed class DemoRun
{
    private const int PhotosPerClass = 24, TrainPerClass = 25, TestPerClass = 100, BatchSize = 32;

    /// <summary>The paper's six and three below them: the small model has room to spare, and where it ends is seen only there.</summary>
    private static readonly IReadOnlyList<PruningRatios> Budgets = [.. PruningRatios.Paper, new(0.75, 0.6), new(0.85, 0.75), new(0.92, 0.9)];

    /// <summary>How the model is made elastic.</summary>
    public required BuildOptions Preset { get; init; }

    /// <summary>Candidates of the search.</summary>
    public required int Evaluations { get; init; }

    /// <summary>Seed of images, crops and search.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Where the network runs.</summary>
    public required Device Device { get; init; }

    /// <summary>Precision of the matrix products.</summary>
    public required ScalarType Precision { get; init; }

    /// <summary>Runs it in a folder of its own that is removed again.</summary>
    public DemoResult Execute(IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("snapvit-demo-");
        try
        {
            return Execute(folder.FullName, progress, cancellation);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private DemoResult Execute(string folder, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        Stopwatch watch = Stopwatch.StartNew();
        ImageSet photos = DemoImages.Write(Path.Combine(folder, "photos"), Seed, PhotosPerClass);
        ImageSet train = DemoImages.Write(Path.Combine(folder, "train"), Seed, TrainPerClass);
        ImageSet test = DemoImages.Write(Path.Combine(folder, "test"), Seed, TestPerClass);
        using LoadedModel model = DemoModel.Extract(Path.Combine(folder, "demo-vit.safetensors"));
        BuildOptions options = Preset with { Samples = photos.Count, Evaluations = Evaluations, Seed = Seed, BatchSize = BatchSize, Precision = Precision, Device = Device };
        BuildResult built = new ElasticBuild(model, photos, DemoModel.Preprocessing, options, progress).Run(Path.Combine(folder, "unfinished"), cancellation);

        using ElasticViT elastic = ElasticViT.Open(
            model, built.Scores, new ElasticOptions { Correction = options.Correction, Precision = Precision, Device = Device, Preprocessing = DemoModel.Preprocessing });
        List<Subnet> subnets = [];
        try
        {
            subnets.AddRange([elastic.At(Budget.Whole), .. Budgets.Select(ratios => elastic.At(Budget.Ratios(ratios)))]);
            ModelEvaluation evaluation = new(DemoModel.Preprocessing, BatchSize, Device, progress);
            IReadOnlyList<EvaluationRow> rows = evaluation.Run([.. subnets.Select(subnet => subnet.Model)], test, train, cancellation);
            return new DemoResult(rows, [.. subnets.Select(subnet => subnet.Plan.Widths)], built.Search?.History ?? [], photos.Count, test.Count, watch.Elapsed.TotalSeconds, Seed);
        }
        finally
        {
            subnets.ForEach(subnet => subnet.Dispose());
        }
    }
}
