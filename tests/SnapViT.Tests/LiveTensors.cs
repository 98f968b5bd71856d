using System.Runtime.CompilerServices;
using TorchSharp;

namespace SnapViT.Tests;

/// <summary>Counts the tensors of the whole process that nobody has disposed.</summary>
/// <remarks>
/// <c>Tensor.TotalCount</c> alone sinks when the finalizer happens to collect a forgotten tensor, which would hide a leak by chance.
/// TorchSharp keeps its disposal statistics per thread, so those of the finalizer's own thread say how many it has collected; added
/// back, the count depends on neither threads nor the moment of a collection.
/// </remarks>
internal static class LiveTensors
{
    /// <summary>Tensors created but not disposed since the process began, whether still reachable or forgotten.</summary>
    public static long Undisposed()
    {
        Collect();
        StrongBox<long?> collected = new();
        AskFinalizer(collected);
        Collect();
        long finalized = collected.Value ?? throw new InvalidOperationException("The finalizer did not answer.");
        return torch.Tensor.TotalCount + finalized;
    }

    private static void Collect()
    {
#pragma warning disable RS0030 // The one place that looks for tensors without an owner.
        GC.Collect();
#pragma warning restore RS0030
        GC.WaitForPendingFinalizers();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AskFinalizer(StrongBox<long?> answer) => _ = new Messenger(answer);

    private sealed class Messenger(StrongBox<long?> answer)
    {
        ~Messenger() => answer.Value = -DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
    }
}
