using System.CommandLine;
using System.Net.Sockets;
using SnapViT.Cli.Output;
using SnapViT.Core.Errors;
using SnapViT.Runtime;
using SnapViT.Server;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit serve</c>: an exported family over HTTP.</summary>
internal static class ServeCommand
{
    private const string KeyVariable = "SNAPVIT_API_KEY", TelemetryPrefix = "OTEL_";

    private static readonly Argument<string> Family = new("FAMILY")
    {
        Description = "The folder that 'snapvit export --onnx-family' wrote.",
    };
    private static readonly Option<string> Listen = new("--listen")
    {
        Description = "Address and port; 0 takes any that is free, '*:8090' listens on all addresses.",
        DefaultValueFactory = _ => "127.0.0.1:8090",
    };
    private static readonly Option<string?> Budget = new("--budget")
    {
        Description = "The budget of requests that say neither budget nor deadline; without it the largest size.",
    };
    private static readonly Option<string?> KeyFile = new("--api-key-file")
    {
        Description = $"A file whose first line is the key that requests must show; or in the variable {KeyVariable}.",
    };
    private static readonly Option<int> Batch = Number("--batch", "Images of one forward pass at most.", 8);
    private static readonly Option<double> BatchWait = new("--batch-wait")
    {
        Description = "Milliseconds that a batch waits for requests that are on their way.", DefaultValueFactory = _ => 2,
    };
    private static readonly Option<int> Queue = Number("--queue", "Images that may wait; further requests are answered with 429.", 64);
    private static readonly Option<int> MaxRequests =
        Number("--max-requests", "Requests at a time; further ones are answered with 429.", 64);
    private static readonly Option<int> MaxImages = Number("--max-images", "Images of a request.", 32);
    private static readonly Option<double> MaxMegabytes = new("--max-megabytes")
    {
        Description = "MiB of a request's body.", DefaultValueFactory = _ => 32,
    };
    private static readonly Option<double> MaxMegapixels = new("--max-megapixels")
    {
        Description = "Million pixels of an image.", DefaultValueFactory = _ => 50,
    };
    private static readonly Option<double> BodyTimeout = new("--body-timeout")
    {
        Description = "Seconds that a request's body may take.", DefaultValueFactory = _ => 30,
    };

