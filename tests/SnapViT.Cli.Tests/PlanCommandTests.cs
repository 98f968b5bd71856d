using System.Text.Json;
using SnapViT.Core.Planning;
using SnapViT.Loading;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>What <c>plan</c> shows is what <c>cut</c> with the same options cuts.</summary>
[LeakCheck]
public sealed class PlanCommandTests : IDisposable
{
    private readonly Workspace _work = new Workspace().WithScores();

    private string Table => _work.In("latency.json");

    private string Files => $"{_work.ModelPath} {_work.Scores} --latency-table {Table} {Workspace.Fixed}";

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("--flops 0.6")]
    [InlineData("--flops 500K --allocation joint")]
    [InlineData("--params 0.7 --align 8")]
    [InlineData("--params 5K --allocation joint --align 16")]
    [InlineData("--size 0.8")]
    [InlineData("--size 30KB --align 8")]
    [InlineData("--size 28KiB --allocation joint")]
    [InlineData("--ratios 0.45:0.3")]
    [InlineData("--ratios 0.45:0.3 --align 8")]
    [InlineData("--ratios 0.5:0.25")]
    public async Task Planned_figures_are_those_of_the_written_file(string budget)
    {
        JsonElement plan = await CommandRun.Json($"plan {Files} {budget}");
        JsonElement cut = await CommandRun.Json($"cut {Files} {budget} --out {_work.Out}");
        foreach (string figure in new[] { "parameters", "flops", "blocks", "budget", "removed" })
        {
            Assert.Equal(plan.GetProperty(figure).GetRawText(), cut.GetProperty(figure).GetRawText());
        }

        using LoadedModel written = ModelFile.Load(_work.Out);
        Assert.Equal(plan.GetProperty("parameters").GetInt64(), written.Model.Weights.Tensors.Values.Sum(tensor => tensor.numel()));
        Assert.Equal(plan.GetProperty("file_bytes").GetInt64(), new FileInfo(_work.Out).Length);
    }

    [Theory]
    [InlineData("30KB", 30_000, "--out", "small.safetensors")]
    [InlineData("28KiB", 28 * 1024, "--out", "small.safetensors")]
    [InlineData("30KB", 30_000, "--out", "small.pt")]
    [InlineData("30KB", 30_000, "--pt", "small.pt")]
    public async Task A_file_is_no_larger_than_its_budget_and_less_than_a_head_smaller(string size, long bytes, string option, string name)
    {
        JsonElement cut = await CommandRun.Json($"cut {Files} --size {size} {option} {_work.In(name)}");
        Assert.InRange(new FileInfo(_work.In(name)).Length, bytes - 1500, bytes);
        Assert.Equal(0, cut.GetProperty("doubts").GetArrayLength());
    }

    [Fact]
    public async Task A_size_is_not_that_of_a_graph_and_this_is_said()
    {
        JsonElement cut = await CommandRun.Json($"cut {Files} --size 30KB --onnx {_work.In("small.onnx")}");
        string said = Assert.Single(cut.GetProperty("doubts").EnumerateArray()).GetString()!;
        Assert.StartsWith("--size: counted are the bytes that the model takes as a safetensors file", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_latency_is_measured_once_and_kept()
    {
        JsonElement before = await CommandRun.Json($"plan {Files} --flops 0.6");
        Assert.False(before.TryGetProperty("latency", out _));
        CommandRun first = await CommandRun.Of($"plan {Files} --latency 0.8 --json");
        Assert.Equal(0, first.Code);
        Assert.Contains($"no latencies of this model under these conditions yet: measured now and kept in {Table}", first.Error, StringComparison.Ordinal);
        byte[] table = File.ReadAllBytes(Table);
        CommandRun second = await CommandRun.Of($"plan {Files} --latency 0.8 --json");
        Assert.Equal((first.Output, ""), (second.Output, second.Error));
        Assert.Equal(table, File.ReadAllBytes(Table));
        using JsonDocument json = JsonDocument.Parse(first.Output);
        LatencyTable kept = LatencyTableFile.Load(Table);
        double whole = kept.Predict(SmallModels.Vit.FullWidths) / 1e6;
        Assert.InRange(json.RootElement.GetProperty("latency_ms").GetDouble(), 0, 0.8 * whole);

        // Once there is a table, every plan says what it would take, and a cut says what it took.
        Assert.True((await CommandRun.Json($"plan {Files} --flops 0.6")).TryGetProperty("latency", out _));
        JsonElement cut = (await CommandRun.Json($"cut {Files} --latency 0.8 --out {_work.Out}")).GetProperty("latency");
        Assert.Equal(json.RootElement.GetProperty("latency_ms").GetDouble(), cut.GetProperty("predicted_ms").GetDouble());
        Assert.True(cut.GetProperty("measured_ms").GetDouble() > 0);
        Assert.Equal(whole, cut.GetProperty("whole_predicted_ms").GetDouble(), 1e-9);
        CommandRun text = await CommandRun.Of($"cut {Files} --latency 0.8 --out {_work.Out} --force");
        Assert.Matches(@"latency: predicted \d+\.\d\d ms, measured \d+\.\d\d ms \(best pass of 1 image\(s\), fp32, 1 thread\(s\), on this machine\)", text.Output);
    }

    [Fact]
    public async Task A_table_of_other_conditions_is_refused_with_the_difference()
    {
        await CommandRun.Json($"plan {Files} --latency 0.8");
        CommandRun other = await CommandRun.Of($"plan {Files} --latency 0.8 --latency-batch 2");
        Assert.Equal(1, other.Code);
        Assert.Equal($"snapvit: {Table}: expected a latency table of these conditions, found one of batch 1, not 2; another file name measures a new one", other.Error.Trim());
    }

    [Fact]
    public async Task Without_a_file_of_its_own_a_table_lies_in_the_users_cache_and_a_damaged_one_is_replaced()
    {
        string? before = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", _work.In("cache"));
        try
        {
            string line = $"plan {_work.ModelPath} {_work.Scores} {Workspace.Fixed}";
            await CommandRun.Json($"{line} --latency 0.8");
            string table = Assert.Single(Directory.GetFiles(_work.In("cache/snapvit"), "latency-*.json"));
            File.WriteAllText(table, "nothing");
            CommandRun other = await CommandRun.Of($"{line} --flops 0.6");
            Assert.Equal((0, ""), (other.Code, other.Error));
            CommandRun again = await CommandRun.Of($"{line} --latency 0.8");
            Assert.Equal(0, again.Code);
            Assert.StartsWith($"{table}: no valid latency table", again.Error, StringComparison.Ordinal);
            Assert.Contains("; it is replaced", again.Error, StringComparison.Ordinal);
            LatencyTableFile.Load(table);
        }
        finally
        {
            Environment.SetEnvironmentVariable("XDG_CACHE_HOME", before);
        }
    }

    [Fact]
    public async Task Lists_of_budgets_take_every_kind()
    {
        JsonElement eval = await CommandRun.Json(
            $"eval {_work.ModelPath} --scores {_work.Scores} --budgets 0.6,params=0.7,size=30KB,latency=0.8,ratios=0.5:0.25 --allocation joint --align 8 --latency-table {Table} --test {_work.Photos} {Workspace.Fixed}");
        JsonElement[] rows = [.. eval.GetProperty("rows").EnumerateArray()];
        Assert.Equal(5, rows.Length);
        JsonElement plan = await CommandRun.Json($"plan {Files} --params 0.7 --allocation joint --align 8");
        Assert.Equal(plan.GetProperty("parameters").GetInt64(), rows[1].GetProperty("parameters").GetInt64());
        JsonElement export = await CommandRun.Json(
            $"export {Files} --onnx-family {_work.In("family")} --budgets 0.6,params=0.7,latency=0.8,ratios=0.5:0.25 --allocation joint --align 8");
        JsonElement[] members = [.. export.GetProperty("members").EnumerateArray()];
        Assert.Equal(["flops-0.6.onnx", "params-0.7.onnx", "latency-0.8.onnx", "removed-0.5-0.25.onnx"], members.Select(member => member.GetProperty("graph").GetString()));
        Assert.Equal(plan.GetProperty("parameters").GetInt64(), members[1].GetProperty("parameters").GetInt64());
    }

    [Fact]
    public async Task People_see_what_is_kept_of_the_whole_and_of_every_block()
    {
        CommandRun plan = await CommandRun.Of($"plan {Files} --flops 0.6 --align 8");
        Assert.Equal(0, plan.Code);
        Assert.All(["neurons", "heads", "parameters", "FLOPs", "file", "of 24", "of 4", "share"], text => Assert.Contains(text, plan.Output, StringComparison.Ordinal));
        Assert.Equal(["model.safetensors", "scores.safetensors"], _work.Files());
    }
}
