using System.Globalization;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Samples.DeadlineServer;

/// <summary>The program from its arguments to its exit code: 0 done, 1 wrong arguments or files, told in one line.</summary>
internal static class Sample
{
    private const string Usage = "usage: DeadlineServer [MODEL SCORES] [--seconds S] [--seed N] [--threads T]";

    /// <summary>Images of one request to the demo's model, which with one alone takes as long at every size.</summary>
    private const long DemoImages = 16;

    public static int Run(string[] args, TextWriter output, TextWriter error)
    {
        try
        {
            Arguments arguments = Arguments.Parse(args);
            TorchRuntime.EnsureLoaded();
            set_num_threads(arguments.Threads);
            using ElasticViT elastic = arguments.Model is null ? OpenDemo(arguments) : ElasticViT.Open(arguments.Model, arguments.Scores!);
            Serve(elastic, arguments, output);
            return 0;
        }
        catch (Exception wrong) when (wrong is ArgumentException or IOException or CheckpointFormatException or TorchUnavailableException)
        {
            error.WriteLine($"DeadlineServer: {wrong.Message.ReplaceLineEndings(" ")}");
            return 1;
        }
    }

    private static void Serve(ElasticViT elastic, Arguments arguments, TextWriter output)
    {
        SubnetPlan[] plans =
        [
            elastic.Planner.Plan(Budget.Whole),
            .. PruningRatios.Paper.Select(ratios => elastic.Planner.Plan(Budget.Ratios(ratios))),
        ];
        using SubnetPool pool = new(elastic, plans.Length);
        using Tensor image = Noise(plans[0], arguments.Model is null ? DemoImages : 1, arguments.Seed);
        LatencyTable latencies = LatencyTable.Measure(pool, plans, image);
        Traffic traffic = Traffic.ForThreePhases(latencies, arguments.Seconds, arguments.Seed);
        ServiceResult elasticResult = new Server(pool, latencies, image).Serve(traffic);
        ServiceResult wholeResult = new Server(pool, latencies.WholeOnly(), image).Serve(traffic);
        ServiceReport.Write(output, latencies, traffic, elasticResult, wholeResult);
    }

    /// <summary>The demo's model, scored by its weights alone: no photo is needed.</summary>
    private static ElasticViT OpenDemo(Arguments arguments)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "demo-vit.safetensors");
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: expected the demo's model beside the program, found none; {Usage}");
        }

        using LoadedModel model = ModelFile.Load(path);
        ImportanceScores scores = Criterion.Lamp.Of(model.Model.Weights, arguments.Seed);
        return ElasticViT.Open(
            model, new ElasticScores(scores, ScoreCoefficients.Equal(scores.Counts), new KeepFloors(), new Dictionary<string, string>()));
    }

    private static Tensor Noise(SubnetPlan plan, long images, ulong seed)
    {
        using Generator generator = new(seed);
        long side = plan.Architecture.ImageSize;
        return randn([images, plan.Architecture.Channels, side, side], generator: generator);
    }

    /// <summary>What the command line says.</summary>
    /// <param name="Model">The model file; null for the demo's.</param>
    /// <param name="Scores">Its scores; null with the demo's.</param>
    /// <param name="Seconds">How long requests come.</param>
    /// <param name="Seed">Seed of the moments at which they come.</param>
    /// <param name="Threads">Threads of one matrix product; the small model is too small to share out.</param>
    private sealed record Arguments(string? Model, string? Scores, double Seconds, ulong Seed, int Threads)
    {
        public static Arguments Parse(string[] args)
        {
            List<string> files = [];
            double seconds = 3;
            ulong seed = 42;
            int threads = 1;
            for (int i = 0; i < args.Length; i++)
            {
                string? value = i + 1 < args.Length ? args[i + 1] : null;
                switch (args[i])
                {
                    case "--seconds" when double.TryParse(value, CultureInfo.InvariantCulture, out seconds) && seconds is > 0 and <= 3600:
                    case "--seed" when ulong.TryParse(value, CultureInfo.InvariantCulture, out seed):
                    case "--threads" when int.TryParse(value, CultureInfo.InvariantCulture, out threads) && threads >= 1:
                        i++;
                        break;
                    case string file when !file.StartsWith('-'):
                        files.Add(file);
                        break;
                    default:
                        throw new ArgumentException($"expected other arguments, found '{args[i]} {value}'; {Usage}");
                }
            }

            return files.Count is 0 or 2
                ? new Arguments(files.FirstOrDefault(), files.LastOrDefault(), seconds, seed, threads)
                : throw new ArgumentException($"expected a model and its scores, or neither, found {files.Count} files; {Usage}");
        }
    }
}
