using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using SnapViT.Cluster.Membership;

namespace SnapViT.Benchmarks.Clusters;

/// <summary>
/// The search of a build alone and with 1, 2 and 4 worker processes on this machine, every process with one thread. The build evaluates too,
/// so that w workers are w + 1 processes. Every scores file is compared with that of the build alone.
/// </summary>
internal static partial class ClusterCommand
{
    public const string Name = "cluster";

    private static readonly int[] Workers = [0, 1, 2, 4];

    public static int Run(string[] args, string command)
    {
        if (args is not [string model, string photos, .. string[] rest] || rest.Length % 2 != 0)
        {
            Console.Error.WriteLine($"usage: {Name} MODEL PHOTOS [--evaluations 52] [--samples 192] [--out FILE]");
            return 2;
        }

        string folder = Directory.CreateTempSubdirectory("snapvit-cluster-").FullName;
        try
        {
            string options = $"build {model} --images {photos} --evaluations {Option(rest, "--evaluations") ?? "52"} "
                + $"--samples {Option(rest, "--samples") ?? "192"} --frontier-images 0 --pca-components 16 --threads 1 --precision fp32";
            string load = Machine.Load();
            StringBuilder rows = new();
            (Measured? alone, byte[] expected) = (null, []);
            foreach (int workers in Workers)
            {
                string path = Path.Combine(folder, $"scores-{workers}.safetensors");
                Measured one = Measure(options, path, workers);
                byte[] bytes = File.ReadAllBytes(path);
                (alone, expected) = workers == 0 ? (one, bytes) : (alone, expected);
                rows.Append(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {workers} | {alone!.Busiest / one.Busiest:0.00} | {alone.Seconds / one.Seconds:0.00} | {one.Workers} of {one.Workers + one.Here} ")
                    + string.Create(
                        CultureInfo.InvariantCulture,
                        $"| {one.Build:0.0} s | {one.BusiestWorker:0.0} s | {one.Seconds:0.0} s | {(bytes.AsSpan().SequenceEqual(expected) ? "yes" : "**no**")} |\n"));
            }

            string machine = $"{Environment.ProcessorCount} logical processors, load average at the start {load}, at the end {Machine.Load()}, "
                + DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
            string page = $"# Workers of a build\n\n{machine}  \nCommand: `{command}`\n\n"
                + "One thread per process. The build is one of the processes, so that w workers are w + 1 of them; two processors can be used by two.\n"
                + "Workers begin when the build does, and first open the model, the photos and the state. The time is that from the end of the scores to the end of the search.\n\n"
                + "The first ratio is of processor time: that of the build alone in its search, to that of the busiest process. It is what a machine with a processor for each process\n"
                + "would take, and does not depend on what else runs. The second one is of the time that passed here. A worker's time includes its start.\n\n"
                + "| Workers | Times as fast, by processor time | by time here | Candidates by workers | Build | Busiest worker | Search here | Same bytes |\n"
                + "|---:|---:|---:|---:|---:|---:|---:|---|\n" + rows;
            Console.WriteLine(page);
            if (Option(rest, "--out") is string file)
            {
                File.WriteAllText(file, page);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Measured Measure(string options, string path, int workers)
    {
        string address = $"127.0.0.1:{TcpPort.Free(IPAddress.Loopback)}";
        Process[] others = [.. Enumerable.Range(0, workers).Select(_ => Start($"worker --once --cluster {address} --threads 1"))];
        try
        {
            Thread.Sleep(2000);
            using Process build = Start($"{options} --out {path} --cluster {address}");
            (long Time, double Used)? begun = null;
            (double used, double busiest) = (0, 0);
            StringBuilder said = new();
            while (build.StandardError.ReadLine() is string line)
            {
                said.AppendLine(line);
                begun ??= line.Contains("search 0/", StringComparison.Ordinal)
                    ? (Stopwatch.GetTimestamp(), build.TotalProcessorTime.TotalSeconds)
                    : null;
                if (Counts().IsMatch(line))
                {
                    used = build.TotalProcessorTime.TotalSeconds;
                    busiest = others.Select(other => other.TotalProcessorTime.TotalSeconds).Append(0).Max();
                }
            }

            build.WaitForExit();
            Match counts = Counts().Match(said.ToString());
            return build.ExitCode == 0 && begun is (long from, double before) && counts.Success
                ? new Measured(
                    Stopwatch.GetElapsedTime(from).TotalSeconds, used - before, busiest, Number(counts.Groups[1]), Number(counts.Groups[2]))
                : throw new InvalidOperationException(said.ToString());
        }
        finally
        {
            foreach (Process other in others)
            {
                other.Kill();
                other.Dispose();
            }
        }
    }

    private static int Number(Group digits) => int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    private static Process Start(string arguments)
    {
        Process process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "snapvit"), arguments)
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        return process;
    }

    private static string? Option(string[] rest, string name)
    {
        int at = Array.IndexOf(rest, name);
        return at < 0 ? null : rest[at + 1];
    }

    /// <summary>One run.</summary>
    /// <param name="Seconds">From the end of the scores to the end of the search.</param>
    /// <param name="Build">Processor seconds of the build in that time.</param>
    /// <param name="BusiestWorker">Processor seconds of the busiest worker, its start included.</param>
    /// <param name="Workers">Candidates by workers.</param>
    /// <param name="Here">Candidates by the build.</param>
    private sealed record Measured(double Seconds, double Build, double BusiestWorker, int Workers, int Here)
    {
        public double Busiest => Math.Max(Build, BusiestWorker);
    }

    [GeneratedRegex(@"(\d+) candidates were evaluated by workers, (\d+) here")]
    private static partial Regex Counts();
}
