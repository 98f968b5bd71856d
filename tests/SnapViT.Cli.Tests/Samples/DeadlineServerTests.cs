using System.Text.RegularExpressions;
using SnapViT.Samples.DeadlineServer;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests.Samples;

[LeakCheck]
public sealed class DeadlineServerTests
{
    [Fact]
    public void Without_arguments_it_serves_the_demo_s_model_and_ends_by_itself()
    {
        (int code, string output, string error) = Run("--seconds", "0.5");
        Assert.Equal((0, ""), (code, error));
        AssertAllServed(output);
    }

    [Fact]
    public void It_serves_a_model_with_the_scores_of_a_build()
    {
        using Workspace work = new Workspace(0).WithScores();
        (int code, string output, string error) = Run(work.ModelPath, work.Scores, "--seconds", "0.2", "--seed", "7");
        Assert.Equal((0, ""), (code, error));
        AssertAllServed(output);
    }

    [Theory]
    [InlineData("model.safetensors", "expected a model and its scores, or neither, found 1 files")]
    [InlineData("none.safetensors scores.safetensors", "scores.safetensors")]
    [InlineData("--seconds 0", "found '--seconds 0'")]
    [InlineData("--deadline", "found '--deadline ")]
    public void What_it_cannot_use_is_told_in_one_line(string arguments, string fault)
    {
        (int code, string output, string error) = Run(arguments.Split(' '));
        Assert.Equal((1, ""), (code, output));
        Assert.Contains(fault, Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    // Latencies 8, 4, 2: alone a request may take its time left; the second in line has half of its own, the third a third.
    [Theory]
    [InlineData(0, new[] { 10.0 }, 0)]
    [InlineData(3, new[] { 10.0 }, 1)]
    [InlineData(0, new[] { 10.0, 11.0 }, 1)]
    [InlineData(0, new[] { 10.0, 11.0, 12.0 }, 1)]
    [InlineData(0, new[] { 10.0, 11.0, 12.0, 12.0 }, 2)]
    [InlineData(20, new[] { 10.0 }, 2)]
    public void The_largest_budget_is_chosen_with_which_all_that_wait_are_in_time(double now, double[] deadlines, int budget) =>
        Assert.Equal(budget, DeadlinePolicy.Choose([8, 4, 2], now, deadlines));

    private static void AssertAllServed(string output)
    {
        int requests = int.Parse(Regex.Match(output, @"^(\d+) requests").Groups[1].Value, null);
        Match elastic = Regex.Match(output, @"elastic: +(\d+) of (\d+) deadlines missed"), whole = Regex.Match(output, @"whole model alone: (\d+) of (\d+) deadlines missed");
        Assert.True(requests > 0);
        Assert.Equal((requests, requests), (int.Parse(elastic.Groups[2].Value, null), int.Parse(whole.Groups[2].Value, null)));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = Sample.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
