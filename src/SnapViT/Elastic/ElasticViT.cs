using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Elastic;

/// <summary>
/// One pretrained model that is every size: its weights once, in importance order, and any number of sub-networks as views of them
/// (Simoncini et al., NeurIPS 2025, section 3.3).
/// </summary>
/// <remarks>
/// <see cref="At(Budget)"/> copies nothing, and its sub-networks may live side by side and run on several threads; they stay valid after this
/// object is disposed, for they hold the storage they view.
/// </remarks>
public sealed class ElasticViT : IDisposable
{
    private readonly ViTWeights _ordered;

    /// <summary>Orders a copy of a model's weights by importance. The model stays the caller's.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="scores">Scores of its heads and neurons, factors included.</param>
    /// <param name="floors">What every block keeps whatever the budget.</param>
    /// <exception cref="ArgumentException">The model is pruned already, or the scores are of another architecture.</exception>
    public ElasticViT(VisionTransformer model, ImportanceScores scores, KeepFloors floors)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!model.Widths.Equals(model.Architecture.FullWidths))
        {
            throw new ArgumentException($"model: expected an unpruned one, found widths {model.Widths}", nameof(model));
        }

        Planner = new SubnetPlanner(model.Architecture, scores, floors);
        _ordered = WeightOrder.Sort(model.Weights, Planner.Order);
    }

    /// <summary>Opens a model and its scores.</summary>
    /// <param name="modelPath">The unpruned model.</param>
    /// <param name="scoresPath">Its scores, from a build.</param>
    /// <exception cref="CheckpointFormatException">A file is damaged, or the scores are of another model.</exception>
    public static ElasticViT Open(string modelPath, string scoresPath)
    {
        ElasticScores scores = ElasticScores.Load(scoresPath);
        using LoadedModel model = ModelFile.Load(modelPath);
        return Create(model, scores);
    }

    /// <summary>Orders a copy of a model's weights by its scores. The model stays the caller's.</summary>
    /// <exception cref="CheckpointFormatException">The scores are of another model.</exception>
    public static ElasticViT Create(LoadedModel model, ElasticScores scores)
    {
        RequireSameModel(model, scores);
        return new ElasticViT(model.Model, scores.Scaled, scores.Floors);
    }

    /// <summary>Checks that scores were made for the very bytes of a model file.</summary>
    /// <exception cref="CheckpointFormatException">They were made for another one.</exception>
    public static void RequireSameModel(LoadedModel model, ElasticScores scores)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(scores);
        string? expected = scores.Provenance.GetValueOrDefault(ElasticScores.ModelHash);
        if (expected != model.Sha256)
        {
            throw new CheckpointFormatException(
                model.Path, $"expected the model that the scores were made for (sha256 {expected ?? "unknown"}), found another (sha256 {model.Sha256})");
        }
    }

    /// <summary>Turns budgets into plans for this model.</summary>
    public SubnetPlanner Planner { get; }

    /// <summary>The largest sub-network within a budget, as views: no weight is copied.</summary>
    /// <param name="budget">What the sub-network may cost.</param>
    /// <exception cref="BudgetException">The floors make the budget impossible.</exception>
    public Subnet At(Budget budget) => At(Planner.Plan(budget));

    /// <summary>The sub-network of a plan, as views: no weight is copied.</summary>
    /// <param name="plan">A plan of this model's <see cref="Planner"/>.</param>
    public Subnet At(SubnetPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return new Subnet(new VisionTransformer(WeightOrder.Prefix(_ordered, plan.Widths)), plan);
    }

    /// <summary>The sub-network of a plan with its own copy of the weights it keeps, contiguous in memory.</summary>
    /// <param name="plan">A plan of this model's <see cref="Planner"/>.</param>
    public Subnet Materialize(SubnetPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        using IDisposable frozen = no_grad();
        using ViTWeights views = WeightOrder.Prefix(_ordered, plan.Widths);
        return new Subnet(new VisionTransformer(views.Map(plan.Widths, (_, tensor) => tensor.is_contiguous() ? tensor.clone() : tensor.contiguous())), plan);
    }

    /// <inheritdoc/>
    public void Dispose() => _ordered.Dispose();
}
