using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using SnapViT.Tensors;
using TorchSharp;

namespace SnapViT.Tests.Tensors;

/// <summary>Tests may call TorchSharp before anything of SnapViT, so the native libraries are loaded before the first test.</summary>
internal static class TorchFixture
{
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255:The 'ModuleInitializer' attribute should not be used in libraries", Justification = "A test project is a program.")]
    internal static void Load()
    {
        TorchRuntime.EnsureLoaded();

        // The models of the tests are too small to share out, and OpenMP's threads spin while they wait: on a busy machine ten times the time.
        torch.set_num_threads(1);
    }
}
