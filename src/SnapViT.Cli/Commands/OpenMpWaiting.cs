using System.Runtime.InteropServices;

namespace SnapViT.Cli.Commands;

/// <summary>How torch's threads wait for each other between two parallel pieces of work.</summary>
/// <remarks>
/// By default they spin, which on a machine that has other work to do costs a multiple of the time. Batches do not depend on it: their
/// images are computed side by side, on threads that do not wait for each other (<see cref="Tensors.SideBySide"/>). OpenMP reads the
/// setting from the process's own environment when it is loaded, which .NET's view of the environment never reaches.
/// </remarks>
internal static partial class OpenMpWaiting
{
    private const string Policy = "OMP_WAIT_POLICY";

    /// <summary>Makes waiting threads sleep, unless the user said otherwise; before torch is loaded.</summary>
    public static void UsePassive()
    {
        if (OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable(Policy) is null)
        {
            _ = SetEnvironment(Policy, "passive", 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
