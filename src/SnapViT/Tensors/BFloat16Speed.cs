using System.Diagnostics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>
/// Whether this machine's processor is faster in bfloat16, by measurement. Where it computes bfloat16 natively the ratio is 2 to 16, and
/// where libtorch emulates it far below 1, so that a busy machine measures the same answer as a quiet one, and the same command gives the
/// same file.
/// </summary>
internal static class BFloat16Speed
{
    private const double Faster = 1.3, ClearlyFaster = 2, ClearlySlower = 0.5;
    private const int Rows = 256, Width = 768, Few = 3, Many = 20;

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(0.5);
    private static readonly Lazy<double> Measured = new(() => SideBySide.Run([0], _ => Measure())[0]);

    /// <summary>Whether matrix products are faster than in float32. Takes milliseconds the first time, half a second at most.</summary>
    public static bool IsFaster => !IsEmulated && Ratio > Faster;

    /// <summary>How many times as fast as float32 matrix products are.</summary>
    public static double Ratio => Measured.Value;

    /// <summary>CPUID leaf 7.1, EAX bit 5: AVX512-BF16. Without it libtorch emulates on x86, and a product takes long.</summary>
    private static bool IsEmulated => X86Base.IsSupported && (X86Base.CpuId(7, 1).Eax & (1 << 5)) == 0;

    /// <summary>
    /// On one thread, since waiting for another says nothing. The best of a few rounds where bfloat16 is clearly faster, of more where it
    /// is clearly slower, and else of half a second.
    /// </summary>
    private static double Measure()
    {
        using IDisposable frozen = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long start = Stopwatch.GetTimestamp();
        Tensor a = ones(Rows, Width), b = ones(Width, Width);
        Tensor[] wide = [a, b], narrow = [a.to(ScalarType.BFloat16), b.to(ScalarType.BFloat16)];
        (double ofWide, double ofNarrow) = (Product(wide), Product(narrow));
        for (int round = 0; !IsClear(round) && Stopwatch.GetElapsedTime(start) < Longest; round++)
        {
            // In turn, so that what else runs slows both.
            (ofWide, ofNarrow) = (Math.Min(ofWide, Product(wide)), Math.Min(ofNarrow, Product(narrow)));
        }

        return ofWide / ofNarrow;

        bool IsClear(int rounds) =>
            (rounds >= Few && ofWide / ofNarrow > ClearlyFaster) || (rounds >= Many && ofWide / ofNarrow < ClearlySlower);

        static double Product(Tensor[] factors)
        {
            long from = Stopwatch.GetTimestamp();
            using Tensor product = factors[0].mm(factors[1]);
            return Stopwatch.GetElapsedTime(from).TotalSeconds;
        }
    }
}
