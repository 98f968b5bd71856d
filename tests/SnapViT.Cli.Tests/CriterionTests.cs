using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>Every criterion, with and without normalised blocks and search, as a user builds with it.</summary>
[LeakCheck]
public sealed class CriterionTests : IDisposable
{
    private readonly Workspace _work = new();

    public static TheoryData<string> Names => [.. Criterion.All.Select(criterion => criterion.Name)];

    public void Dispose() => _work.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Every_criterion_builds_scores_that_cut_and_says_which_it_was(string criterion)
    {
        JsonElement build = await CommandRun.Json(Line(criterion, 0));
        Assert.Equal(criterion, build.GetProperty("provenance").GetProperty("criterion").GetString());
        Assert.Equal("none", build.GetProperty("provenance").GetProperty("normalise").GetString());
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Normalised_blocks_have_a_mean_of_1_and_are_ranked_without_tilt(string criterion)
    {
        JsonElement build = await CommandRun.Json(Line(criterion, 0) + " --normalise block");
        Assert.Equal("block", build.GetProperty("provenance").GetProperty("normalise").GetString());
        ElasticScores scores = ElasticScores.Load(_work.Scores);
        for (int block = 0; block < scores.Local.Depth; block++)
        {
            Assert.Equal(1, scores.Scaled.Of(Axis.Neurons, block).ToArray().Average(), 1e-9);
            Assert.Equal(1, scores.Scaled.Of(Axis.Heads, block).ToArray().Average(), 1e-9);
        }
    }

    [Theory]
    [InlineData("random")]
    [InlineData("lamp")]
    [InlineData("cross-entropy")]
    public async Task A_search_weighs_the_blocks_of_any_criterion(string criterion)
    {
        JsonElement build = await CommandRun.Json(Line(criterion, 2) + " --normalise block");
        Assert.Equal(3, build.GetProperty("fitness_history").GetArrayLength());
    }

    [Fact]
    public async Task Random_scores_follow_the_seed()
    {
        await CommandRun.Json(Line("random", 0));
        byte[] first = File.ReadAllBytes(_work.Scores);
        await CommandRun.Json(Line("random", 0));
        Assert.Equal(first, File.ReadAllBytes(_work.Scores));
        await CommandRun.Json(Line("random", 0) + " --seed 7");
        Assert.NotEqual(first, File.ReadAllBytes(_work.Scores));
    }

    private string Line(string criterion, int evaluations) =>
        $"build {_work.ModelPath} --images {_work.Photos} --out {_work.Scores} --force --criterion {criterion} --evaluations {evaluations} --batch 4 {Workspace.Fixed}";
}
