using System.Globalization;
using SnapViT.Core.Planning;
using SnapViT.Tensors;

namespace SnapViT.Benchmarks.Frontiers;

/// <summary>
/// <c>frontier [--shared DIR] [--models NAME,…] [--seeds 42,…] [--knn-seeds 42] [--knn-images N] [--flops 0.8,…] [--params 0.85,…] [--rows NAME,…] [--photos N] [--scores DIR] [--out FILE]</c>:
/// what sub-networks of real models are worth that take from all axes, from one kind of axis, and as they were made before. Scores are built where the folder
/// lacks them.
/// </summary>
internal static class FrontierCommand
{
    public const string Name = "frontier";

    public static int Run(string[] args, string command)
    {
        string load = Machine.Load();
        TorchRuntime.EnsureLoaded();
        string shared = Value("--shared", "../shared"), folder = Value("--scores", Path.Combine(Path.GetTempPath(), "snapvit-frontier"));
        Directory.CreateDirectory(folder);
        string[] models = Value("--models", "deit_tiny_patch16_224,vit_tiny_patch16_224.augreg_in21k_ft_in1k").Split(',');
        ulong[] seeds = [.. List("--seeds", "42,43,44").Select(text => ulong.Parse(text, CultureInfo.InvariantCulture))];
        HashSet<ulong> knn = [.. List("--knn-seeds", "42").Select(text => ulong.Parse(text, CultureInfo.InvariantCulture))];
        Budget[] flops = [.. List("--flops", "0.8,0.7,0.6,0.5,0.4,0.3").Select(Budget.ParseFlops)];
        Budget[] parameters = [.. List("--params", "0.85,0.7,0.6,0.5").Select(Budget.ParseParameters)];
        string[] rows = [.. List("--rows", string.Join(',', FrontierRows.Names))];
        Dictionary<string, List<FrontierFigure>> figures = models.ToDictionary(model => model, _ => new List<FrontierFigure>());
        string machine = Machine.Describe(load), text = "";
        foreach (ulong seed in seeds)
        {
            foreach (string model in models)
            {
                using FrontierRows made = new(shared, folder, model, seed);
                using FrontierMeasurement measurement = new(made, shared, Count("--photos", "1000"), Count("--knn-images", "100000"));
                figures[model].AddRange(measurement.Run(rows, [.. flops, .. parameters], knn.Contains(seed)));
                Console.Error.WriteLine($"{model}, seed {seed}: measured");

                // Written after every model, so that a run that is stopped has said what it found.
                text = FrontierTable.Of(figures, machine, command);
                if (Value("--out", "") is { Length: > 0 } file)
                {
                    File.WriteAllText(file, text);
                }
            }
        }

        Console.Write(text);
        return 0;

        string Value(string name, string otherwise) =>
            Array.IndexOf(args, name) is int at and >= 0 && at + 1 < args.Length ? args[at + 1] : otherwise;

        int Count(string name, string otherwise) => int.Parse(Value(name, otherwise), CultureInfo.InvariantCulture);

        IEnumerable<string> List(string name, string otherwise) =>
            Value(name, otherwise).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
