using System.Runtime.InteropServices;

namespace SnapViT.Cli;

/// <summary>
/// SIGINT (Ctrl-C) and SIGTERM: the first asks the work to stop where its state can be kept, the second ends the process at once. Files
/// have their final names only when they are complete, so that neither leaves half of one.
/// </summary>
internal sealed partial class Interruption : IDisposable
{
    private const int Base = 128, Interrupt = 2, Terminate = 15;

    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration[] _registrations;
    private int _code;

    /// <summary>Listens from now on.</summary>
    public Interruption() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Handle(signal, Base + Interrupt)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Handle(signal, Base + Terminate)),
    ];

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>The exit code of a run: that of the signal where it was interrupted by one.</summary>
    public int Of(int code) => code == ExitCode.Interrupted && Volatile.Read(ref _code) is > 0 and int signalled ? signalled : code;

    public void Dispose()
    {
        Array.ForEach(_registrations, registration => registration.Dispose());
        _stop.Dispose();
    }

    private void Handle(PosixSignalContext signal, int code)
    {
        signal.Cancel = true;
        if (Interlocked.CompareExchange(ref _code, code, 0) == 0)
        {
            _ = _stop.CancelAsync();
        }
        else
        {
            End(code);
        }
    }

    private static void End(int code)
    {
        if (OperatingSystem.IsWindows())
        {
            Environment.Exit(code);
        }

        // An orderly end would wait for what does not answer.
        EndProcess(code);
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void EndProcess(int code);
}
