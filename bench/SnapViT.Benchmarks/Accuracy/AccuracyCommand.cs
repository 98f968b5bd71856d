using System.Globalization;
using SnapViT.Core.Planning;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks.Accuracy;

/// <summary>
/// <c>accuracy --method NAME=FILE[:correction[+joint]] … [--seeds 42,43] [--precision bf16|fp32] [--device cpu|cuda] [--out FILE]</c>: what sub-networks of a real model are
/// worth. With several seeds, <c>{seed}</c> in a file name is the seed, each with its own calibration photos, and the table gives mean and range.
/// <c>+joint</c> spends the FLOPs of every pair of ratios by one joint allocation instead.
/// </summary>
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
        ulong[] seeds = [.. Values(args, "--seeds").SingleOrDefault("42").Split(',').Select(text => ulong.Parse(text, CultureInfo.InvariantCulture))];
        bool half = Values(args, "--precision").SingleOrDefault("bf16") == "bf16";
        TorchRuntime.EnsureLoaded();
        Device device = ComputeSettings.ParseDevice(Values(args, "--device").SingleOrDefault("cpu"));
        IReadOnlyList<MethodResult>[] measured = [.. seeds.Select(seed =>
        {
            using AccuracyMeasurement measurement = new(shared, calibration, seed, neighbours, half ? ScalarType.BFloat16 : ScalarType.Float32, device);
            return measurement.Run([.. methods.Select(method => method.For(seed))], budgets);
        })];
        IReadOnlyList<MethodResult> reference = ReferenceResults.Read(Path.Combine(shared, "official", "deit_tiny_reference.json"));
        AccuracyConditions conditions = new(Machine.Describe(load, device), command, 1000 - calibration, half ? "bfloat16" : "float32", seeds.Length);
        string markdown = AccuracyTable.Markdown(MethodResult.OverSeeds(measured), reference, conditions);
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
