using System.Runtime.CompilerServices;
using SnapViT.Tensors;

namespace SnapViT.Tests;

/// <summary>A test may touch TorchSharp before it touches this library, whose own initialiser makes it loadable.</summary>
internal static class TorchInitializer
{
    [ModuleInitializer]
    internal static void Initialize() => TorchRuntime.EnsureAvailable();
}
