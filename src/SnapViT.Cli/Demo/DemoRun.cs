using System.Diagnostics;
using System.Globalization;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Demo;

/// <summary>The main job on the embedded model: images are drawn, the model is built, budgets are cut and measured.</summary>
internal sealed class DemoRun
{
    private const int PhotosPerClass = 10, TrainPerClass = 10, TestPerClass = 100, BatchSize = 32;

    /// <summary>Seconds of the two parts, measured on two cores.</summary>
    private const double BuildCost = 10, MeasureCost = 25;

    /// <summary>Shares of the FLOPs, down to about the least that the floors allow.</summary>
    private static readonly IReadOnlyList<double> Shares = [0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.17];

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

    /// <summary>
    /// Runs it and leaves what it ran on: <c>model.safetensors</c>, <c>photos</c>, and <c>train</c> and <c>test</c> with a sub-folder per
    /// class.
    /// </summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public DemoResult Execute(string folder, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        Stopwatch watch = Stopwatch.StartNew();
        JobProgress job = new(progress, TimeProvider.System);
        IProgress<WorkProgress> building = job.Part(BuildCost), measuring = job.Part(MeasureCost);
        ImageSet photos = DemoImages.WriteUnlabelled(Path.Combine(folder, "photos"), Seed, PhotosPerClass);
        ImageSet train = DemoImages.WriteLabelled(Path.Combine(folder, "train"), Seed, TrainPerClass);
        ImageSet test = DemoImages.WriteLabelled(Path.Combine(folder, "test"), Seed, TestPerClass);
        using LoadedModel model = DemoModel.Extract(Path.Combine(folder, "model.safetensors"));
        BuildOptions options = Preset with
        {
            Samples = photos.Count,
            Evaluations = Evaluations,
            Seed = Seed,
            BatchSize = BatchSize,
            Precision = Precision,
            Device = Device,

            // The demo compares orders of heads and neurons.
            SortHeadDims = false,
            FrontierImages = 0,
        };
        BuildResult built = new ElasticBuild(model, photos, DemoModel.Preprocessing, options, building).Run(null, cancellation);
        ElasticScores scores = built.Scores;

        // The order says nothing here, the correction is the same: what is left of the difference is what scores are worth.
        ElasticScores unordered = scores with
        {
            Local = RandomScores.Of(DemoModel.Architecture, Seed),
            Coefficients = ScoreCoefficients.Equal(DemoModel.Architecture.FullWidths),
        };
        using ElasticViT elastic = Open(scores), random = Open(unordered);
        List<Subnet> subnets = [];
        try
        {
            subnets.AddRange(
            [
                elastic.At(Budget.Whole),
                .. Shares.Select(share => elastic.At(Budget.Flops(share))),
                .. Shares.Select(share => random.At(Budget.Flops(share))),
            ]);
            ModelEvaluation evaluation = new(DemoModel.Preprocessing, BatchSize, Device, measuring);
            IReadOnlyList<EvaluationRow> rows = evaluation.Run([.. subnets.Select(subnet => subnet.Model)], test, train, cancellation);
            int whole = Shares.Count + 1;
            return new DemoResult(
                [.. rows.Take(whole)],
                [rows[0], .. rows.Skip(whole)],
                [null, .. Shares.Select(share => share.ToString(CultureInfo.InvariantCulture))],
                [.. subnets.Take(whole).Select(subnet => subnet.Plan.Widths)],
                built.Search?.History ?? [],
                photos.Count,
                test.Count,
                watch.Elapsed.TotalSeconds,
                Seed);
        }
        finally
        {
            subnets.ForEach(subnet => subnet.Dispose());
        }

        ElasticViT Open(ElasticScores of) => ElasticViT.Open(
            model, of, new ElasticOptions
            {
                Correction = options.Correction,
                Precision = Precision,
                Device = Device,
                Preprocessing = DemoModel.Preprocessing,
            });
    }
}
