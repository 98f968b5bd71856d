using System.Runtime.InteropServices;

namespace SnapViT.Cli.Commands;

/// <summary>
/// Settings that native libraries read from the process's own environment when they are loaded, which .NET's view of the environment never
/// reaches.
/// </summary>
internal static partial class NativeEnvironment
{
    /// <summary>
    /// Makes torch's waiting threads sleep, unless the user said otherwise; before torch is loaded. By default they spin, which on a
    /// machine that has other work to do costs a multiple of the time. Batches do not depend on it: their images are computed side by side,
    /// on threads that do not wait for each other (<see cref="Tensors.SideBySide"/>).
    /// </summary>
    public static void UsePassiveWaiting() => Preset("OMP_WAIT_POLICY", "passive");

    /// <summary>
    /// Keeps ONNX Runtime from writing down and sending what it runs, unless the user said otherwise; before it is loaded.
    /// </summary>
    public static void UseNoTelemetry() => Preset("ORT_DISABLE_TELEMETRY", "1");

    private static void Preset(string name, string value)
    {
        if (!OperatingSystem.IsWindows() && Environment.GetEnvironmentVariable(name) is null)
        {
            _ = SetEnvironment(name, value, 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
