using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks.Accuracy;

/// <summary>Top-1 and k-NN of the real DeiT-Ti's sub-networks, all models side by side on every batch; the reference measured in bfloat16.</summary>
internal sealed class AccuracyMeasurement(string shared, int calibrationImages, ulong seed, bool neighbours, ScalarType precision, Device device) : IDisposable
{
    private int BatchSize => device.type == TorchSharp.DeviceType.CUDA ? 128 : 32;

    private readonly LoadedModel _model = ModelFile.Load(Path.Combine(shared, "models", "deit_tiny_patch16_224.safetensors"));

    private ImageSet Photos => ImageSet.FromFolder(Path.Combine(shared, "images", "imagenet-sample"), LabelFile.Read(Path.Combine(shared, "images", "imagenet-synsets.txt")));

    /// <summary>A row per method and budget, the unpruned model first.</summary>
    public IReadOnlyList<MethodResult> Run(IReadOnlyList<Method> methods, IReadOnlyList<PruningRatios> budgets)
    {
        List<(string Method, PruningRatios Ratios, VisionTransformer Model)> models = [("unpruned", default, new VisionTransformer(_model.Model.Weights.To(precision, device)))];
        try
        {
            foreach (Method method in methods)
            {
                models.AddRange(budgets.Select(ratios => (method.Name, ratios, Make(method, ratios))));
            }

            return Measure(models);
        }
        finally
        {
            models.ForEach(entry => entry.Model.Dispose());
        }
    }

    public void Dispose() => _model.Dispose();

    private VisionTransformer Make(Method method, PruningRatios ratios)
    {
        ElasticScores scores = ElasticScores.Load(method.Scores);
        scores = method.Moments is null ? scores : scores with { Moments = ElasticScores.Load(method.Moments).Moments };
        using ElasticViT elastic = ElasticViT.Open(_model, scores, new ElasticOptions { Correction = method.Correction });
        SubnetPlan pair = elastic.Planner.Plan(Budget.Ratios(ratios));
        using Subnet subnet = method.Allocation is Allocation allocation
            ? elastic.At(Budget.AbsoluteFlops(pair.Flops), new PlanOptions { Allocation = allocation })
            : elastic.At(pair);
        if (!method.Sequential)
        {
            return new VisionTransformer(subnet.Model.Weights.To(precision, device));
        }

        PhotoCorrection sequential = new(_model.Model, Photos.Sample(calibrationImages, seed), Preprocessing.Reference, BatchSize);
        return sequential.Apply(subnet.Model, precision, device);
    }

    private IReadOnlyList<MethodResult> Measure(List<(string Method, PruningRatios Ratios, VisionTransformer Model)> models)
    {
        VisionTransformer[] all = [.. models.Select(entry => entry.Model)];
        HashSet<string> used = [.. Photos.Sample(calibrationImages, seed).Entries.Select(file => file.Name)];
        ImageSet calibration = Photos.Where(file => used.Contains(file.Name)), rest = Photos.Where(file => !used.Contains(file.Name));
        IReadOnlyList<EvaluationRow> onCalibration = Evaluate(all, calibration, null), onRest = Evaluate(all, rest, null);
        IReadOnlyList<EvaluationRow>? cifar10 = neighbours ? Neighbours(all, "cifar10") : null, euroSat = neighbours ? Neighbours(all, "eurosat") : null;
        double share = calibration.Count / (double)Photos.Count;
        return [.. models.Select((entry, index) => new MethodResult(
            entry.Method,
            entry.Ratios[Axis.Neurons],
            entry.Ratios[Axis.Heads],
            (share * onCalibration[index].Top1?.Share) + ((1 - share) * onRest[index].Top1?.Share),
            onRest[index].Top1?.Share,
            cifar10?[index].Knn?.Share,
            euroSat?[index].Knn?.Share))];
    }

    private IReadOnlyList<EvaluationRow> Neighbours(VisionTransformer[] models, string set)
    {
        string folder = Path.Combine(shared, "images", set);
        return Evaluate(models, ImageSet.FromFolder(Path.Combine(folder, "test")), ImageSet.FromFolder(Path.Combine(folder, "train")));
    }

    private IReadOnlyList<EvaluationRow> Evaluate(VisionTransformer[] models, ImageSet test, ImageSet? train) =>
        new ModelEvaluation(Preprocessing.Reference, BatchSize, device).Run(models, test, train);
}
