using SnapViT.Benchmarks;
using SnapViT.Benchmarks.Accuracy;
using SnapViT.Benchmarks.Clusters;
using SnapViT.Benchmarks.Frontiers;
using SnapViT.Benchmarks.Precision;
using SnapViT.Benchmarks.Runtimes;
using SnapViT.Benchmarks.Serving;
using SnapViT.Tensors;
using static TorchSharp.torch;

const string Project = "dotnet run -c Release --project bench/SnapViT.Benchmarks --";

if (args is [AccuracyCommand.Name, .. string[] rest])
{
    return AccuracyCommand.Run(rest, $"{Project} {string.Join(' ', args)}");
}

if (args is [FrontierCommand.Name, .. string[] frontier])
{
    return FrontierCommand.Run(frontier, $"{Project} {string.Join(' ', args)}");
}

if (args is [ClusterCommand.Name, .. string[] cluster])
{
    return ClusterCommand.Run(cluster, $"{Project} {string.Join(' ', args)}");
}

if (args is [PrecisionCommand.Name, .. string[] precision])
{
    return PrecisionCommand.Run(precision, $"{Project} {string.Join(' ', args)}");
}

if (args is [ScaleCommand.Name, .. string[] scale])
{
    return ScaleCommand.Run(scale, $"{Project} {string.Join(' ', args)}");
}

if (args is [ScaleCommand.Child, string which])
{
    return ScaleCommand.RunChild(which);
}

if (args is [RuntimesCommand.Name, .. string[] runtimes])
{
    return RuntimesCommand.Run(runtimes, $"{Project} {string.Join(' ', args)}");
}

if (args is [RuntimesCommand.Child, string way, string model, string scores, string family, string budget])
{
    return RuntimesChild.Run(way, model, scores, family, budget);
}

if (args is [ThreadsBenchmark.Child])
{
    return ThreadsBenchmark.RunChild();
}

if (args is [ThreadsBenchmark.Load])
{
    return ThreadsBenchmark.RunLoad();
}

if (args is [ServeCommand.Name, .. string[] serve])
{
    return ServeCommand.Run(serve, $"{Project} {string.Join(' ', args)}");
}

if (args is [ServeCommand.Child, string served])
{
    return ServeCommand.Serve(served);
}

if (args is [AccuracyPicture.Name, .. string[] picture])
{
    return AccuracyPicture.Run(picture);
}

if (args is [RandomFiles.Name, string folder])
{
    TorchRuntime.EnsureLoaded();
    RandomFiles.Write(folder);
    return 0;
}

IBenchmark[] all =
[
    new AttentionBenchmark(), new PlanningBenchmark(), new LatencyBenchmark(), new CorrectionBenchmark(), new AxesBenchmark(), new DataBenchmark(), new ThreadsBenchmark(),
];

string? file = Option("--out"), only = Option("--only");
string where = Option("--device") ?? "cpu";
if (args.Length % 2 != 0 || args.Where((_, index) => index % 2 == 0).Any(name => name is not ("--out" or "--only" or "--device")))
{
    Console.Error.WriteLine($"usage: {Project} [--out FILE] [--only NAME] [--device cpu|cuda]; names: {string.Join(", ", all.Select(one => one.Name))}");
    return 2;
}

IBenchmark[] chosen = [.. all.Where(one => only is null || one.Name == only)];
if (chosen.Length == 0)
{
    Console.Error.WriteLine($"--only: expected one of {string.Join(", ", all.Select(one => one.Name))}, found '{only}'");
    return 2;
}

string load = Machine.Load();
TorchRuntime.EnsureLoaded();
Device device = ComputeSettings.ParseDevice(where);
ResultTable table = new();
foreach (IBenchmark benchmark in chosen)
{
    foreach (ResultRow row in benchmark.Run(device))
    {
        Console.Error.WriteLine(table.Add(benchmark.Name, row));
    }
}

string markdown = table.ToMarkdown(Machine.Describe(load, device), $"{Project} {string.Join(' ', args)}".TrimEnd());
Console.Write(markdown);
if (file is not null)
{
    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
    File.WriteAllText(file, markdown);
}

return 0;

string? Option(string name)
{
    int index = Array.IndexOf(args, name);
    return index >= 0 && index + 1 < args.Length ? args[index + 1] : null;
}
