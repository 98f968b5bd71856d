using SkiaSharp;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Search;
using SnapViT.Tests.Data;
using SnapViT.Workflows;

namespace SnapViT.Tests.Workflows;

/// <summary>A folder with a small model and images for it, in which builds run.</summary>
internal sealed class BuildSite : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public BuildSite(int images = 10, int largeJpegs = 0)
    {
        ModelPath = SmallModels.Save(Path.Combine(_folder.Root, "model.safetensors"), SmallModels.Vit);
        for (int i = 0; i < images; i++)
        {
            _folder.Put($"images/{i:D4}.png", TemporaryImages.Random(20, 16, (ulong)i));
        }

        for (int i = 0; i < largeJpegs; i++)
        {
            _folder.Put($"images/{i:D4}-large.jpg", TemporaryImages.Random(640, 480, (ulong)i), SKEncodedImageFormat.Jpeg);
        }
    }

    public static BuildOptions Options { get; } = new() { Samples = 8, Evaluations = 6, BatchSize = 4 };

    public string ModelPath { get; }

    public string Images => Path.Combine(_folder.Root, "images");

    public string Out => Path.Combine(_folder.Root, "scores.safetensors");

    public string Unfinished => Out + ".unfinished";

    /// <summary>The images that are built from; those of the folder where it is null.</summary>
    public ImageSet? Set { get; set; }

    /// <summary>Names of all files beside the images.</summary>
    public string[] Files() => [.. Directory.EnumerateFiles(_folder.Root).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];

    /// <summary>Runs a whole build, or what is left of one.</summary>
    public BuildResult Build(BuildOptions? options = null, Action<WorkProgress>? progress = null, Action<string>? told = null) =>
        Run(options, progress, told, TestContext.Current.CancellationToken);

    /// <summary>Evaluates candidates beside the build; null for in it.</summary>
    public ICandidateCluster? Cluster { get; set; }

    /// <summary>A build that is not run.</summary>
    public ElasticBuild Of(LoadedModel model, BuildOptions options) => Begin(model, options, null, null);

    /// <summary>Runs one part of a build into a file beside the result.</summary>
    public string Shard(string shard, BuildOptions? options = null, CancellationToken? cancellation = null, Action<WorkProgress>? progress = null)
    {
        string path = Path.Combine(_folder.Root, $"shard-{shard.Replace('/', '-')}");
        using LoadedModel model = ModelFile.Load(ModelPath);
        Begin(model, options, progress, null)
            .RunShard(ImageShard.Parse(shard), path + ".unfinished", cancellation ?? TestContext.Current.CancellationToken);
        ElasticBuild.FinishShard(path, path + ".unfinished");
        return path;
    }

    /// <summary>Runs a build that is cancelled at a report.</summary>
    public void Interrupt(Func<WorkProgress, bool> at, BuildOptions? options = null, Action<string>? begun = null)
    {
        using CancellationTokenSource stop = new();
        Assert.Throws<OperationCanceledException>(() => Run(
            options,
            told =>
            {
                if (at(told))
                {
                    stop.Cancel();
                }
            },
            begun,
            stop.Token));
    }

    public void Dispose() => _folder.Dispose();

    private BuildResult Run(BuildOptions? options, Action<WorkProgress>? progress, Action<string>? told, CancellationToken cancellation)
    {
        using LoadedModel model = ModelFile.Load(ModelPath);
        ElasticBuild build = Begin(model, options, progress, told);
        BuildResult result = build.Run(Unfinished, cancellation);
        build.Finish(result, Out, Unfinished);
        return result;
    }

    private ElasticBuild Begin(LoadedModel model, BuildOptions? options, Action<WorkProgress>? progress, Action<string>? told) =>
        new(model, Set ?? ImageSet.FromFolder(Images), model.Preprocessing!, options ?? Options, progress is null ? null : new Told(progress))
        {
            Told = told,
            Cluster = Cluster,
        };
}

/// <summary>Progress that is told at once; <see cref="Progress{T}"/> tells on other threads, later.</summary>
internal sealed class Told(Action<WorkProgress> told) : IProgress<WorkProgress>
{
    public void Report(WorkProgress value) => told(value);
}
