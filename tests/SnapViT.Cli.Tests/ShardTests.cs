using System.Text.Json;

namespace SnapViT.Cli.Tests;

/// <summary>The commands of several machines, one after the other.</summary>
public sealed class ShardTests : IDisposable
{
    private readonly Workspace _at = new();

    public void Dispose() => _at.Dispose();

    [Fact]
    public async Task Shards_that_are_merged_and_continued_give_the_bytes_of_one_build()
    {
        string whole = _at.In("whole.safetensors"), merged = _at.In("merged.safetensors");
        await Run(_at.BuildLine(whole));
        for (int shard = 1; shard <= 3; shard++)
        {
            JsonElement read = await CommandRun.Json(_at.BuildLine(_at.In($"part{shard}")) + $" --shard {shard}/3");
            Assert.Equal($"{shard}/3", read.GetProperty("shard").GetString());
        }

        Assert.Contains("shard 2/3", (await Run($"inspect {_at.In("part2")}")).Output, StringComparison.Ordinal);
        await Run($"merge-scores {_at.In("part1")} {_at.In("part2")} {_at.In("part3")} --out {merged}");
        Assert.Contains("in 3 shards", (await Run($"inspect {merged}.unfinished")).Output, StringComparison.Ordinal);
        CommandRun again = await CommandRun.Of($"merge-scores {_at.In("part1")} {_at.In("part2")} {_at.In("part3")} --out {merged}");
        Assert.Equal(1, again.Code);
        Assert.Contains("--force replaces it", again.Error, StringComparison.Ordinal);

        CommandRun built = await Run(_at.BuildLine(merged));
        Assert.Contains("continues from merged shards: all 12 photos read, in 3 shards", built.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(whole), File.ReadAllBytes(merged));
        Assert.False(File.Exists(merged + ".unfinished"));
    }

    [Fact]
    public async Task A_missing_shard_and_a_wrong_number_are_one_line_each()
    {
        await Run(_at.BuildLine(_at.In("part1")) + " --shard 1/2");
        CommandRun missing = await CommandRun.Of($"merge-scores {_at.In("part1")} --out {_at.Out}");
        Assert.Equal((1, "snapvit: shards: expected all 2, found 1 without 2"), (missing.Code, missing.Error.TrimEnd()));
        CommandRun wrong = await CommandRun.Of(_at.BuildLine(_at.In("part2")) + " --shard 3/2");
        Assert.Equal(1, wrong.Code);
        Assert.Contains("such as 3/8, counted from 1, found '3/2'", wrong.Error, StringComparison.Ordinal);
    }

    private static async Task<CommandRun> Run(string line)
    {
        CommandRun run = await CommandRun.Of(line);
        Assert.True(run.Code == 0, run.Error);
        return run;
    }
}
