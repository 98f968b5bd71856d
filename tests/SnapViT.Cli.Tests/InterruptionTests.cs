using System.Text.Json;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Cli.Tests;

/// <summary>A build that is stopped, however roughly, is continued by the same command to the very file that an undisturbed one gives.</summary>
public sealed class InterruptionTests : IDisposable
{
    private const int Evaluations = 80;
    private readonly Workspace _work = new();

    private string Unfinished => _work.Out + ".unfinished";

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task Kill_9_during_a_build_costs_nothing_that_was_done()
    {
        (int code, _) = await StopDuringSearch(SnapVitProcess.Kill);
        Assert.Equal(128 + SnapVitProcess.Kill, code);
        await AssertContinues();
    }

    [Fact]
    public async Task Ctrl_C_during_a_build_exits_with_130_and_costs_nothing_that_was_done()
    {
        (int code, string error) = await StopDuringSearch(SnapVitProcess.Interrupt);
        Assert.Equal((130, "snapvit: interrupted"), (code, error.TrimEnd().Split('\n')[^1]));
        await AssertContinues();
    }

    /// <summary>The default preset has no search: what is kept are the sums of the pass over the photos.</summary>
    [Theory]
    [InlineData(SnapVitProcess.Kill)]
    [InlineData(SnapVitProcess.Interrupt)]
    [InlineData(SnapVitProcess.Terminate)]
    public async Task A_signal_while_photos_are_read_costs_nothing_that_was_kept(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs signals");
        using Workspace work = new(images: 160);
        string Line(string path) => $"build {work.ModelPath} --images {work.Photos} --out {path} --batch 4 {Workspace.Fixed}";
        string unfinished = work.Out + ".unfinished";
        using (SnapVitProcess process = SnapVitProcess.Start(Line(work.Out)))
        {
            while (!File.Exists(unfinished))
            {
                Assert.False(process.HasExited, "the build ended before it could be stopped");
                await Task.Delay(1, TestContext.Current.CancellationToken);
            }

            (int code, _) = await process.End(signal);
            Assert.Equal(128 + signal, code);
        }

        Assert.False(File.Exists(work.Out));
        Assert.Matches(@"a build that was interrupted: \d+ of 160 photos read", (await CommandRun.Of($"inspect {unfinished}")).Output);
        CommandRun continued = await CommandRun.Of($"{Line(work.Out)} --json");
        Assert.Matches(@"snapvit: continues an interrupted build: \d+ of 160 photos read", continued.Error);
        Assert.InRange(JsonDocument.Parse(continued.Output).RootElement.GetProperty("continued_photos").GetInt32(), 32, 160);
        await CommandRun.Json(Line(work.Scores));
        Assert.Equal(File.ReadAllBytes(work.Scores), File.ReadAllBytes(work.Out));
        Assert.Equal(["model.safetensors", "out.safetensors", "scores.safetensors"], work.Files());
    }

    [Fact]
    public async Task A_build_that_is_cancelled_at_once_leaves_nothing()
    {
        using CancellationTokenSource stop = new();
        await stop.CancelAsync();
        CommandRun run = await CommandRun.UntilCancelled(BuildLine(_work.Out), stop.Token);
        Assert.Equal((130, ""), (run.Code, run.Output));
        Assert.Equal(["model.safetensors"], _work.Files());
    }

    private string BuildLine(string path) => $"build {_work.ModelPath} --images {_work.Photos} --out {path} --evaluations {Evaluations} --batch 2 {Workspace.Fixed}";

    /// <summary>Starts a build as a process and sends it a signal once a few candidates are known.</summary>
    private async Task<(int Code, string Error)> StopDuringSearch(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs signals");
        using SnapVitProcess process = SnapVitProcess.Start(BuildLine(_work.Out));
        while (KnownFitnesses() < 3)
        {
            Assert.False(process.HasExited, "the build ended before it could be stopped");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        return await process.End(signal);
    }

    private int KnownFitnesses()
    {
        if (!File.Exists(Unfinished))
        {
            return 0;
        }

        using SafetensorsReader state = SafetensorsReader.Open(Unfinished);
        return state.Metadata["build.history"].Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
    }

    private async Task AssertContinues()
    {
        Assert.False(File.Exists(_work.Out));
        Assert.True(File.Exists(Unfinished));
        JsonElement continued = await CommandRun.Json(BuildLine(_work.Out));
        Assert.InRange(continued.GetProperty("continued_evaluations").GetInt32(), 3, Evaluations);
        await CommandRun.Json(BuildLine(_work.Scores));
        Assert.Equal(File.ReadAllBytes(_work.Scores), File.ReadAllBytes(_work.Out));
        Assert.False(File.Exists(Unfinished));
    }
}
