using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace SnapViT.Benchmarks.Runtimes;

/// <summary>
/// One family of sizes in torch, in SnapViT.Runtime and in plain ONNX Runtime: size on disk, start-up, speed, memory. Every measurement is a process
/// of its own, and the ways take turns.
/// </summary>
internal static class RuntimesCommand
{
    public const string Name = "runtimes", Child = "runtimes-child";

    private const int Rounds = 3;
    private const string Speed = "0.6", Largest = "1.0";

    private static readonly (string Way, string Says)[] Ways =
    [
        ("torch", "`SnapViT` (torch)"), ("runtime", "`SnapViT.Runtime`"), ("copies", "`SnapViT.Runtime`, `CopyWeights`"),
        ("read", "`SnapViT.Runtime`, `ReadWeights`"), ("device", "the same, initializers outside the arena"), ("onnx", "plain ONNX Runtime"),
    ];

    private static readonly string[] Torch =
    [
        "SnapViT.Core.dll", "SnapViT.Images.dll", "SnapViT.Torch.dll", "TorchSharp.dll", "Google.Protobuf.dll", "ICSharpCode.SharpZipLib.dll", "SkiaSharp.dll",
        "*SkiaSharp.so", "*SkiaSharp.dylib", "libtorch*", "libc10*", "libgomp*", "libLibTorchSharp*", "torch*.dll", "c10.dll", "LibTorchSharp.dll",
    ];

    private static readonly string[] Onnx = ["Microsoft.ML.OnnxRuntime.dll", "libonnxruntime*", "onnxruntime*.dll"];

    private static readonly string[] Runtime =
        ["SnapViT.Core.dll", "SnapViT.Images.dll", "SnapViT.Runtime.dll", "SkiaSharp.dll", "*SkiaSharp.so", "*SkiaSharp.dylib", .. Onnx];

    public static int Run(string[] args, string command)
    {
        if (args is not [string model, string scores, string family, .. string[] rest] || rest is not ([] or ["--out", _]))
        {
            Console.Error.WriteLine($"usage: {Name} MODEL SCORES FAMILY [--out FILE]; FAMILY of ten budgets, exported with --correction none");
            return 2;
        }

        string load = Machine.Load();
        Dictionary<string, List<WayResult>> found = Ways.ToDictionary(way => way.Way, _ => new List<WayResult>());
        for (int round = 0; round < Rounds; round++)
        {
            foreach ((string way, _) in Ways)
            {
                WayResult speed = Measure(way, model, scores, family, Speed), largest = Measure(way, model, scores, family, Largest);
                found[way].Add(speed with { OneBytes = largest.OneBytes });
                Console.Error.WriteLine($"{way}: {found[way][^1]}");
            }
        }

        string text = Table(found, command, load);
        Console.WriteLine(text);
        if (rest is ["--out", string file])
        {
            File.WriteAllText(file, text);
        }

        return 0;
    }

    private static WayResult Measure(string way, string model, string scores, string family, string budget)
    {
        using Process child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Child, way, model, scores, family, budget]) { RedirectStandardOutput = true })!;
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return child.ExitCode == 0 ? JsonSerializer.Deserialize<WayResult>(output)! : throw new InvalidOperationException($"{way}: exit code {child.ExitCode}");
    }

    private static string Table(Dictionary<string, List<WayResult>> found, string command, string load)
    {
        string machine = $"{Environment.ProcessorCount} logical processors, {System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription}, "
            + $"load average at the start {load}, {DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}";
        string rows = string.Concat(Ways.Select(way =>
        {
            List<WayResult> all = found[way.Way];
            return string.Create(
                CultureInfo.InvariantCulture,
                $"| {way.Says} | {Megabytes(Files(way.Way))} MB | {all.Min(one => one.StartMilliseconds):0} ms | {all.Max(one => one.Single):0.0} | {all.Max(one => one.Batch):0.0} "
                    + $"| {all.Min(one => one.OneBytes) / 1e6:0} MB | {all.Min(one => one.AllBytes) / 1e6:0} MB |\n");
        }));
        return $"# Runtimes\n\n{machine}  \nCommand: `{command}`\n\n"
            + $"The best of {Rounds} processes each, which took turns, with one thread. Speed is of the budget 0.6, images prepared ahead. Start-up is from the start of the process to the\n"
            + "first features. Memory is what the process has (its share of pages that others have too), after the largest budget ran alone,\n"
            + "and after all ran.\n\n"
            + "| Way | On disk | Start-up | Images/s, one by one | Images/s, batch 8 | Memory, largest budget alone | Memory, all budgets |\n|---|---:|---:|---:|---:|---:|---:|\n"
            + rows;
    }

    private static string[] Files(string way) => way switch
    {
        "torch" => Torch,
        "onnx" => Onnx,
        _ => Runtime,
    };

    private static long Megabytes(string[] patterns) => patterns
        .SelectMany(pattern => Directory.GetFiles(AppContext.BaseDirectory, pattern)).Distinct()
        .Where(file => !file.EndsWith(".pdb", StringComparison.Ordinal) && !file.EndsWith(".xml", StringComparison.Ordinal))
        .Sum(file => new FileInfo(file).Length) / 1_000_000;
}

/// <summary>What one process measured.</summary>
/// <param name="StartMilliseconds">From the start of the process to the first features.</param>
/// <param name="Single">Images per second, one at a time.</param>
/// <param name="Batch">Images per second, eight at a time.</param>
/// <param name="OneBytes">Memory after the largest budget ran alone.</param>
/// <param name="AllBytes">Memory after all ran.</param>
internal sealed record WayResult(double StartMilliseconds, double Single, double Batch, long OneBytes, long AllBytes);
