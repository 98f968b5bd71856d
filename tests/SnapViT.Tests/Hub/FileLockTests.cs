using System.Diagnostics;
using SnapViT.Hub;

namespace SnapViT.Tests.Hub;

public sealed class FileLockTests : IDisposable
{
    private const string Other = "/usr/bin/flock";
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-hub-").FullName;

    private string Lock => Path.Combine(_folder, "locks", "a.lock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task One_owner_at_a_time()
    {
        int inside = 0, most = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            using IDisposable held = await FileLock.AcquireAsync(Lock, Stop);
            most = Math.Max(most, Interlocked.Increment(ref inside));
            await Task.Delay(20, Stop);
            Interlocked.Decrement(ref inside);
        }, Stop)));
        Assert.Equal(1, most);
    }

    /// <summary>flock(1) takes the same kind of lock as the Python client's filelock does on Unix.</summary>
    [Fact]
    public async Task Another_process_that_holds_the_lock_is_waited_for()
    {
        Assert.SkipUnless(File.Exists(Other), $"needs {Other}, which is not on this machine");
        (await FileLock.AcquireAsync(Lock, Stop)).Dispose();
        using Process process = Process.Start(new ProcessStartInfo(Other, [Lock, "sh", "-c", "echo held; read line"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        Assert.Equal("held", await process.StandardOutput.ReadLineAsync(Stop));
        Task<IDisposable> waiting = FileLock.AcquireAsync(Lock, Stop);
        await Task.Delay(200, Stop);
        Assert.False(waiting.IsCompleted);
        await process.StandardInput.WriteLineAsync("go");
        (await waiting).Dispose();
        await process.WaitForExitAsync(Stop);
    }

    [Fact]
    public async Task Another_process_is_kept_out_while_the_lock_is_held()
    {
        Assert.SkipUnless(File.Exists(Other), $"needs {Other}, which is not on this machine");
        using (await FileLock.AcquireAsync(Lock, Stop))
        {
            Assert.Equal(1, await TryAsync());
        }

        Assert.Equal(0, await TryAsync());
    }

    private async Task<int> TryAsync()
    {
        using Process process = Process.Start(Other, ["--nonblock", Lock, "true"]);
        await process.WaitForExitAsync(Stop);
        return process.ExitCode;
    }
}
