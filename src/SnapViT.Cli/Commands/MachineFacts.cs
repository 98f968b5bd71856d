using System.Runtime.InteropServices;

namespace SnapViT.Cli.Commands;

/// <summary>What decides how fast this machine is, as text that stays the same from run to run.</summary>
internal static class MachineFacts
{
    private const string CpuInfo = "/proc/cpuinfo";

    /// <summary>Processor, number of logical processors, architecture.</summary>
    public static string Describe() =>
        $"{Processor()}, {Environment.ProcessorCount} logical processors, {RuntimeInformation.OSArchitecture}";

    private static string Processor()
    {
        string? model = File.Exists(CpuInfo)
            ? File.ReadLines(CpuInfo)
                .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[^1].Trim()
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
        return string.IsNullOrWhiteSpace(model) ? "unnamed processor" : model;
    }
}
