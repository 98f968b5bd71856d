using System.Diagnostics;

namespace SnapViT.Cli.Tests;

/// <summary>What shells, services and impatient people do to a process: its exit codes stay the normal ones.</summary>
public sealed class ProcessEdgeTests : IDisposable
{
    private readonly Workspace _work = new Workspace().WithScores();

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("inspect {0}/model.safetensors >&-", 0)]
    [InlineData("inspect {0}/model.safetensors 2>&-", 0)]
    [InlineData("inspect {0}/model.safetensors >&- 2>&- <&-", 0)]
    [InlineData("inspect {0}/none.safetensors 2>&-", 1)]
    [InlineData("inspect {0}/none.safetensors 2>/dev/full", 1)]
    [InlineData("inspect {0}/none.safetensors >&- 2>&-", 1)]
    [InlineData("frobnicate 2>&-", 1)]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors --verbose >&- 2>&- <&-", 0)]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/out.safetensors --preset reference --evaluations 1 2>&-", 0)]
    public async Task Closed_standard_streams_change_no_exit_code(string line, int code)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs a shell and /dev/full");
        Assert.Equal((code, ""), await Shell($"\"$0\" {line} | cat >/dev/null; exit ${{PIPESTATUS[0]}}"));
        if (line.Contains("--out", StringComparison.Ordinal))
        {
            Assert.Equal(0, (await CommandRun.Of($"inspect {_work.Out}")).Code);
        }
    }

    [Fact]
    public async Task Results_into_a_pipe_that_nobody_reads_change_no_exit_code()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs a shell");
        Assert.Equal((0, ""), await Shell("\"$0\" inspect {0}/model.safetensors --json | true; exit ${PIPESTATUS[0]}"));
    }

    [Fact]
    public async Task Results_that_a_full_disk_refuses_are_an_error_in_one_line()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /dev/full");
        (int code, string error) = await Shell("\"$0\" inspect {0}/model.safetensors >/dev/full");
        Assert.Equal((1, "snapvit: standard output: No space left on device"), (code, error.Split(" : ")[0].TrimEnd()));
    }

    // To open a pipe that nobody writes to waits for ever, whoever asks for an end.
    [Theory]
    [InlineData(SnapVitProcess.Interrupt, 130)]
    [InlineData(SnapVitProcess.Terminate, 143)]
    public async Task A_second_signal_ends_at_once(int signal, int code)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs named pipes");
        string pipe = _work.In("pipe.safetensors");
        using (Process made = Process.Start("mkfifo", [pipe]))
        {
            await made.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        using SnapVitProcess process = SnapVitProcess.Start($"inspect {pipe}");
        await Task.Delay(2000, TestContext.Current.CancellationToken);
        process.Send(signal);
        await Task.Delay(500, TestContext.Current.CancellationToken);
        Assert.False(process.HasExited);
        Assert.Equal(code, (await process.End(signal)).Code);
    }

    [Theory]
    [InlineData(SnapVitProcess.Interrupt, 130)]
    [InlineData(SnapVitProcess.Terminate, 143)]
    public async Task The_first_signal_ends_in_good_order(int signal, int code)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs signals");
        using SnapVitProcess process = SnapVitProcess.Start(
            $"build {_work.ModelPath} --images {_work.Photos} --out {_work.Out} --preset reference --evaluations 100000 --batch 2 {Workspace.Fixed}");
        while (!File.Exists(_work.Out + ".unfinished"))
        {
            Assert.False(process.HasExited, "the build ended before it could be stopped");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        (int found, string error) = await process.End(signal);
        Assert.Equal((code, "snapvit: interrupted"), (found, error.TrimEnd().Split('\n')[^1]));
        Assert.False(File.Exists(_work.Out));
    }

    /// <summary>Runs a line of bash in which <c>$0</c> is the command.</summary>
    private async Task<(int Code, string Error)> Shell(string line)
    {
        ProcessStartInfo start = new("/bin/bash", ["-c", line.Replace("{0}", _work.Root, StringComparison.Ordinal), Path.Combine(AppContext.BaseDirectory, "snapvit")])
        {
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        string error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, error);
    }
}
