using System.Security.Cryptography;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Tensors;

/// <summary>Keeps patched libraries in a folder that only this user can enter, named by the hash of their content.</summary>
internal static class PatchedLibraryCache
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The folder: below XDG_CACHE_HOME or ~/.cache, or where there is no home below the temporary folder.</summary>
    public static string DefaultFolder()
    {
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (!Path.IsPathRooted(cache))
        {
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            cache = home.Length > 0 && Directory.Exists(home) ? Path.Combine(home, ".cache") : null;
        }

        return cache is not null ? Path.Combine(cache, "snapvit") : Path.Combine(Path.GetTempPath(), $"snapvit-{Environment.UserName}");
    }

    /// <summary>The path of a file with that content; written beside and renamed when it is not there yet, so that processes may race.</summary>
    /// <param name="folder">Made private, or refused where it is another user's.</param>
    /// <param name="fileName">Name of the library, such as <c>libX.so</c>.</param>
    /// <param name="content">Its bytes.</param>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder is another user's.</exception>
    public static string Store(string folder, string fileName, byte[] content)
    {
        Directory.CreateDirectory(folder);
        if (!OperatingSystem.IsWindows())
        {
            // Only a folder's owner may change its mode: this is the check of ownership, too.
            File.SetUnixFileMode(folder, Private);
        }

        string path = Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(fileName)}-{Convert.ToHexStringLower(SHA256.HashData(content))[..16]}.so");
        if (!File.Exists(path) || !File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
        {
            AtomicFile.Write(path, stream => stream.Write(content));
        }

        return path;
    }
}
