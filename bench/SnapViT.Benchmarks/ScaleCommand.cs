using System.Diagnostics;
using System.Globalization;
using System.Text;
using SnapViT.Cli.Roofline;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Models;
using SnapViT.Search;
using SnapViT.Tensors;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>
/// <c>scale [--out FILE]</c>: cost against images, depth and width, and the largest models within the memory of this machine: score, one
/// evaluation of fitness, cut. Each case has a process of its own, whose largest memory is read at its end.
/// </summary>
internal static class ScaleCommand
{
    public const string Name = "scale", Child = "scale-child";

    private const int Fewest = 8;

    private static readonly BuildOptions Within2GB = BuildOptions.Reference with { Memory = 2_000_000_000, Precision = ScalarType.BFloat16 };

    private static readonly (string Title, ViTArchitecture Architecture, int Images, BuildOptions Options)[] Cases =
    [
        ("ViT-Ti/16", RandomModel.Tiny, 100, Within2GB), ("ViT-Ti/16", RandomModel.Tiny, 1000, Within2GB), ("ViT-Ti/16", RandomModel.Tiny, 10_000, Within2GB),
        ("width 384, 6 blocks", RandomModel.Of(384, 6), 64, Within2GB), ("width 384, 12 blocks", RandomModel.Of(384), 64, Within2GB),
        ("width 384, 24 blocks", RandomModel.Of(384, 24), 64, Within2GB), ("width 768, 12 blocks", RandomModel.Of(768), 64, Within2GB),
        ("ViT-H/14", Large(1280, 32, 16, 5120), Fewest, Within2GB), ("ViT-g/14", Large(1408, 40, 16, 6144), Fewest, Within2GB),
        ("ViT-L/14 at 518 pixels, `--memory 8GB`, activations kept", Detailed, Fewest, Within2GB with { BatchSize = 1, Memory = 8_000_000_000 }),
        ("the same, `--memory 2GB`, activations recomputed", Detailed, Fewest, Within2GB with { BatchSize = 1 }),
    ];

    /// <summary>The first case of each kind, to which the others are compared.</summary>
    private static readonly int[] Firsts = [0, 3, 7, 9];

    public static int Run(string[] args, string command)
    {
        string load = Machine.Load();
        TorchRuntime.EnsureLoaded();
        StringBuilder text = new();
        text.Append("# Cost against images, depth and width\n\n").Append(Machine.Describe(load)).Append("  \nCommand: `").Append(command).Append("`\n\n");
        text.Append("""
            Random models and images, bfloat16, `--memory 2GB`. Scores are of the self-supervised loss, one pair of crops an image. A fitness is one
            candidate at four ratios, over at most 64 of the images. Memory is that of the process at its largest: what scoring
            added to it, and all together with the float32 weights.

            | Model | Parameters | Images | Score, ms an image | to the first row of its kind | One fitness, ms an image | Cut, s | Added by scoring | Largest memory |
            |---|---:|---:|---:|---:|---:|---:|---:|---:|

            """);
        double[]? first = null;
        for (int i = 0; i < Cases.Length; i++)
        {
            ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
            if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            {
                start.ArgumentList.Add(typeof(ScaleCommand).Assembly.Location);
            }

            start.ArgumentList.Add(Child);
            start.ArgumentList.Add(i.ToString(CultureInfo.InvariantCulture));
            start.Environment["OMP_WAIT_POLICY"] = "passive";
            using Process child = Process.Start(start)!;
            string answer = child.StandardOutput.ReadToEnd();
            child.WaitForExit();
            double[] found = Array.ConvertAll(answer.Split(' ', StringSplitOptions.RemoveEmptyEntries), number => double.Parse(number, CultureInfo.InvariantCulture));
            first = Firsts.Contains(i) ? found : first;
            text.Append(CultureInfo.InvariantCulture, $"| {Cases[i].Title} | {found[0] / 1e6:0.0} M | {Cases[i].Images} | {found[1]:0.0} | {found[1] / first![1]:0.00} ");
            text.Append(CultureInfo.InvariantCulture, $"| {found[2]:0.0} | {found[3]:0.0} | {found[4] / 1e9:0.00} GB | {found[5] / 1e9:0.00} GB |\n");
            if (Array.IndexOf(args, "--out") is int at and >= 0)
            {
                File.WriteAllText(args[at + 1], text.ToString());
            }
        }

        Console.Write(text);
        return 0;
    }

    /// <summary>One case: parameters, milliseconds an image of score and fitness, seconds of the cut, what scoring added to the memory, and the largest.</summary>
    public static int RunChild(string which)
    {
        TorchRuntime.EnsureLoaded();
        (_, ViTArchitecture a, int images, BuildOptions options) = Cases[int.Parse(which, CultureInfo.InvariantCulture)];
        options = options.Within(a);
        int batch = options.BatchSize;
        using VisionTransformer wide = RandomModel.Create(a, ScalarType.Float32, CPU), model = new(wide.Weights.To(ScalarType.BFloat16));
        using Tensor crops = RandomModel.Images(a, CPU, Math.Min(batch, images), 2);
        long before = Peak();
        long start = Stopwatch.GetTimestamp();
        ImportanceScores local;
        using (ScoreEstimator estimator = new(model, Criterion.Ssl, DistillationPairs.OnePair, options.Recomputes))
        {
            for (long left = images; left > 0; left -= crops.shape[0])
            {
                using Tensor some = crops.narrow(0, 0, Math.Min(left, crops.shape[0]));
                estimator.Add(some);
            }

            local = estimator.Scores();
        }

        double scoring = Stopwatch.GetElapsedTime(start).TotalMilliseconds / images;
        long added = Peak() - before;
        int compared = Math.Min(images, 64);
        double fitting;
        using (PreparedImages photos = new(RandomModel.Images(a, CPU, compared)))
        using (Fitness fitness = new(model, local, () => photos.Batches(batch), new FitnessOptions { PcaComponents = compared }))
        {
            start = Stopwatch.GetTimestamp();
            fitness.Evaluate(ScoreCoefficients.Initial(a.FullWidths));
            fitting = Stopwatch.GetElapsedTime(start).TotalMilliseconds / compared;
        }

        using ElasticViT elastic = new(wide, local, new KeepFloors());
        string file = Path.GetTempFileName();
        start = Stopwatch.GetTimestamp();
        using (Subnet small = elastic.Cut(Budget.Flops(0.6)))
        {
            small.Save(file + ".safetensors");
        }

        double cutting = Stopwatch.GetElapsedTime(start).TotalSeconds;
        File.Delete(file);
        File.Delete(file + ".safetensors");
        double parameters = CostModel.Parameters(a, a.FullWidths);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{parameters} {scoring:R} {fitting:R} {cutting:R} {added} {Peak()}"));
        return 0;
    }

    private static long Peak()
    {
        using Process self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64;
    }

    private static ViTArchitecture Detailed => Large(1024, 24, 16, 4096) with { ImageSize = 518 };

    private static ViTArchitecture Large(int width, int depth, int heads, int mlp) => new ViTArchitecture
    {
        Depth = depth, EmbedDim = width, Heads = heads, HeadDim = width / heads, MlpDim = mlp, PatchSize = 14, ImageSize = 224,
    }.Validated();
}
