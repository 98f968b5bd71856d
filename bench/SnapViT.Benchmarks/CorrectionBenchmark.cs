using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Models;
using TorchSharp;
using SnapViT.Cli.Roofline;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>
/// The closed-form correction against column elimination, one image at a time: the first budget with its pass over the images and its factors, then
/// every further one.
/// </summary>
internal sealed class CorrectionBenchmark : IBenchmark
{
    private const int Images = 32;
    private const int Batch = 16;
    private const int Runs = 2;
    private const double FirstTarget = 25, FurtherTarget = 200;

    private static readonly PruningRatios Ratios = new(0.45, 0.3);

    public string Name => "correction";

    public IEnumerable<ResultRow> Run(Device device)
    {
        ViTArchitecture architecture = RandomModel.Small;
        using VisionTransformer model = RandomModel.Create(architecture, ScalarType.Float32, device);
        using Tensor images = RandomModel.Images(architecture, device, Images);
        SubnetWidths widths = new SubnetPlanner(architecture, InOrder(architecture), new KeepFloors()).Plan(Budget.Ratios(Ratios)).Widths;
        double yardstick = Yardstick(model, images, widths[0]) * architecture.Depth;
        foreach (CorrectionMode mode in new[] { CorrectionMode.SparseGpt, CorrectionMode.Affine })
        {
            (double first, double pass, double further) = ClosedForm(model, images, widths, mode);
            string subject = $"ViT-S fp32, {Images} images, budget {Ratios}, {mode.ToString().ToLowerInvariant()}";
            string measured = $"yardstick {yardstick:0.0} s, one block measured, times {architecture.Depth}; best of {Runs} runs";
            yield return new ResultRow(
                $"{subject}, first budget", yardstick / first, "time of column elimination to time", Target.AtLeast(FirstTarget, yardstick / first), $"{first:0.00} s, of which the pass over the images {pass:0.00} s ({measured})");
            yield return new ResultRow(
                $"{subject}, further budget", yardstick / further, "time of column elimination to time", Target.AtLeast(FurtherTarget, yardstick / further), $"{1e3 * further:0.0} ms ({measured})");
        }
    }

    /// <summary>Seconds of one block by column elimination.</summary>
    private static double Yardstick(VisionTransformer model, Tensor images, BlockWidths kept)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor[] tokens = [.. Enumerable.Range(0, Images).Select(image => model.EmbedTokens(images.narrow(0, image, 1)))];
        return Enumerable.Range(0, Runs).Min(_ => StageTimer.Once(() => ColumnElimination.Correct(model, tokens, 0, kept)));
    }

    /// <summary>Seconds of everything for a first budget, of its pass over the images, and of one more budget.</summary>
    private static (double First, double Pass, double Further) ClosedForm(VisionTransformer model, Tensor images, SubnetWidths widths, CorrectionMode mode)
    {
        double first = double.MaxValue, pass = double.MaxValue, further = double.MaxValue;
        for (int run = 0; run < Runs; run++)
        {
            using DisposeScope scope = NewDisposeScope();
            using CalibrationMoments moments = new(model.Architecture, device: images.device);
            double reading = StageTimer.Once(() => Read(model, images, moments));
            using ElasticCorrection correction = new(model.Weights, moments, new ImportanceOrder(InOrder(model.Architecture)), new CorrectionOptions { Mode = mode });
            double solving = StageTimer.Once(() => Solve(correction, widths));
            (pass, first) = (Math.Min(pass, reading), Math.Min(first, reading + solving));
            further = Math.Min(further, Enumerable.Range(0, 3).Min(_ => StageTimer.Once(() => Solve(correction, widths))));
        }

        return (first, pass, further);
    }

    private static void Read(VisionTransformer model, Tensor images, CalibrationMoments moments)
    {
        for (int image = 0; image < Images; image += Batch)
        {
            moments.Add(model, images.narrow(0, image, Batch));
        }
    }

    private static void Solve(ElasticCorrection correction, SubnetWidths widths)
    {
        foreach (Tensor tensor in correction.At(widths).Values)
        {
            tensor.Dispose();
        }
    }

    /// <summary>Scores of a model whose structures lie in importance order, equal in all blocks.</summary>
    private static ImportanceScores InOrder(ViTArchitecture architecture) =>
        new(Falling(architecture.Depth, architecture.MlpDim), Falling(architecture.Depth, architecture.Heads));

    private static double[,] Falling(int blocks, int structures)
    {
        double[,] scores = new double[blocks, structures];
        for (int i = 0; i < scores.Length; i++)
        {
            scores[i / structures, i % structures] = structures - (i % structures);
        }

        return scores;
    }
}
