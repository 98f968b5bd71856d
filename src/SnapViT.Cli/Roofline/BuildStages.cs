using System.Diagnostics;
using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Search;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Roofline;

/// <summary>
/// A whole build as the paper does it, from files of photos to scores, by its stages: the time of each, and what its matrix products alone
/// would take at the machine's rate.
/// </summary>
internal static class BuildStages
{
    /// <summary>The name of the stage: it takes minutes, and is measured where it is asked for.</summary>
    public const string Name = "build";

    private const int Photos = 256, Evaluations = 50, Width = 500, Height = 375, ForwardAndBackward = 2;

    /// <summary>Builds once in every precision.</summary>
    public static IEnumerable<StageRow> Run(StageSettings settings)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("snapvit-bench-");
        try
        {
            string images = Path.Combine(folder.FullName, "photos");
            Directory.CreateDirectory(images);
            for (int i = 0; i < Photos; i++)
            {
                File.WriteAllBytes(Path.Combine(images, $"{i:D4}.jpg"), Roofline.Photos.Of(i, Width, Height));
            }

            List<StageRow> rows = [];
            foreach ((ScalarType precision, string name) in settings.Precisions)
            {
                rows.AddRange(Built(settings, precision, name, folder.FullName, images));
            }

            return rows;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IEnumerable<StageRow> Built(StageSettings settings, ScalarType precision, string name, string folder, string images)
    {
        ViTArchitecture a = settings.Model(settings.Widths[0]);
        string path = Path.Combine(folder, "model.safetensors");
        using (VisionTransformer model = RandomModel.Create(a, ScalarType.Float32, CPU))
        {
            ModelFile.Save(path, model, ModelConfig.Of(a, a.FullWidths));
        }

        BuildOptions options = BuildOptions.Reference with
        {
            Samples = Photos, Evaluations = Evaluations, Precision = precision, Device = settings.Device,
            Fitness = new FitnessOptions { PcaComponents = Photos },
        };
        using LoadedModel loaded = ModelFile.Load(path);
        StageClock clock = new();
        StageRow whole = settings.Timer.Time(
            Name, $"{settings.NameOf(settings.Widths[0])} {name}, {Photos} photos, {Evaluations} evaluations, all",
            () =>
            {
                clock.Start();
                using ElasticViT built = ElasticViT.Build(loaded, ImageSet.Open(images), options, clock);
                clock.Stop();
            },
            MachineLimits.KindOf(precision), 0, Photos);
        double ofPhotos = PhotoFlops(a, options), ofSearch = SearchFlops(a, options);
        yield return whole with { Work = ofPhotos + ofSearch };
        foreach ((string stage, double seconds) in clock.Seconds)
        {
            double work = stage == "search" ? ofSearch : stage == "photos" ? ofPhotos : 0;
            yield return whole with
            {
                Case = string.Create(CultureInfo.InvariantCulture, $"of it {stage}"), Seconds = seconds, MedianSeconds = seconds,
                Work = work, Limit = work == 0 ? LimitKind.None : whole.Limit,
            };
        }
    }

    /// <summary>The teacher's and the student's passes and the weight gradients of every photo.</summary>
    private static double PhotoFlops(ViTArchitecture a, BuildOptions options)
    {
        DistillationPairs pairs = DistillationPairs.OnePair;
        double ofWeights = 2.0 * a.Tokens * a.Depth * a.EmbedDim * (a.MlpDim + a.EmbedDim);
        double forward = CostModel.Flops(a, a.FullWidths);
        return Photos * ((forward * (pairs.TeacherViews + (ForwardAndBackward * pairs.StudentViews))) + (ofWeights * pairs.StudentViews));
    }

    /// <summary>The sub-networks of every candidate over all photos, the first candidate included, and the unpruned model once.</summary>
    private static double SearchFlops(ViTArchitecture a, BuildOptions options)
    {
        SubnetPlanner planner = new(a, RandomModel.Scores(a), options.Fitness.Floors);
        double candidate = options.Fitness.Ratios.Sum(ratios => (double)planner.Plan(Budget.Ratios(ratios)).Flops);
        return Photos * (((Evaluations + 1) * candidate) + CostModel.Flops(a, a.FullWidths));
    }

    /// <summary>How long each stage of a build was the one that reported.</summary>
    private sealed class StageClock : IProgress<WorkProgress>
    {
        private readonly Lock _gate = new();
        private readonly List<(string Stage, double Seconds)> _seconds = [];
        private string? _stage;
        private long _since;

        public IReadOnlyList<(string Stage, double Seconds)> Seconds => _seconds;

        public void Start()
        {
            _seconds.Clear();
            (_stage, _since) = (null, Stopwatch.GetTimestamp());
        }

        public void Stop() => To(null);

        public void Report(WorkProgress value)
        {
            lock (_gate)
            {
                if (value.Stage != _stage)
                {
                    To(value.Stage);
                }
            }
        }

        private void To(string? stage)
        {
            _seconds.Add((_stage ?? "opening", Stopwatch.GetElapsedTime(_since).TotalSeconds));
            (_stage, _since) = (stage, Stopwatch.GetTimestamp());
        }
    }
}
