using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Elastic;

/// <summary>
/// One pretrained model that is every size: its weights once, in importance order, and any number of sub-networks as views of them
/// (Simoncini et al., NeurIPS 2025, section 3.3).
/// </summary>
/// <remarks>
/// <see cref="At(Budget, PlanOptions)"/> copies nothing, and its sub-networks may live side by side and run on several threads; they stay valid after this
/// object is disposed, for they hold the storage they view.
/// </remarks>
public sealed class ElasticViT : IDisposable
{
    private readonly ViTWeights _ordered;
    private readonly ElasticCorrection? _correction;

    /// <summary>Orders a copy of a model's weights by importance. The model stays the caller's.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="scores">Scores of its heads and neurons, factors included.</param>
    /// <param name="floors">What every block keeps whatever the budget.</param>
    /// <param name="correct">Makes the correction of sub-networks for the order of their structures; null for none. Owned from here on.</param>
    /// <exception cref="ArgumentException">The model is pruned already, or the scores are of another architecture.</exception>
    public ElasticViT(VisionTransformer model, ImportanceScores scores, KeepFloors floors, Func<ImportanceOrder, ElasticCorrection>? correct = null)
    {
        Planner = PlannerOf(model, scores, floors);
        _ordered = WeightOrder.Sort(model.Weights, Planner.Order);
        _correction = correct?.Invoke(Planner.Order);
    }

    /// <summary>Opens a model and its scores.</summary>
    /// <param name="modelPath">The unpruned model.</param>
    /// <param name="scoresPath">Its scores, from a build.</param>
    /// <param name="correction">How pruned layers are corrected; null for not at all.</param>
    /// <exception cref="CheckpointFormatException">A file is damaged, or the scores are of another model, or hold no moments to correct by.</exception>
    public static ElasticViT Open(string modelPath, string scoresPath, CorrectionOptions? correction = null)
    {
        ElasticScores scores = ElasticScores.Load(scoresPath);
        using LoadedModel model = ModelFile.Load(modelPath);
        return Create(model, scores, correction);
    }

    /// <summary>Orders a copy of a model's weights by its scores. The model stays the caller's.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="scores">Its scores.</param>
    /// <param name="correction">How pruned layers are corrected; null for not at all.</param>
    /// <param name="precision">Precision of the ordered weights; corrections are computed from float32.</param>
    /// <param name="device">Where the ordered weights live; null for the CPU.</param>
    /// <exception cref="CheckpointFormatException">The scores are of another model, or hold no moments to correct by.</exception>
    public static ElasticViT Create(
        LoadedModel model, ElasticScores scores, CorrectionOptions? correction = null, ScalarType precision = ScalarType.Float32, Device? device = null)
    {
        RequireSameModel(model, scores);
        using VisionTransformer cast = new(model.Model.Weights.To(precision, device));
        if (correction is null)
        {
            return new ElasticViT(cast, scores.Scaled, scores.Floors);
        }

        StoredMoments stored = scores.Moments
            ?? throw new CheckpointFormatException(model.Path, "expected scores with second moments for a correction, found none: build them with --moments true");
        using CalibrationMoments moments = stored.ToMoments(model.Model.Architecture);
        return new ElasticViT(cast, scores.Scaled, scores.Floors, order => new ElasticCorrection(model.Model.Weights, moments, order, correction));
    }

    /// <summary>Ranks a model's structures by its scores without ordering any weight: plans, but no sub-networks. The model stays the caller's.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="scores">Its scores.</param>
    /// <exception cref="CheckpointFormatException">The scores are of another model.</exception>
    /// <exception cref="ArgumentException">The model is pruned already, or the scores are of another architecture.</exception>
    public static SubnetPlanner PlannerOf(LoadedModel model, ElasticScores scores)
    {
        RequireSameModel(model, scores);
        return PlannerOf(model.Model, scores.Scaled, scores.Floors);
    }

    /// <summary>Checks that scores were made for the very bytes of a model file. Scores of the reference do not say: their sizes must fit.</summary>
    /// <exception cref="CheckpointFormatException">They were made for another one.</exception>
    public static void RequireSameModel(LoadedModel model, ElasticScores scores)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(scores);
        string? expected = scores.Provenance.GetValueOrDefault(ElasticScores.ModelHash);
        if (expected is not null && expected != model.Sha256)
        {
            throw new CheckpointFormatException(
                model.Path, $"expected the model that the scores were made for (sha256 {expected}), found another (sha256 {model.Sha256})");
        }
    }

    /// <summary>Turns budgets into plans for this model.</summary>
    public SubnetPlanner Planner { get; }

    /// <summary>The largest sub-network within a budget, as views: no weight is copied, but for corrected layers, which are the sub-network's own.</summary>
    /// <param name="budget">What the sub-network may cost.</param>
    /// <param name="options">How the budget is divided and rounded, and what latency and files are measured by; null for the defaults.</param>
    /// <exception cref="BudgetException">The floors make the budget impossible.</exception>
    public Subnet At(Budget budget, PlanOptions? options = null) => At(Planner.Plan(budget, options));

    /// <inheritdoc cref="At(Budget, PlanOptions)"/>
    /// <param name="plan">A plan of this model's <see cref="Planner"/>.</param>
    public Subnet At(SubnetPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ViTWeights views = WeightOrder.Prefix(_ordered, plan.Widths);
        return new Subnet(new VisionTransformer(_correction is null ? views : Corrected(views, plan.Widths)), plan);
    }

    /// <summary>The sub-network of a plan with its own copy of the weights it keeps, contiguous in memory.</summary>
    /// <param name="plan">A plan of this model's <see cref="Planner"/>.</param>
    public Subnet Materialize(SubnetPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        using Subnet subnet = At(plan);
        return new Subnet(new VisionTransformer(subnet.Model.Weights.Map(plan.Widths, (_, tensor) => OwnCopy(tensor))), plan);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _correction?.Dispose();
        _ordered.Dispose();
    }

    private static SubnetPlanner PlannerOf(VisionTransformer model, ImportanceScores scores, KeepFloors floors)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Widths.Equals(model.Architecture.FullWidths)
            ? new SubnetPlanner(model.Architecture, scores, floors)
            : throw new ArgumentException($"model: expected an unpruned one, found widths {model.Widths}", nameof(model));
    }

    private ViTWeights Corrected(ViTWeights views, SubnetWidths widths)
    {
        using ViTWeights uncorrected = views;
        IReadOnlyDictionary<string, Tensor> corrected = _correction!.At(widths);
        try
        {
            return uncorrected.Map(widths, (name, tensor) => corrected.TryGetValue(name, out Tensor? own) ? own.to(tensor.dtype, tensor.device, copy: true) : tensor.alias());
        }
        finally
        {
            foreach (Tensor tensor in corrected.Values)
            {
                tensor.Dispose();
            }
        }
    }

    private static Tensor OwnCopy(Tensor view)
    {
        using Tensor contiguous = view.contiguous();
        return contiguous.clone();
    }
}
