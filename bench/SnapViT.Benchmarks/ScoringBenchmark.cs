using SnapViT.Core.Architecture;
using SnapViT.Importance;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>Local scores from one global and one local crop per image.</summary>
internal sealed class ScoringBenchmark : IBenchmark
{
    private const int Images = 16;
    private const double SslTarget = 5;

    public string Name => "scoring";

    public IEnumerable<ResultRow> Run(Device device) =>
        from precision in RandomModel.Precisions
        from criterion in new[] { Criterion.Ssl, Criterion.Fisher }
        select Case(criterion, precision.Type, precision.Name, device);

    private static ResultRow Case(Criterion criterion, ScalarType precision, string precisionName, Device device)
    {
        ViTArchitecture architecture = RandomModel.Small;
        using VisionTransformer model = RandomModel.Create(architecture, precision, device);
        using Tensor crops = RandomModel.Images(architecture, device, Images, DistillationPairs.OnePair.Views);
        using Tensor oneCrop = RandomModel.Images(architecture, device, Images);
        using ScoreEstimator estimator = new(model, criterion, DistillationPairs.OnePair);
        double[] seconds = Measure.Best(() => model.Embed(oneCrop), () => estimator.Add(crops));
        double forwards = seconds[1] / seconds[0];
        return new ResultRow(
            $"ViT-S {precisionName}, {criterion.Name}, batches of {Images}",
            forwards,
            "time per image to one forward of one crop",
            criterion == Criterion.Ssl ? Target.AtMost(SslTarget, forwards) : "",
            $"{1e3 * seconds[1] / Images:0.0} ms an image (forward {1e3 * seconds[0] / Images:0.0} ms)");
    }
}
