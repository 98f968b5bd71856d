using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using TorchSharp;

namespace SnapViT.Tensors;

/// <summary>
/// The native libraries behind TorchSharp. They load by themselves on first use; whatever reads, builds or opens a model calls
/// <see cref="EnsureLoaded"/> first, to fail early and in one line.
/// </summary>
public static class TorchRuntime
{
    private const string Bridge = "LibTorchSharp";

    /// <summary>
    /// Loads the native libraries unless they are loaded. A program that calls TorchSharp before anything of SnapViT must call this first
    /// on systems whose C++ runtime is older than GCC 13 (Debian 12, Ubuntu 22.04).
    /// </summary>
    /// <exception cref="TorchUnavailableException">
    /// A library is missing or is refused by this system; the message names it and the reason.
    /// </exception>
    public static void EnsureLoaded()
    {
        try
        {
            // The very call TorchSharp makes, so that what is found here is found there.
            NativeLibrary.Load(Bridge, typeof(torch).Assembly, searchPath: null);
        }
        catch (Exception refused) when (refused is DllNotFoundException or BadImageFormatException)
        {
            throw TorchUnavailableException.Missing(
                $"{Bridge} of the package TorchSharp cannot be loaded: {refused.Message.ReplaceLineEndings(" ")}", refused);
        }
    }

    /// <summary>Offers a second way to load TorchSharp's library; the runtime asks for it only after its own ways have failed.</summary>
    [ModuleInitializer]
    [SuppressMessage(
        "Usage",
        "CA2255:The 'ModuleInitializer' attribute should not be used in libraries",
        Justification = "TorchSharp loads its library in a static constructor; only a module initialiser is sure to come before it.")]
    internal static void OfferSecondWay() => AssemblyLoadContext.Default.ResolvingUnmanagedDll += Resolve;

    private static nint Resolve(Assembly asking, string name)
    {
        bool ours = name == Bridge && OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;
        return ours ? TorchLibraries.Load(TorchLibraries.SearchFolders()) : 0;
    }
}
