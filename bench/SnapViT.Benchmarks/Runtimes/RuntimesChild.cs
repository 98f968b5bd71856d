using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using SnapViT.Core.Planning;
using SnapViT.Runtime;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks.Runtimes;

/// <summary>One way to run a family, measured in this process.</summary>
internal static class RuntimesChild
{
    private const int Eight = 8, Side = 224, Runs = 60;
    public static int Run(string way, string model, string scores, string family, string measured)
    {
        string[] budgets = [.. Directory.GetFiles(family, "flops-*.onnx").Select(file => Path.GetFileNameWithoutExtension(file)["flops-".Length..])];
        if (way == "torch")
        {
            set_num_threads(1);
        }

        float[] one = new float[3 * Side * Side], eight = new float[Eight * one.Length];
        using IDisposable? opened = way switch
        {
            "torch" => new SubnetPool(ElasticViT.Open(model, scores, new ElasticOptions { Correction = null }), budgets.Length, ownsModel: true),
            "runtime" => ViTFamily.Open(family, new RuntimeOptions { Threads = 1 }),
            "copies" => ViTFamily.Open(family, new RuntimeOptions { Threads = 1, CopyWeights = true }),
            "read" => ViTFamily.Open(family, new RuntimeOptions { Threads = 1, ReadWeights = true }),
            "device" => ViTFamily.Open(family, new RuntimeOptions
            {
                Threads = 1,
                ReadWeights = true,
                Configure = session => session.AddSessionConfigEntry("session.use_device_allocator_for_initializers", "1"),
            }),
            _ => null,
        };
        Dictionary<string, InferenceSession> sessions = [];
        Action<string, float[], int> embed = opened switch
        {
            SubnetPool pool => (budget, images, count) => Torch(pool, budget, images, count),
            ViTFamily open => (budget, images, count) => open.At(Budget.Parse(budget)).Run(FamilyMember.Output.Features, images, count, default),
            _ => (budget, images, count) => Onnx(sessions, Path.Combine(family, $"flops-{budget}.onnx"), images, count),
        };
        embed(measured, one, 1);
        double start = (DateTime.Now - Process.GetCurrentProcess().StartTime).TotalMilliseconds;
        double single = 1 / Best(Runs, () => embed(measured, one, 1));
        long oneBytes = Memory();
        foreach (string budget in budgets)
        {
            embed(budget, one, 1);
        }

        long allBytes = Memory();
        double batch = Eight / Best(Runs / Eight, () => embed(measured, eight, Eight));
        foreach (InferenceSession session in sessions.Values)
        {
            session.Dispose();
        }

        Console.WriteLine(JsonSerializer.Serialize(new WayResult(start, single, batch, oneBytes, allBytes)));
        return 0;
    }

    private static void Torch(SubnetPool pool, string budget, float[] images, int count)
    {
        using SubnetLease subnet = pool.Lease(Budget.Parse(budget));
        using Tensor prepared = tensor(images, [count, 3, Side, Side]);
        using Tensor features = subnet.Embed(prepared);
    }

    private static void Onnx(Dictionary<string, InferenceSession> sessions, string graph, float[] images, int count)
    {
        if (!sessions.TryGetValue(graph, out InferenceSession? session))
        {
            using SessionOptions one = new() { IntraOpNumThreads = 1 };
            session = new InferenceSession(graph, one);
            sessions.Add(graph, session);
        }

        using OrtValue input = OrtValue.CreateTensorValueFromMemory(images, [count, 3, Side, Side]);
        using RunOptions options = new();
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(options, ["images"], [input], ["features"]);
    }

    /// <summary>Seconds of the fastest run.</summary>
    private static double Best(int runs, Action run) => Enumerable.Range(0, runs).Min(_ =>
    {
        long start = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    });

    /// <summary>Bytes of this process; pages that several processes or maps have count by their share.</summary>
    private static long Memory()
    {
        const string Maps = "/proc/self/smaps_rollup";
        string? line = File.Exists(Maps) ? File.ReadLines(Maps).FirstOrDefault(text => text.StartsWith("Pss:", StringComparison.Ordinal)) : null;
        return line is null
            ? Process.GetCurrentProcess().WorkingSet64
            : long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
