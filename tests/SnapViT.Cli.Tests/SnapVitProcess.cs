using System.Diagnostics;
using System.Runtime.InteropServices;

namespace SnapViT.Cli.Tests;

/// <summary>The command as a process of its own, which can be sent signals.</summary>
internal sealed class SnapVitProcess : IDisposable
{
    public const int Interrupt = 2;
    public const int Kill = 9;
    public const int Terminate = 15;

    private readonly Process _process;
    private readonly Task<string> _error;

    private SnapVitProcess(Process process) => (_process, _error) = (process, process.StandardError.ReadToEndAsync());

    public bool HasExited => _process.HasExited;

    public int Id => _process.Id;

    /// <summary>Starts the command.</summary>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="folder">Where the program is; null for beside these tests.</param>
    /// <param name="program">Its name.</param>
    /// <param name="variables">Environment variables besides those of the tests; null for none.</param>
    public static SnapVitProcess Start(
        string arguments, string? folder = null, string program = "snapvit", IReadOnlyDictionary<string, string>? variables = null)
    {
        // Whoever runs the tests in the background may ignore SIGINT, and a process inherits that; env puts the default back.
        string command = Path.Combine(folder ?? AppContext.BaseDirectory, program);
        (string file, string before) = OperatingSystem.IsLinux() ? ("/usr/bin/env", $"--default-signal=INT {command} ") : (command, "");
        ProcessStartInfo start = new(file, before + arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach ((string name, string value) in variables ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return new SnapVitProcess(Process.Start(start)!);
    }

    /// <summary>The first line of standard output that begins so, without that beginning; null where none does.</summary>
    public async Task<string?> LineAsync(string begins)
    {
        while (await _process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is string line)
        {
            if (line.StartsWith(begins, StringComparison.Ordinal))
            {
                return line[begins.Length..];
            }
        }

        return null;
    }

    /// <summary>Sends a signal.</summary>
    public void Send(int signal) => Assert.Equal(0, SendSignal(_process.Id, signal));

    /// <summary>Sends a signal and gives exit code and standard error.</summary>
    public async Task<(int Code, string Error)> End(int signal)
    {
        Send(signal);
        return await End();
    }

    /// <summary>Waits for its own end and gives exit code and standard error.</summary>
    public async Task<(int Code, string Error)> End()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (_process.ExitCode, await _error);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int process, int signal);
}
