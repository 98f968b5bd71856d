using System.Diagnostics;
using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Models;
using SnapViT.Tensors;
using SnapViT.Cli.Roofline;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>
/// How threads share a batch: images side by side on threads that torch does not split, as the product does it, against threads inside
/// every matrix product that sleep (passive) or spin (active) while they wait. On the machine as it is, and beside another process that
/// keeps every processor busy. OpenMP reads how to wait when it is loaded, so every way has a process of its own.
/// </summary>
internal sealed class ThreadsBenchmark : IBenchmark
{
    /// <summary>What a process is started with that measures, and one that is the load.</summary>
    public const string Child = "threads-child", Load = "threads-load";

    private const int Images = 16;

    private static readonly (string Name, ViTArchitecture Architecture)[] Models = [("ViT-Ti", RandomModel.Tiny), ("ViT-S", RandomModel.Small)];

    public string Name => "threads";

    /// <summary>Measures both ways in this process.</summary>
    public static int RunChild()
    {
        TorchRuntime.EnsureLoaded();
        foreach ((_, ViTArchitecture architecture) in Models)
        {
            foreach ((ScalarType type, _) in RandomModel.Precisions)
            {
                using VisionTransformer model = RandomModel.Create(architecture, type, CPU);
                using Tensor images = RandomModel.Images(architecture, CPU, Images);

                // With gradients asked for, the batch stays in one piece.
                double[] seconds = Measure.Best(
                    () => model.Embed(images),
                    () =>
                    {
                        using IDisposable whole = enable_grad();
                        model.Outputs(images, features: true, logits: false);
                    });
                Console.WriteLine(string.Join(' ', seconds.Select(second => (Images / second).ToString("R", CultureInfo.InvariantCulture))));
            }
        }

        return 0;
    }

    /// <summary>Keeps every processor busy until it is killed, or its parent is gone.</summary>
    public static int RunLoad()
    {
        long end = Stopwatch.GetTimestamp() + (300 * Stopwatch.Frequency);
        Parallel.For(0, Environment.ProcessorCount, _ =>
        {
            while (Stopwatch.GetTimestamp() < end)
            {
            }
        });
        return 0;
    }

    public IEnumerable<ResultRow> Run(Device device)
    {
        foreach (bool isBusy in new[] { false, true })
        {
            using Process? load = isBusy ? Start(Load, "passive") : null;
            List<double[]> passive = Measured("passive"), active = Measured("active");
            load?.Kill();
            int at = 0;
            foreach ((string name, _) in Models)
            {
                foreach ((_, string precision) in RandomModel.Precisions)
                {
                    (double beside, double inside, double spinning) = (passive[at][0], passive[at][1], active[at][1]);
                    at++;
                    yield return new ResultRow(
                        $"{name} {precision}, {Images} images, {(isBusy ? "another process on every processor" : "nothing else started")}",
                        beside / Math.Max(inside, spinning),
                        "images/s of the product to the better way of threads inside matrix products",
                        "",
                        $"{beside:0.0} images/s; inside, passive {inside:0.0}, active {spinning:0.0}");
                }
            }
        }
    }

    private static List<double[]> Measured(string policy)
    {
        using Process child = Start(Child, policy);
        string[] lines = child.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        child.WaitForExit();
        return [.. lines.Select(line => Array.ConvertAll(line.Split(' '), text => double.Parse(text, CultureInfo.InvariantCulture)))];
    }

    private static Process Start(string what, string policy)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(ThreadsBenchmark).Assembly.Location);
        }

        start.ArgumentList.Add(what);
        start.Environment["OMP_WAIT_POLICY"] = policy;
        return Process.Start(start)!;
    }
}
