using System.Diagnostics;
using System.Globalization;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
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
    private const int PhotosPerClass = 6, TrainPerClass = 10, TestPerClass = 40, BatchSize = 32;

    /// <summary>Seconds of the two parts, measured on two cores.</summary>
    private const double BuildCost = 10, MeasureCost = 25;

    /// <summary>Shares of the FLOPs, down to about the least that the floors allow.</summary>
    private static readonly IReadOnlyList<double> Shares = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];

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
    /// <param name="made">Given the result and the folder before it is removed.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public DemoResult Execute(Action<DemoResult, string> made, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("snapvit-demo-");
        try
        {
            DemoResult result = Execute(folder.FullName, progress, cancellation);
            made(result, folder.FullName);
            return result;
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

            // Photos of the frontier are none of those that moments are of.
            CalibrationImages = photos.Count - Preset.FrontierImages,
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
        PlanOptions pools = new() { Allocation = Allocation.Pools };
        (string Name, string Meaning, ElasticViT Of, PlanOptions How)[] ways =
        [
            ("all axes", "what costs least of heads, dimensions inside heads, tokens and neurons, by the frontier", elastic, new()),
            ("no merging", "the same frontier with every token kept", elastic, new() { WholeAxes = [Axis.Tokens] }),
            ("heads and neurons", "by scores alone, along the paper's line", elastic, pools),
            ("random order", "as many heads and neurons removed without scores, the layers re-fitted in the same way", random, pools),
        ];
        using Subnet whole = elastic.At(Budget.Whole);
        List<(int Way, double Share, Subnet Subnet)> cut = [];
        try
        {
            for (int way = 0; way < ways.Length; way++)
            {
                cut.AddRange(Shares.Select(share => (way, share, ways[way].Of.At(Budget.Flops(share), ways[way].How))));
            }

            using ImageOutcomes outcomes = new(cut.Count + 1);
            ModelEvaluation evaluation = new(DemoModel.Preprocessing, BatchSize, Device, measuring) { Outcomes = outcomes };
            IReadOnlyList<EvaluationRow> rows = evaluation.Run(
                [whole.Model, .. cut.Select(entry => entry.Subnet.Model)], test, train, cancellation);
            ImageFacts facts = new(outcomes, [.. Enumerable.Range(0, ShapeTextureImages.Classes).Select(ShapeTextureImages.Name)]);
            MeasuredRow[] measured =
            [
                .. rows.Select((row, index) => new MeasuredRow(
                    index == 0 ? null : cut[index - 1].Share.ToString(CultureInfo.InvariantCulture), null, row)
                {
                    Widths = (index == 0 ? whole : cut[index - 1].Subnet).Plan.Widths,
                    Distance = index == 0 ? null : cut[index - 1].Subnet.Plan.Distance,
                    Facts = facts.Of(index),
                }),
            ];
            return new DemoResult(
                measured[0],
                [
                    .. ways.Select((way, index) => new MeasuredLine(
                        way.Name, way.Meaning, way.Of == random, [.. measured.Skip(1).Where((_, place) => cut[place].Way == index)])),
                ],
                scores,
                built.Search?.History ?? [],
                photos.Count,
                test.Count,
                watch.Elapsed.TotalSeconds,
                Seed);
        }
        finally
        {
            cut.ForEach(entry => entry.Subnet.Dispose());
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