    public static Command Create()
    {
        Verb command = new("serve", "Serves an exported family over HTTP: features and classes of images, the size chosen per request.", """
            A request says a budget or a deadline; the deadline takes the largest size that is fast enough on this machine now. The
            page at / tries it, /docs describes it. Ctrl-C stops; requests that were taken are answered first.

              snapvit serve demo/family
              curl -F images=@photo.jpg 'http://127.0.0.1:8090/embed?budget=0.6'
              curl -F images=@photo.jpg 'http://127.0.0.1:8090/classify?deadline_ms=50'
            """);
        command.Arguments.Add(Family);
        foreach (Option option in new Option[]
        {
            Listen, Budget, KeyFile, Batch, BatchWait, Queue, MaxRequests, MaxImages, MaxMegabytes, MaxMegapixels, BodyTimeout,
        })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report? Run(ParseResult parsed, CancellationToken cancellation)
    {
        ServeAsync(parsed, cancellation).GetAwaiter().GetResult();
        return null;
    }

    private static async Task ServeAsync(ParseResult parsed, CancellationToken cancellation)
    {
        NativeEnvironment.UseNoTelemetry();
        ServerOptions options = Read(parsed).Validated();
        TextWriter output = parsed.InvocationConfiguration.Output, error = parsed.InvocationConfiguration.Error;
        string folder = parsed.GetRequiredValue(Family);
        using ViTFamily family = ViTFamily.Open(folder, new RuntimeOptions
        {
            Threads = GlobalOptions.ThreadsOf(parsed),
            ReadWeights = true,
            // Threads that wait leave the cores to decoding.
            Configure = session => session.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
        });
        bool json = parsed.GetValue(GlobalOptions.Json);
        if (!json)
        {
            output.WriteLine($"{folder}: measuring {family.Members.Count} sizes");
        }

        try
        {
            await using EmbedServer server = await EmbedServer.StartAsync(family, options, error, cancellation);
            Say(server, json, output);
            if (!System.Net.IPAddress.IsLoopback(options.Listen.Address) && options.ApiKey is null)
            {
                error.WriteLine($"in doubt: {server.Url} can be reached from other machines, and no API key is asked for");
            }

            await Task.Delay(Timeout.Infinite, cancellation).ContinueWith(_ => { }, TaskScheduler.Default);
            if (!json)
            {
                output.WriteLine("stopping; requests that were taken are answered");
            }
        }
        catch (SocketException refused)
        {
            throw new IOException($"--listen {parsed.GetValue(Listen)}: {refused.Message}", refused);
        }
    }

    private static void Say(EmbedServer server, bool json, TextWriter output)
    {
        BudgetsAnswer budgets = server.Budgets;
        if (json)
        {
            Report.WriteJson(output, new { server.Url, budgets.Model, budgets.Features, budgets.Classes, budgets.Sizes });
        }
        else
        {
            foreach (SizeAnswer size in budgets.Sizes)
            {
                string share = Figures.Invariant($"{100 * size.FlopsShare:0.#} % of the FLOPs");
                output.WriteLine(Figures.Invariant(
                    $"{size.Name}: {share}, {size.LatencyMs:0.0} ms an image, {size.BatchMs:0.0} ms in a batch"));
            }

            output.WriteLine($"listening on {server.Url}; Ctrl-C stops");
        }

        output.Flush();
    }

    private static ServerOptions Read(ParseResult parsed) => new()
    {
        Listen = ServerOptions.ParseListen(parsed.GetRequiredValue(Listen)),
        Budget = parsed.GetValue(Budget),
        ApiKey = KeyOf(parsed),
        BatchSize = parsed.GetValue(Batch),
        BatchWait = TimeSpan.FromMilliseconds(Within(parsed, BatchWait, 0, 1000)),
        QueueImages = parsed.GetValue(Queue),
        MaxRequests = parsed.GetValue(MaxRequests),
        MaxImages = parsed.GetValue(MaxImages),
        MaxBytes = (long)(Within(parsed, MaxMegabytes, 0.001, 1024) * (1 << 20)),
        MaxPixels = (int)(Within(parsed, MaxMegapixels, 0.001, 178) * 1e6),
        BodyTimeout = TimeSpan.FromSeconds(Within(parsed, BodyTimeout, 0.1, 3600)),
        Telemetry = Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .Select(pair => (Name: (string)pair.Key, Value: (string?)pair.Value ?? ""))
            .Where(pair => pair.Name.StartsWith(TelemetryPrefix, StringComparison.Ordinal))
            .ToDictionary(pair => pair.Name, pair => pair.Value),
    };

    private static string? KeyOf(ParseResult parsed)
    {
        (string where, string? key) = parsed.GetValue(KeyFile) is string file
            ? (KeyFile.Name, File.ReadLines(file).FirstOrDefault("").Trim())
            : (KeyVariable, Environment.GetEnvironmentVariable(KeyVariable));
        return key is { Length: < 8 }
            ? throw new SnapViTException(ErrorKind.Option, $"{where}: expected a key of at least 8 characters, found {key.Length}")
            : key;
    }

    private static double Within(ParseResult parsed, Option<double> option, double least, double most) =>
        parsed.GetValue(option) is double found && found >= least && found <= most
            ? found
            : throw new SnapViTException(
                ErrorKind.Option, Figures.Invariant($"{option.Name}: expected {least} to {most}, found {parsed.GetValue(option)}"));

    private static Option<int> Number(string name, string description, int preset) =>
        new(name) { Description = description, DefaultValueFactory = _ => preset };
}
