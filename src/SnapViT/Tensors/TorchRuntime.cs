using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace SnapViT.Tensors;

/// <summary>
/// Loads the native half of TorchSharp. Its library asks for a newer libstdc++ than Debian 12 and Ubuntu 22.04 have, though it uses nothing of
/// it; where the ordinary load fails, a patched copy (<see cref="GlibcxxPatch"/>) is loaded instead. Healthy systems never come here.
/// </summary>
public static class TorchRuntime
{
    private const string Library = "LibTorchSharp";
    private static readonly string[] LoadedFirst = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];
    private static string? _failure;

    /// <summary>Makes sure that torch can be used.</summary>
    /// <exception cref="TorchUnavailableException">It cannot be loaded on this machine; the message says what is missing.</exception>
    public static void EnsureAvailable()
    {
        try
        {
            TorchSharp.torch.InitializeDeviceType(TorchSharp.DeviceType.CPU);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new TorchUnavailableException($"torch cannot be loaded: {_failure ?? exception.GetBaseException().Message.Split('\n')[0]}", exception);
        }
    }

    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "TorchSharp loads its library in static constructors; only this comes before them.")]
    internal static void Register() => AssemblyLoadContext.Default.ResolvingUnmanagedDll += Resolve;

    private static nint Resolve(Assembly assembly, string name)
    {
        if (!name.Contains(Library, StringComparison.Ordinal) || !OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return 0;
        }

        try
        {
            string library = Find($"lib{Library}.so") ?? throw new DllNotFoundException($"lib{Library}.so is not beside the program");
            foreach (string dependency in LoadedFirst)
            {
                NativeLibrary.Load(Find(dependency) ?? throw new DllNotFoundException($"{dependency} is not beside the program; add the libtorch-cpu package of this platform"));
            }

            byte[] patched = GlibcxxPatch.Apply(File.ReadAllBytes(library));
            return NativeLibrary.Load(PatchedLibraryCache.Store(PatchedLibraryCache.DefaultFolder(), Path.GetFileName(library), patched));
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException or ElfFormatException or IOException or UnauthorizedAccessException)
        {
            _failure = exception.Message;
            return 0;
        }
    }

    private static string? Find(string file)
    {
        string search = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        string assembly = Path.GetDirectoryName(typeof(TorchRuntime).Assembly.Location) ?? "";
        string[] folders = [AppContext.BaseDirectory, assembly, .. search.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)];
        return folders
            .SelectMany(folder => new[] { Path.Combine(folder, file), Path.Combine(folder, "runtimes", "linux-x64", "native", file) })
            .FirstOrDefault(File.Exists);
    }
}
