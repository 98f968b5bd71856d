using SnapViT.Core.Randomness;
using SnapViT.Evaluation;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>k-nearest-neighbour classification of a validation set of ImageNet's kind.</summary>
internal sealed class NearestNeighboursBenchmark : IBenchmark
{
    private const int Train = 50_000;
    private const int Queries = 10_000;
    private const int Width = 384;
    private const int Classes = 1000;
    private const int GemmRows = 335;

    public string Name => "knn";

    public IEnumerable<ResultRow> Run(Device device)
    {
        SeededRandom random = new(6);
        using Tensor train = RandomModel.Normal([Train, Width], seed: 7, device);
        using Tensor queries = RandomModel.Normal([Queries, Width], seed: 8, device);
        using NearestNeighbours neighbours = new(train, [.. Enumerable.Range(0, Train).Select(_ => random.NextInt(Classes))]);
        using Gemm gemm = new(GemmRows, Width, Train, ScalarType.Float32, device);
        double[] seconds = Measure.Best(gemm.Run, () => neighbours.Predict(queries));
        double gemmRate = gemm.Flops / seconds[0], rate = 2.0 * Train * Queries * Width / seconds[1];
        yield return new ResultRow(
            $"{Train} training rows, {Queries} queries, {Width} wide, {Classes} classes, k = {NearestNeighbours.PaperNeighbours}",
            rate / gemmRate,
            $"GFLOP/s to GEMM {gemm.Shape}",
            "",
            $"{seconds[1]:0.00} s, {rate / 1e9:0} GFLOP/s (GEMM {gemmRate / 1e9:0})");
    }
}
