using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace SnapViT.Tensors;

/// <summary>
/// Loads a library from bytes through an anonymous file in memory: nothing is left on the disk, nobody else can replace it, and processes
/// do not meet. .NET itself maps its compiled code from such a file.
/// </summary>
internal static partial class AnonymousLibrary
{
    private const uint CloseOnExec = 1;

    /// <summary>Loads a library.</summary>
    /// <param name="name">What tools such as debuggers show for it.</param>
    /// <param name="library">The whole file.</param>
    /// <returns>The loader's handle; it stays valid for the life of the process.</returns>
    /// <exception cref="IOException">The system gives no such file.</exception>
    /// <exception cref="DllNotFoundException">The loader refuses the library; the message holds its reason.</exception>
    public static nint Load(string name, ReadOnlySpan<byte> library)
    {
        int descriptor = CreateMemoryFile(name, CloseOnExec);
        if (descriptor < 0)
        {
            throw new IOException($"No file in memory for {name}: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        using SafeFileHandle handle = new(descriptor, ownsHandle: true);
        RandomAccess.Write(handle, library, fileOffset: 0);
        nint loaded = NativeLibrary.Load($"/proc/self/fd/{descriptor}");

        // Stays open for the life of the process: the loader knows a library by its path and would take the next file of this number for
        // it.
        handle.SetHandleAsInvalid();
        return loaded;
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CreateMemoryFile(string name, uint flags);
}
