using System.Diagnostics;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Workflows;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Benchmarks.Frontiers;

/// <summary>What one sub-network is worth: figures of one seed.</summary>
internal sealed record FrontierFigure(
    string Row, Budget Budget, double Flops, double Parameters, double Top1, double Divergence, double? Cifar10, double? EuroSat, double Speed, double? Distance);

/// <summary>Measures all sub-networks side by side on every batch, in bfloat16.</summary>
internal sealed class FrontierMeasurement(FrontierRows rows, string shared, int mostPhotos, int mostNeighbours) : IDisposable
{
    private const int BatchSize = 32;

    private readonly List<(string Row, Budget Budget, SubnetPlan Plan, VisionTransformer Model)> _models = [];

    public IEnumerable<FrontierFigure> Run(IReadOnlyList<string> names, IReadOnlyList<Budget> budgets, bool neighbours)
    {
        ViTArchitecture a = rows.Model.Model.Architecture;
        SubnetPlan full = SubnetPlan.Of(a, a.FullWidths);
        _models.Add((FrontierRows.Whole, Budget.Whole, full, new VisionTransformer(rows.Model.Model.Weights.To(ScalarType.BFloat16))));
        foreach (string name in names)
        {
            foreach (Budget budget in budgets)
            {
                using Subnet? subnet = rows.At(name, budget);
                if (subnet is not null)
                {
                    _models.Add((name, budget, subnet.Plan, new VisionTransformer(subnet.Model.Weights.To(ScalarType.BFloat16))));
                }
            }
        }

        (double[] top1, double[] divergence, double[] seconds) = OnPhotos();
        IReadOnlyList<EvaluationRow>? cifar10 = neighbours ? Neighbours("cifar10") : null, euroSat = neighbours ? Neighbours("eurosat") : null;
        return [.. _models.Select((entry, index) => new FrontierFigure(
            entry.Row, entry.Budget, entry.Plan.Flops / (double)full.Flops, entry.Plan.Parameters / (double)full.Parameters,
            top1[index], divergence[index], cifar10?[index].Knn?.Share, euroSat?[index].Knn?.Share, seconds[0] / seconds[index], entry.Plan.Distance))];
    }

    public void Dispose() => _models.ForEach(entry => entry.Model.Dispose());

    private (double[] Top1, double[] Divergence, double[] Seconds) OnPhotos()
    {
        ImageSet photos = rows.HeldOut.Sample(mostPhotos, 1);
        ClassMapping classes = ClassMapping.Of(photos, rows.Model.Model.Architecture.Classes, rows.Model.ClassNames);
        double[] right = new double[_models.Count], divergence = new double[_models.Count], seconds = new double[_models.Count];
        ImageConsumer consumer = new(photos, ImagePreparation.Whole(rows.Preprocessing), BatchSize, take: batch =>
        {
            using IDisposable frozen = no_grad();
            using DisposeScope scope = NewDisposeScope();
            Tensor labels = tensor(batch.Entries.Select(entry => (long)classes[entry.Label!.Value]).ToArray());
            Tensor? dense = null;
            for (int index = 0; index < _models.Count; index++)
            {
                Stopwatch watch = Stopwatch.StartNew();
                Tensor logits = _models[index].Model.Logits(batch.Images);
                seconds[index] += watch.Elapsed.TotalSeconds;
                Tensor logs = F.log_softmax(logits, -1);
                dense ??= logs;
                right[index] += logits.argmax(1).eq(labels).sum().item<long>();
                divergence[index] += (dense.exp() * (dense - logs)).sum().item<float>();
            }
        });
        new ImageReader(photos, consumer).Run(default);
        return ([.. right.Select(sum => sum / photos.Count)], [.. divergence.Select(sum => sum / photos.Count)], seconds);
    }

    private IReadOnlyList<EvaluationRow> Neighbours(string set)
    {
        string folder = Path.Combine(shared, "images", set);
        return new ModelEvaluation(rows.Preprocessing, BatchSize, CPU).Run(
            [.. _models.Select(entry => entry.Model)], Sample("test"), Sample("train"));

        ImageSet Sample(string part) => ImageSet.FromFolder(Path.Combine(folder, part)).Sample(mostNeighbours, 1);
    }
}
