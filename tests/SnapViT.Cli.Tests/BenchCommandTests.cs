using System.Text.Json;
using SnapViT.Cli.Roofline;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

[LeakCheck]
public sealed class BenchCommandTests : IDisposable
{
    private const string Quick = "--widths 64 --batches 1,2 --seconds 0 --precision fp32 --threads 1";

    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task Stages_are_measured_against_what_bounds_them()
    {
        (string json, string chart, string table) = (_work.In("b.json"), _work.In("b.svg"), _work.In("b.md"));
        JsonElement result = await CommandRun.Json(
            $"bench {Quick} --only embed,preprocess,at,cut --out {json} --chart {chart} --table {table}");

        Assert.Equal(["fp32 products", "memory"], result.GetProperty("limits").EnumerateArray().Select(limit => limit.GetProperty("name").GetString()));
        Assert.All(result.GetProperty("limits").EnumerateArray(), limit => Assert.True(limit.GetProperty("per_second").GetDouble() > 1e6));
        JsonElement[] rows = [.. result.GetProperty("rows").EnumerateArray()];
        Assert.Equal(
            ["preprocess", "embed", "embed", "at", "at", "cut", "cut"], rows.Select(row => row.GetProperty("stage").GetString()));
        foreach (JsonElement row in rows)
        {
            double seconds = row.GetProperty("seconds").GetDouble();
            Assert.InRange(seconds, 1e-9, row.GetProperty("median_seconds").GetDouble());
            Assert.True(row.GetProperty("peak_bytes").GetInt64() > 1 << 20);
            if (row.TryGetProperty("limit", out _))
            {
                double share = row.GetProperty("work").GetDouble() / row.GetProperty("limit_per_second").GetDouble() / seconds;
                Assert.Equal(share, row.GetProperty("share").GetDouble(), share * 1e-9);
            }
        }

        JsonElement two = rows[2];
        Assert.Equal(2, two.GetProperty("images").GetInt32());
        Assert.Equal(2 * rows[1].GetProperty("work").GetDouble(), two.GetProperty("work").GetDouble());
        using JsonDocument written = JsonDocument.Parse(File.ReadAllText(json));
        Assert.Equal(rows.Length, written.RootElement.GetProperty("rows").GetArrayLength());
        Assert.Equal("svg", System.Xml.Linq.XDocument.Parse(File.ReadAllText(chart)).Root!.Name.LocalName);
        Assert.Equal(rows.Length, File.ReadLines(table).Count(line => line.StartsWith("| ", StringComparison.Ordinal)) - 1);
    }

    [Fact]
    public async Task Larger_images_are_more_work_and_named()
    {
        JsonElement[] rows = [.. (await CommandRun.Json($"bench {Quick} --only embed --image-size 256")).GetProperty("rows").EnumerateArray()];
        JsonElement[] usual = [.. (await CommandRun.Json($"bench {Quick} --only embed")).GetProperty("rows").EnumerateArray()];
        Assert.Equal("width 64 of 256 pixels fp32, batch 1", rows[0].GetProperty("case").GetString());
        Assert.Equal("width 64 fp32, batch 1", usual[0].GetProperty("case").GetString());
        Assert.True(rows[0].GetProperty("work").GetDouble() > usual[0].GetProperty("work").GetDouble() * 256 / 224);
    }

    [Fact]
    public void Every_stage_gives_rows_of_its_own_name()
    {
        using MachineLimits limits = new([TorchSharp.torch.ScalarType.Float32], TorchSharp.torch.CPU);
        StageSettings settings = new(
            new StageTimer(limits, 0, TestContext.Current.CancellationToken), [64], 32, [1], [(TorchSharp.torch.ScalarType.Float32, "fp32")],
            TorchSharp.torch.CPU);

        // Neighbours of 50,000 rows take a second, and are left to the command.
        foreach ((string name, Func<StageSettings, IEnumerable<StageRow>> run) in Stages.All.Where(stage => stage.Name != "knn"))
        {
            Assert.All(run(settings), row => Assert.Equal(name, row.Stage));
        }
    }

    [Theory]
    [InlineData("--widths 100", "--widths: expected multiples of 64 such as 384,768, found '100'")]
    [InlineData("--batches 0", "--batches: expected numbers from 1 on such as 1,16, found '0'")]
    [InlineData("--only embed,fly", "--only: expected some of decode, preprocess,")]
    [InlineData("--image-size 100", "--image-size: expected a multiple of 16 up to 1024, found 100")]
    [InlineData("--seconds -1", "--seconds: expected 0..60, found -1")]
    public async Task Impossible_numbers_are_named(string options, string message)
    {
        CommandRun run = await CommandRun.Of($"bench {options}");
        Assert.Equal(1, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }
}
