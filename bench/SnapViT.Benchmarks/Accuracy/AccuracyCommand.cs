using System.Globalization;
using SnapViT.Core.Planning;
using SnapViT.Tensors;

namespace SnapViT.Benchmarks.Accuracy;

/// <summary><c>accuracy --shared DIR --method NAME=FILE[:correction] … [--out FILE]</c>: what sub-networks of a real model are worth.</summary>
internal static class AccuracyCommand
{
    public const string Name = "accuracy";

    public static int Run(string[] args, string command)
    {
        string load = Machine.Load();
        string shared = Values(args, "--shared").SingleOrDefault("../shared");
        Method[] methods = [.. Values(args, "--method").Select(Method.Parse)];
        PruningRatios[] budgets = Values(args, "--budgets").SingleOrDefault() is string list ? [.. list.Split(',').Select(Pair)] : [.. PruningRatios.Paper];
        bool neighbours = !args.Contains("--no-knn");
        int calibration = int.Parse(Values(args, "--calibration").SingleOrDefault("256"), CultureInfo.InvariantCulture);
        ulong seed = ulong.Parse(Values(args, "--seed").SingleOrDefault("42"), CultureInfo.InvariantCulture);
        TorchRuntime.EnsureLoaded();
        using AccuracyMeasurement measurement = new(shared, calibration, seed, neighbours);
        IReadOnlyList<MethodResult> measured = measurement.Run(methods, budgets);
        string markdown = AccuracyTable.Markdown(
            measured, ReferenceResults.Read(Path.Combine(shared, "official", "deit_tiny_reference.json")), Machine.Describe(load), command, 1000 - calibration);
        Console.Write(markdown);
        if (Values(args, "--out").SingleOrDefault() is string file)
        {
            File.WriteAllText(file, markdown);
        }

        return 0;
    }

    private static IEnumerable<string> Values(string[] args, string name) =>
        args.Select((arg, index) => (arg, index)).Where(entry => entry.arg == name && entry.index + 1 < args.Length).Select(entry => args[entry.index + 1]);

    private static PruningRatios Pair(string text)
    {
        double[] parts = [.. text.Split(':').Select(part => double.Parse(part, CultureInfo.InvariantCulture))];
        return new PruningRatios(parts[0], parts[1]);
    }
}
