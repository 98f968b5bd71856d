using System.Runtime.InteropServices;
using SnapViT.Core.Errors;

namespace SnapViT.Tensors;

/// <summary>The native libraries of TorchSharp cannot be loaded on this machine; the message is one line that says which and why.</summary>
public sealed class TorchUnavailableException : SnapViTException
{
    /// <summary>The packages that bring the native half of TorchSharp, as this release was tested with, by runtime identifier.</summary>
    private static readonly Dictionary<string, string> Packages = new()
    {
        ["linux-x64"] = "libtorch-cpu-linux-x64 --version 2.10.0",
        ["win-x64"] = "libtorch-cpu-win-x64 --version 2.10.0",
        ["osx-arm64"] = "libtorch-cpu-osx-arm64 --version 2.10.0",
    };

    /// <summary>Creates the exception.</summary>
    /// <param name="message">Which library, where, and what it lacks.</param>
    /// <param name="innerException">What the loader answered, if it was asked.</param>
    public TorchUnavailableException(string message, Exception? innerException = null)
        : base(ErrorKind.Runtime, message, innerException)
    {
    }

    /// <summary>A library is missing: says which package a program needs for it on this platform.</summary>
    /// <param name="message">Which library is missing, and where it was looked for.</param>
    /// <param name="innerException">What the loader answered, if it was asked.</param>
    internal static TorchUnavailableException Missing(string message, Exception? innerException = null)
    {
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        string platform = $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        string advice = Packages.TryGetValue(platform, out string? package)
            ? $"a program that uses SnapViT adds it with: dotnet add package {package}"
            : $"there is no package of libtorch for {platform}";
        return new TorchUnavailableException($"{message}; {advice}", innerException);
    }
}
