using SnapViT.Core.Architecture;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>Pooled features of a batch of images by unpruned models.</summary>
internal sealed class EmbeddingBenchmark : IBenchmark
{
    private const int Images = 16;
    private const double SmallTarget = 0.60;

    public string Name => "embedding";

    public IEnumerable<ResultRow> Run(Device device) =>
        from model in new[] { ("ViT-Ti", RandomModel.Tiny), ("ViT-S", RandomModel.Small), ("ViT-B", RandomModel.Base) }
        from precision in RandomModel.Precisions
        select Case(model.Item1, model.Item2, precision.Type, precision.Name, device);

    private static ResultRow Case(string name, ViTArchitecture architecture, ScalarType precision, string precisionName, Device device)
    {
        using VisionTransformer model = RandomModel.Create(architecture, precision, device);
        using Tensor images = RandomModel.Images(architecture, device, Images);
        using Gemm gemm = new(Images * architecture.Tokens, architecture.EmbedDim, architecture.MlpDim, precision, device);
        double[] seconds = Measure.Best(gemm.Run, () => model.Embed(images));
        double gemmRate = gemm.Flops / seconds[0];
        double rate = Images * (double)CostModel.Flops(architecture, architecture.FullWidths) / seconds[1];
        return new ResultRow(
            $"{name} {precisionName}, {Images} images",
            rate / gemmRate,
            $"GFLOP/s to GEMM {gemm.Shape}",
            architecture == RandomModel.Small && precision == ScalarType.BFloat16 ? Target.AtLeast(SmallTarget, rate / gemmRate) : "",
            $"{Images / seconds[1]:0.0} images/s, {rate / 1e9:0} GFLOP/s (GEMM {gemmRate / 1e9:0})");
    }
}
