using System.Runtime.InteropServices;

namespace SnapViT.Tensors;

/// <summary>Loads the native half of TorchSharp on Linux x86-64 where the ordinary way has failed, or says what is missing.</summary>
internal static class TorchLibraries
{
    private const string Bridge = "libLibTorchSharp.so";

    /// <summary>What the bridge needs; loaded first, because a copy in memory has no folder beside it.</summary>
    private static readonly string[] Needed = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];

    /// <summary>Loads the bridge of TorchSharp: as it is if that works, else as a copy adapted by <see cref="GlibcxxPatch"/>.</summary>
    /// <param name="folders">Where to look, in this order.</param>
    /// <returns>The loader's handle.</returns>
    /// <exception cref="TorchUnavailableException">A library is missing or is refused by the loader.</exception>
    public static nint Load(IReadOnlyList<string> folders)
    {
        string bridge = Find(Bridge, "TorchSharp", folders);
        foreach (string path in Needed.Select(name => Find(name, "libtorch-cpu-linux-x64", folders)).ToList())
        {
            LoadFile(path, () => NativeLibrary.Load(path));
        }

        try
        {
            return NativeLibrary.Load(bridge);
        }
        catch (DllNotFoundException refused) when (refused.Message.Contains(GlibcxxPatch.Version, StringComparison.Ordinal))
        {
            return LoadFile(bridge, () => AnonymousLibrary.Load(Bridge, GlibcxxPatch.Apply(File.ReadAllBytes(bridge))));
        }
        catch (Exception refused) when (IsRefusal(refused))
        {
            throw Unavailable(bridge, refused);
        }
    }

    /// <summary>
    /// The folders in which the runtime looks for native libraries, then those in which the system's loader does: a libtorch of one's own.
    /// </summary>
    public static IReadOnlyList<string> SearchFolders()
    {
        IEnumerable<string> ofRuntime = Split(AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string);
        return [.. ofRuntime.Append(AppContext.BaseDirectory)
            .Concat(Split(Environment.GetEnvironmentVariable("LD_LIBRARY_PATH"))).Distinct()];
    }

    private static string[] Split(string? folders) => (folders ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    private static string Find(string name, string package, IReadOnlyList<string> folders) =>
        folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
        ?? throw TorchUnavailableException.Missing($"{name} of the package {package} is in none of: {string.Join(", ", folders)}");

    private static nint LoadFile(string path, Func<nint> load)
    {
        try
        {
            return load();
        }
        catch (Exception refused) when (IsRefusal(refused))
        {
            throw Unavailable(path, refused);
        }
    }

    private static bool IsRefusal(Exception error) =>
        error is DllNotFoundException or BadImageFormatException or ElfFormatException or IOException or UnauthorizedAccessException;

    /// <summary>The loader's own reason is the last line of a message of several.</summary>
    private static TorchUnavailableException Unavailable(string path, Exception refused) =>
        new(
            $"{path} cannot be loaded: "
                + $"{refused.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1]}",
            refused);
}
