using System.Diagnostics;
using System.Text.Json;
using SnapViT.Core.Randomness;

namespace SnapViT.Cli.Tests;

/// <summary><c>snapvit sweep</c> measures every combination of a plan, goes on where it was killed, and says what is wrong with a plan.</summary>
public sealed class SweepTests : IDisposable
{
    private const string Plan = """
        {
          "models": ["model.safetensors"],
          "images": "photos", "test": "photos",
          "photos": 4, "frontier_photos": 2, "test_images": 6,
          "criteria": ["curvature", "lamp"], "corrections": ["affine", "none"], "axes": ["all", "heads-neurons"],
          "seeds": [1, 2, 3, 4, 5, 6, 7, 8], "budgets": ["0.8", 0.6]
        }
        """;

    private readonly Workspace _work = new(images: 24);

    private static string[] Results { get; } = ["table.md", "table.csv", "table.json", "report.html", "report.csv"];

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_sweep_that_is_killed_ten_times_ends_with_the_same_table_and_repeats_no_finished_run()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs signals");
        string plan = _work.Put("plan.json", Plan), killed = _work.In("killed"), undisturbed = _work.In("undisturbed");
        Stopwatch watch = Stopwatch.StartNew();
        JsonElement whole = await CommandRun.Json($"sweep {plan} --out {undisturbed} {Workspace.Fixed}");
        Assert.Equal((16, 16), (whole.GetProperty("runs").GetInt32(), whole.GetProperty("measured").GetInt32()));

        // Short enough on any machine that ten attempts, which begin with the start of the process, do not end the sweep.
        int longest = (int)(watch.ElapsedMilliseconds / 6);
        SeededRandom random = SeededRandom.ForPurpose(7, "moments to kill at");
        Dictionary<string, DateTime> finished = [];
        int stopped = 0;
        for (int attempt = 0; attempt < 10; attempt++)
        {
            using SnapVitProcess process = SnapVitProcess.Start($"sweep {plan} --out {killed} {Workspace.Fixed}");
            await Task.Delay(250 + random.NextInt(longest), TestContext.Current.CancellationToken);
            if (!process.HasExited)
            {
                stopped += (await process.End(SnapVitProcess.Kill)).Code == 128 + SnapVitProcess.Kill ? 1 : 0;
            }

            foreach (string run in Directory.Exists(killed) ? Directory.GetFiles(Path.Combine(killed, "runs"), "*.json") : [])
            {
                JsonDocument.Parse(await File.ReadAllBytesAsync(run, TestContext.Current.CancellationToken)).Dispose();
                Assert.Equal(finished.GetValueOrDefault(run, File.GetLastWriteTimeUtc(run)), File.GetLastWriteTimeUtc(run));
                finished[run] = File.GetLastWriteTimeUtc(run);
            }
        }

        Assert.True(stopped >= 8, $"killed {stopped} times");
        JsonElement rest = await CommandRun.Json($"sweep {plan} --out {killed} {Workspace.Fixed}");
        Assert.Equal(16 - finished.Count, rest.GetProperty("measured").GetInt32());
        Assert.All(Results, name => Assert.Equal(File.ReadAllText(Path.Combine(undisturbed, name)), File.ReadAllText(Path.Combine(killed, name))));
        Assert.DoesNotContain(
            Directory.EnumerateFiles(killed, "*", SearchOption.AllDirectories),
            path => path.EndsWith(".partial", StringComparison.Ordinal) || path.EndsWith(".unfinished", StringComparison.Ordinal));
        Assert.Equal(0, (await CommandRun.Json($"sweep {plan} --out {killed} {Workspace.Fixed}")).GetProperty("measured").GetInt32());
    }

    [Fact]
    public async Task Every_number_has_its_interval_and_baselines_stand_beside_the_method()
    {
        string plan = _work.Put("plan.json", Plan.Replace("\"curvature\", ", "", StringComparison.Ordinal).Replace("[1, 2, 3, 4, 5, 6, 7, 8]", "[1]", StringComparison.Ordinal));
        await CommandRun.Json($"sweep {plan} {Workspace.Fixed}");
        string[] table = await File.ReadAllLinesAsync(_work.In("plan/table.csv"), TestContext.Current.CancellationToken);
        Assert.Contains(",top1,top1_low,top1_high,top1_lowest_seed,top1_highest_seed,", table[0], StringComparison.Ordinal);

        // The whole model, four ways and three baselines at two budgets.
        Assert.Equal(1 + 1 + (7 * 2), table.Length);
        Assert.All(table, line => Assert.DoesNotContain("NaN", line, StringComparison.Ordinal));
        JsonElement model = JsonDocument.Parse(await File.ReadAllTextAsync(_work.In("plan/table.json"), TestContext.Current.CancellationToken))
            .RootElement.GetProperty("models")[0];
        Assert.All(model.GetProperty("lines").EnumerateArray().SelectMany(line => line.GetProperty("rows").EnumerateArray()), row =>
        {
            JsonElement interval = row.GetProperty("top1_interval");
            Assert.InRange(row.GetProperty("top1").GetDouble(), interval[0].GetDouble(), interval[1].GetDouble());
        });
        string html = await File.ReadAllTextAsync(_work.In("plan/report.html"), TestContext.Current.CancellationToken);
        Assert.Contains("random order (baseline)", html, StringComparison.Ordinal);
        Assert.Contains("bootstrap samples over seeds and test images", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"curvature\"", "\"curvatur\"", "criteria: expected one of ssl, fisher, curvature, snip-magnitude, lamp, random, found 'curvatur'")]
    [InlineData("\"all\"", "\"every\"", "axes: expected one of all, no-tokens, no-head-dims, heads-neurons, found 'every'")]
    [InlineData("\"0.8\"", "\"0,8\"", "budgets: ")]
    [InlineData("\"photos\": 4", "\"photos\": 1", "photos: expected at least 2, found 1")]
    [InlineData("[1, 2,", "[1, 1,", "seeds: expected each once")]
    [InlineData("\"seeds\"", "\"seed\"", "seed")]
    [InlineData("\"test\": \"photos\",", "", "test")]
    [InlineData("7, 8]", "7, 8", "line ")]
    [InlineData("model.safetensors", "modle.safetensors", "modle.safetensors")]
    public async Task A_wrong_plan_is_told_in_one_line(string right, string wrong, string message)
    {
        string plan = _work.Put("plan.json", Plan.Replace(right, wrong, StringComparison.Ordinal));
        CommandRun run = await CommandRun.Of($"sweep {plan}");
        Assert.Equal(1, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.TrimEnd().Split('\n'));
    }
}
