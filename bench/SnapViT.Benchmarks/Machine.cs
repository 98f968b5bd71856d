using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;

namespace SnapViT.Benchmarks;

/// <summary>What the figures were measured on.</summary>
internal static class Machine
{
    private const string CpuInfo = "/proc/cpuinfo";
    private const string Gpus = "/proc/driver/nvidia/gpus";
    private const string LoadAverage = "/proc/loadavg";

    /// <summary>Processor, GPU if it was used, threads, runtime, load and date, as one line of markdown.</summary>
    public static string Describe(string load, torch.Device? device = null) =>
        $"Machine: {(device?.type == DeviceType.CUDA ? $"{Gpu()}; " : "")}{Processor()}, {Environment.ProcessorCount} logical processors, {torch.get_num_threads()} torch threads, "
        + $"{RuntimeInformation.FrameworkDescription}, libtorch {torch.__version__}, "
        + $"load average at the start {load}, {DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}.";

    /// <summary>The load average of the last minute, to be read before the measurement adds its own.</summary>
    public static string Load() => File.Exists(LoadAverage) ? File.ReadAllText(LoadAverage).Split(' ')[0] : "unknown";

    /// <summary>The first GPU as its driver names it.</summary>
    private static string Gpu() => Directory.Exists(Gpus)
        ? Value([.. Directory.EnumerateFiles(Gpus, "information", SearchOption.AllDirectories).Take(1).SelectMany(File.ReadAllLines)], "Model").Trim('"')
        : "unnamed GPU";

    private static string Processor()
    {
        if (!File.Exists(CpuInfo))
        {
            return RuntimeInformation.ProcessArchitecture.ToString();
        }

        string[] lines = File.ReadAllLines(CpuInfo);
        string[] features = [.. new[] { "avx2", "avx512f", "avx512_bf16", "amx_bf16" }.Where(name => Value(lines, "flags").Split(' ').Contains(name))];
        return $"{Value(lines, "model name")} ({string.Join(", ", features)})";
    }

    private static string Value(string[] lines, string key) =>
        lines.FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";
}
