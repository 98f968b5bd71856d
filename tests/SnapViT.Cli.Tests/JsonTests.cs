using System.Text.Json;
using SnapViT.Cli.Output;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>What docs/json.md promises of every object.</summary>
[LeakCheck]
public sealed class JsonTests : IDisposable
{
    private readonly Workspace _work = new Workspace().WithScores();

    private string Files => $"{_work.ModelPath} {_work.Scores} {Workspace.Fixed}";

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task Every_object_begins_with_its_schema()
    {
        foreach (string line in new[]
        {
            $"plan {Files} --flops 0.6", $"plan {Files} --budgets 0.6,0.8", $"cut {Files} --flops 0.6 --out {_work.Out}", $"inspect {_work.Scores}",
            $"eval {_work.ModelPath} --test {_work.Photos} {Workspace.Fixed}",
        })
        {
            JsonProperty first = (await CommandRun.Json(line)).EnumerateObject().First();
            Assert.Equal(("schema", Report.Schema), (first.Name, first.Value.GetInt32()));
        }
    }

    [Theory]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/new --samples 2", "cut {0}/model.safetensors {0}/new --flops 0.6 --out small.safetensors")]
    [InlineData("plan {0}/model.safetensors {0}/scores.safetensors --ratios 0.45:0.3", "cut {0}/model.safetensors {0}/scores.safetensors --ratios 0.45:0.3 --out small.safetensors")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/new", "inspect {0}/new")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos", "build {0}/model.safetensors --images PHOTOS --out scores.safetensors")]
    [InlineData("eval {0}/model.safetensors --scores {0}/scores.safetensors --budgets 0.9 --test {0}/photos", "cut {0}/model.safetensors {0}/scores.safetensors --flops 0.9 --out small.safetensors")]
    [InlineData("export {0}/model.safetensors {0}/scores.safetensors --onnx-family {0}/new --budgets 0.6", "inspect {0}/new")]
    [InlineData("convert {0}/model.safetensors --to timm --out {0}/new", "inspect {0}/new")]
    [InlineData("inspect {0}/model.safetensors", "build {0}/model.safetensors --images PHOTOS --out scores.safetensors")]
    [InlineData("inspect {0}/scores.safetensors", "plan MODEL {0}/scores.safetensors --flops 0.6")]
    public async Task Every_verb_says_what_to_try_next(string line, string next)
    {
        string asked = line.Replace("{0}", _work.Root, StringComparison.Ordinal), expected = $"snapvit {next.Replace("{0}", _work.Root, StringComparison.Ordinal)}";
        string force = line.Contains("--out", StringComparison.Ordinal) ? "--force" : "";
        CommandRun text = await CommandRun.Of(asked);
        Assert.True(text.Code == 0, text.Error);
        Assert.EndsWith($" s; next: {expected}\n", text.Output, StringComparison.Ordinal);
        if (!line.StartsWith("export", StringComparison.Ordinal))
        {
            Assert.Equal(expected, (await CommandRun.Json($"{asked} {force}")).GetProperty("next").GetString());
        }
    }

    [Fact]
    public void What_is_next_can_be_typed_where_a_path_has_spaces() =>
        Assert.Equal("snapvit cut \"my model.pt\" a/b-c.safetensors --ratios 0.45:0.3", NextCommand.Of("cut", "my model.pt", "a/b-c.safetensors", "--ratios", "0.45:0.3"));

    [Theory]
    [InlineData("--flops 0.6", "flops=0.6")]
    [InlineData("--params 5K", "params=5K")]
    [InlineData("--ratios 0.45:0.3", "ratios=0.45:0.3")]
    public async Task A_plan_and_a_cut_name_their_budget_so_that_it_can_be_put_into_a_list(string option, string budget)
    {
        JsonElement plan = await CommandRun.Json($"plan {Files} {option}"), cut = await CommandRun.Json($"cut {Files} {option} --out {_work.Out}");
        JsonElement row = (await CommandRun.Json($"plan {Files} --budgets {budget},1.0")).GetProperty("rows")[0];
        Assert.All([plan, cut, row], one => Assert.Equal(budget, one.GetProperty("budget").GetString()));
        Assert.True(JsonElement.DeepEquals(plan.GetProperty("blocks"), row.GetProperty("blocks")));
        Assert.Equal(plan.GetProperty("file_bytes").GetInt64(), row.GetProperty("file_bytes").GetInt64());
    }

    [Theory]
    [InlineData("plan none.safetensors scores --flops 0.6", "file")]
    [InlineData("plan {0} {1} --flops 2", "budget")]
    [InlineData("plan {0} {1} --flops 0.6 --budgets 0.5", "budget")]
    [InlineData("eval {0} --test {2} --samples 0", "option")]
    [InlineData("plan {0} {1} --flop 0.6", "usage")]
    public async Task A_failure_is_an_object_too_and_the_line_for_people_stays_on_standard_error(string line, string kind)
    {
        CommandRun run = await CommandRun.Of(string.Format(null, line, _work.ModelPath, _work.Scores, _work.Photos) + " --json");
        Assert.Equal(1, run.Code);
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement error = document.RootElement.GetProperty("error");
        Assert.Equal(Report.Schema, document.RootElement.GetProperty("schema").GetInt32());
        Assert.Equal(kind, error.GetProperty("kind").GetString());
        Assert.Equal($"snapvit: {error.GetProperty("message").GetString()}", run.Error.TrimEnd());
    }

    [Fact]
    public async Task Several_budgets_are_several_rows_of_a_table_that_says_what_is_missing()
    {
        CommandRun run = await CommandRun.Of($"plan {Files} --budgets 0.8,params=0.5,0.5:0.25 --latency-table {_work.In("none.json")}");
        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.All(["0.8", "params=0.5", "0.5:0.25"], budget => Assert.Contains($"  {budget} ", run.Output, StringComparison.Ordinal));
        Assert.Contains("predicted latency -: ", run.Output, StringComparison.Ordinal);
        Assert.Contains($"next: snapvit cut {_work.ModelPath} {_work.Scores} --flops 0.8 --out small.safetensors", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sample_of_the_test_images_is_measured()
    {
        string line = $"eval {_work.ModelPath} --test {_work.Photos} {Workspace.Fixed}";
        double top1 = (await CommandRun.Json($"{line} --samples 4")).GetProperty("rows")[0].GetProperty("top1").GetDouble();
        Assert.Equal(Math.Round(top1 * 4), top1 * 4);
        CommandRun text = await CommandRun.Of(line);
        Assert.Contains("k-NN -: needs labelled training images, --train DIR", text.Output, StringComparison.Ordinal);
    }
}
