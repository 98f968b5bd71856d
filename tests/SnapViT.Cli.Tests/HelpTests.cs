using SnapViT.Cli.Commands;
namespace SnapViT.Cli.Tests;

public sealed class HelpTests
{
    private static readonly string[] Expected = ["build", "plan", "cut", "eval", "inspect"];

    [Fact]
    public async Task The_command_lists_its_verbs() => Assert.Empty(Expected.Except(await Verbs()));

    [Fact]
    public async Task Every_verb_teaches_itself()
    {
        foreach (string verb in await Verbs())
        {
            CommandRun run = await CommandRun.Of($"{verb} --help");
            Assert.Equal((0, ""), (run.Code, run.Error));
            Assert.Contains($"snapvit {verb}", run.Output, StringComparison.Ordinal);
            string[] everywhere = ["--json", "--seed", "--threads", "--precision", "--device", "--verbose"];
            Assert.All(everywhere, option => Assert.Contains(option, run.Output, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("build", "--images --out --samples --evaluations --criterion --crops --batch --neuron-floor --head-floor --preprocess --num-heads")]
    [InlineData("cut", "SCORES --flops --params --size --latency --ratios --allocation --align --latency-batch --latency-table --out")]
    [InlineData("plan", "SCORES --flops --params --size --latency --ratios --allocation --align --latency-batch --latency-table")]
    [InlineData("export", "--budgets --allocation --align --latency-batch --latency-table")]
    [InlineData("eval", "--scores --budgets --allocation --align --latency-batch --latency-table --train --test --labels --batch")]
    [InlineData("inspect", "FILE --num-heads")]
    public async Task The_help_of_a_verb_names_its_options(string verb, string options)
    {
        CommandRun run = await CommandRun.Of($"{verb} --help");
        Assert.All(options.Split(' '), option => Assert.Contains(option, run.Output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Help_that_is_piped_is_at_most_100_wide_and_its_options_stand_in_groups()
    {
        foreach (string verb in await Verbs())
        {
            string[] lines = [.. (await CommandRun.Of($"{verb} --help")).Output.Split('\n').Select(line => line.TrimEnd())];
            Assert.All(lines.Where(line => !line.StartsWith("  snapvit", StringComparison.Ordinal)), line => Assert.True(line.Length <= 100, line));
            string[] titles = [.. lines.Where(line => line.EndsWith(':') && !line.StartsWith(' '))];
            Assert.Equal("Options of every verb:", titles[^1]);
            Assert.Equal(titles.Distinct(), titles);
            string[] options = [.. lines.Where(line => line.StartsWith("  --", StringComparison.Ordinal)).Select(line => line.Trim().Split(' ')[0])];
            Assert.Equal(options.Distinct(), options);
        }
    }

    [Theory]
    [InlineData("build", "--images <DIR>")]
    [InlineData("build", "--out <FILE>")]
    [InlineData("build", "--batch <N>")]
    [InlineData("build", "[default: 1000]")]
    [InlineData("build", "[default: none]")]
    [InlineData("cut", "--flops <BUDGET>")]
    [InlineData("cut", "--ratios <MLP:HEADS>")]
    [InlineData("cut", "--allocation <")]
    [InlineData("export", "--onnx-family <DIR>")]
    public async Task Values_are_named_by_what_they_are_and_defaults_as_they_are_typed(string verb, string text) =>
        Assert.Contains(text, (await CommandRun.Of($"{verb} --help")).Output, StringComparison.Ordinal);

    [Fact]
    public async Task The_command_alone_shows_its_help_and_the_first_steps()
    {
        CommandRun alone = await CommandRun.Of("");
        Assert.Equal(await CommandRun.Of("--help"), alone);
        Assert.Equal((0, ""), (alone.Code, alone.Error));
        int at = 0;
        foreach (string step in new[] { "snapvit demo ", "snapvit inspect MODEL", "snapvit build MODEL --images PHOTOS --out ", "snapvit cut MODEL " })
        {
            at = alone.Output.IndexOf(step, at, StringComparison.Ordinal);
            Assert.True(at > 0, step);
        }
    }

    [Fact]
    public async Task Threads_beyond_the_cores_are_clamped_and_that_is_said()
    {
        using Workspace work = new Workspace().WithScores();
        CommandRun run = await CommandRun.Of($"plan {work.ModelPath} {work.Scores} --flops 0.6 --threads 100000");
        Assert.Equal(0, run.Code);
        Assert.Equal($"--threads 100000: this machine has {Environment.ProcessorCount} cores, and as many threads are used", run.Error.TrimEnd());
        Assert.Equal(Environment.ProcessorCount, GlobalOptions.ThreadsOf(SnapVitCommand.Create().Parse("plan model scores --threads 100000")));
    }

    [Fact]
    public async Task The_version_is_told()
    {
        CommandRun run = await CommandRun.Of("--version");
        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Matches(@"^\d+\.\d+\.\d+", run.Output);
    }

    /// <summary>The verbs as the command's own help lists them.</summary>
    private static async Task<string[]> Verbs()
    {
        CommandRun run = await CommandRun.Of("--help");
        Assert.Equal((0, ""), (run.Code, run.Error));
        return [.. run.Output.Split('\n')
            .SkipWhile(line => !line.StartsWith("Commands:", StringComparison.Ordinal))
            .Skip(1)
            .Where(line => line.Length > 2 && line.StartsWith("  ", StringComparison.Ordinal) && line[2] != ' ')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[0])];
    }
}
