using SnapViT.Models.Parts;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>
/// The two forms of attention, torch's fused kernel and two batched products with a softmax, over the shapes of real models, on one thread
/// each as the pieces of a batch run. The forward pass takes the second one in bfloat16 on a CPU.
/// </summary>
internal sealed class AttentionBenchmark : IBenchmark
{
    private const int Repeats = 4;

    private static readonly (int Images, int Heads, int Tokens, int Dims, string What)[] Shapes =
    [
        (1, 3, 197, 64, "ViT-Ti, one image"), (1, 6, 197, 64, "ViT-S, one image"), (4, 6, 197, 64, "ViT-S, a piece of a batch"),
        (16, 6, 197, 64, "ViT-S, batch 16"), (4, 12, 197, 64, "ViT-B, a piece of a batch"), (4, 6, 37, 64, "ViT-S, crops of 96 pixels"),
        (4, 6, 257, 64, "DINOv2 ViT-S/14"), (1, 6, 1025, 64, "ViT-S/16 at 512 pixels"), (4, 6, 1370, 64, "DINOv2 ViT-S/14 at 518 pixels"), (1, 16, 1370, 64, "DINOv2 ViT-L/14 at 518 pixels"), (4, 6, 120, 64, "tokens merged"),
        (4, 6, 197, 32, "half of the dimensions"), (4, 16, 257, 80, "ViT-H/14"), (4, 6, 197, 40, "40 dimensions"),
    ];

    public string Name => "attention";

    public IEnumerable<ResultRow> Run(Device device)
    {
        foreach ((int images, int heads, int tokens, int dims, string what) in Shapes)
        {
            foreach (ScalarType precision in new[] { ScalarType.BFloat16, ScalarType.Float32 })
            {
                yield return SideBySide.Run([0], _ => Row(images, heads, tokens, dims, what, precision, device))[0];
            }
        }
    }

    private static ResultRow Row(int images, int heads, int tokens, int dims, string what, ScalarType precision, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();

        // Queries, keys and values lie in one tensor, as the layer before gives them.
        Tensor all = randn([images, tokens, heads, 3, dims], device: device).to(precision);
        Tensor[] parts = [.. Enumerable.Range(0, 3).Select(part => all.select(3, part).transpose(1, 2))];
        double divisor = Math.Sqrt(64);
        double[] seconds = Measure.Best(
            () => Repeat(() => ScaledDotProduct.Fused(parts[0], parts[1], parts[2], divisor)),
            () => Repeat(() => ScaledDotProduct.ByProducts(parts[0], parts[1], parts[2], divisor)));
        string name = precision == ScalarType.BFloat16 ? "bf16" : "fp32";
        return new ResultRow(
            $"{what} {name}: {images} x {heads} heads, {tokens} tokens, {dims} dimensions", seconds[0] / seconds[1],
            "fused kernel to products", "", $"{1e3 * seconds[0] / Repeats:0.00} ms, {1e3 * seconds[1] / Repeats:0.00} ms");

        static void Repeat(Func<Tensor> work)
        {
            for (int i = 0; i < Repeats; i++)
            {
                work().Dispose();
            }
        }
    }
}
