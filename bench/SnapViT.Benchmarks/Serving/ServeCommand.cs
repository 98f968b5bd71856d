using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using SnapViT.Runtime;
using SnapViT.Server;

namespace SnapViT.Benchmarks.Serving;

/// <summary>
/// The server under load on the loopback address. It is a process of its own; requests of one photo each come at random moments, whatever
/// became of those before (an open loop), at 0.5, 1 and 2 times what it can do. Memory is its working set.
/// </summary>
internal static class ServeCommand
{
    public const string Name = "serve", Child = "serve-child";

    private const int Clients = 16;

    /// <summary>A deadline in times of a lone request at the largest size.</summary>
    private const double Patience = 4;

    private static readonly double[] Loads = [0.5, 1, 2];

    public static int Run(string[] args, string command)
    {
        if (args is not [string family, string photos, .. string[] rest] || rest.Length % 2 != 0)
        {
            Console.Error.WriteLine($"usage: {Name} FAMILY PHOTOS [--seconds 15] [--soak MINUTES] [--out FILE]");
            return 2;
        }

        double seconds = double.Parse(Option(rest, "--seconds") ?? "15", CultureInfo.InvariantCulture);
        double soak = double.Parse(Option(rest, "--soak") ?? "0", CultureInfo.InvariantCulture);
        string load = Machine.Load();
        string text = RunAsync(family, photos, TimeSpan.FromSeconds(seconds), TimeSpan.FromMinutes(soak)).GetAwaiter().GetResult();
        string machine = $"{Environment.ProcessorCount} logical processors, {System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription}, "
            + $"load average at the start {load}, at the end {Machine.Load()}, {DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}";
        string page = $"# The server under load\n\n{machine}  \nCommand: `{command}`\n\n{text}";
        Console.WriteLine(page);
        if (Option(rest, "--out") is string file)
        {
            File.WriteAllText(file, page);
        }

        return 0;
    }

    /// <summary>Serves until its input ends.</summary>
    public static int Serve(string folder)
    {
        using ViTFamily family = ViTFamily.Open(folder, new RuntimeOptions
        {
            ReadWeights = true, Configure = session => session.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
        });
        EmbedServer server = EmbedServer
            .StartAsync(family, new ServerOptions { Listen = new IPEndPoint(IPAddress.Loopback, 0), MaxRequests = 256 }, Console.Error)
            .GetAwaiter().GetResult();
        Console.WriteLine(server.Url);
        while (Console.ReadLine() is not null)
        {
        }

        server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return 0;
    }

    private static async Task<string> RunAsync(string family, string folder, TimeSpan time, TimeSpan soak)
    {
        byte[][] photos = [.. Directory.EnumerateFiles(folder, "*.*", SearchOption.AllDirectories)
            .Where(file => Path.GetExtension(file).ToUpperInvariant() is ".JPG" or ".JPEG" or ".PNG")
            .Order(StringComparer.Ordinal).Take(64).Select(File.ReadAllBytes)];
        using Process child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Child, family])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        })!;
        using SocketsHttpHandler handler = new() { MaxConnectionsPerServer = 1024 };
        using HttpClient client = new(handler) { BaseAddress = new Uri((await child.StandardOutput.ReadLineAsync())!), Timeout = TimeSpan.FromSeconds(60) };
        LoadRun run = new(client, photos, child);
        await run.ClosedAsync(1, TimeSpan.FromSeconds(3), "");
        LoadResult alone = await run.ClosedAsync(1, time / 2, "");
        double deadline = Math.Ceiling(Patience * alone.Milliseconds(0.5));
        string kept = string.Join(", ", (await SizesAsync(client)).Select(size => $"{size.Name} {size.LatencyMs:0.0} ms"));
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"Sizes: {kept}. One client alone: {alone.Served / alone.Seconds:0.0} photos/s, p50 {alone.Milliseconds(0.5):0} ms. "
                + $"Deadline: {deadline:0} ms. Capacity is what {Clients} clients at a time get at the largest size, measured ahead of every row,\n"
                + $"since other work on the machine changes it.\n\n")
            + "| Load | Request says | Capacity, photos/s | Sent | Answered 200 | 429 | Other | Without answer | Photos/s of capacity | p50 of 200 | p99 of 200 | p99 of 429 | In time | Mean FLOPs | Memory |\n"
            + "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
        foreach (double times in Loads)
        {
            foreach ((string says, string query) in new[] { ("largest size", ""), ("deadline", $"?deadline_ms={deadline:0}") })
            {
                double capacity = await CapacityAsync(run, time / 2);
                LoadResult found = await run.OpenAsync(times * capacity, time, query, seed: (int)(10 * times));
                string row = found.Row(times, says, capacity, query.Length > 0 ? deadline : null);
                text += row;
                Console.Error.WriteLine(row.TrimEnd());
            }
        }

        if (soak > TimeSpan.Zero)
        {
            text += string.Create(CultureInfo.InvariantCulture, $"\nMemory at 2 times capacity with deadlines, {soak.TotalMinutes:0} minutes:\n\n| Minute | Sent | Answered 200 | Without answer | Memory |\n|---:|---:|---:|---:|---:|\n");
            for (int minute = 1; minute <= soak.TotalMinutes; minute++)
            {
                double capacity = await CapacityAsync(run, TimeSpan.FromSeconds(5));
                LoadResult found = await run.OpenAsync(2 * capacity, TimeSpan.FromSeconds(55), $"?deadline_ms={deadline:0}", minute);
                string row = string.Create(
                    CultureInfo.InvariantCulture, $"| {minute} | {found.Sent} | {found.Served} | {found.Lost} | {found.Bytes / 1e6:0} MB |\n");
                text += row;
                Console.Error.WriteLine(row.TrimEnd());
            }
        }

        child.StandardInput.Close();
        await child.WaitForExitAsync();
        return text;
    }

    private static async Task<double> CapacityAsync(LoadRun run, TimeSpan time)
    {
        LoadResult full = await run.ClosedAsync(Clients, time, "");
        return full.Served / full.Seconds;
    }

    private static async Task<(string Name, double LatencyMs)[]> SizesAsync(HttpClient client) =>
    [
        .. JsonDocument.Parse(await client.GetStringAsync("/budgets")).RootElement.GetProperty("sizes").EnumerateArray()
            .Select(size => (size.GetProperty("name").GetString()!, size.GetProperty("latency_ms").GetDouble())),
    ];

    private static string? Option(string[] args, string name) =>
        Array.IndexOf(args, name) is >= 0 and int index && index + 1 < args.Length ? args[index + 1] : null;
}
