using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Elastic;
using SnapViT.Features;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Search;

/// <summary>
/// How well a candidate's sub-networks keep the unpruned model's features on unlabelled images: at each ratio the model is cut by the
/// global ranking of score times |factor|, and its features are compared with the unpruned ones. Smaller is better; the mean over the
/// ratios.
/// </summary>
internal sealed class Fitness : IDisposable
{
    private readonly VisionTransformer _model;
    private readonly ImportanceScores _scores;
    private readonly Func<IEnumerable<Tensor>> _batches;
    private readonly FitnessOptions _options;
    private readonly Pca? _pca;
    private readonly bool _ownsPca;
    private readonly Func<ImportanceOrder, ElasticCorrection>? _correct;
    private readonly Tensor _target;

    /// <summary>Embeds the images with the unpruned model once.</summary>
    /// <param name="model">The unpruned model, in the precision that candidates are to run in; stays the caller's.</param>
    /// <param name="scores">Its local scores, without factors.</param>
    /// <param name="batches">Starts a pass over the evaluation images: batches [B, 3, S, S], disposed here after use.</param>
    /// <param name="options">What is compared, and where.</param>
    /// <param name="correct">Makes the correction inside every candidate; null for none.</param>
    /// <param name="projection">
    /// A fitness over other images whose principal components are used, so that fewer images than components will do; stays the caller's
    /// and in use. Null to fit them here.
    /// </param>
    /// <exception cref="SnapViTException">An option is out of range, or there are fewer images than components.</exception>
    public Fitness(
        VisionTransformer model, ImportanceScores scores, Func<IEnumerable<Tensor>> batches,
        FitnessOptions options, Func<ImportanceOrder, ElasticCorrection>? correct = null, Fitness? projection = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentNullException.ThrowIfNull(options);
        _model = model;
        _scores = scores;
        _batches = batches;
        _options = options.Validated();
        _correct = correct;
        _ownsPca = projection is null && options.PcaComponents < model.Architecture.FeatureDim;
        if (_ownsPca)
        {
            RequireImages(batches(), options.PcaComponents);
        }

        using Tensor teacher = FeatureExtractor.Embed(model, batches());
        _pca = _ownsPca ? Pca.Fit(teacher, options.PcaComponents) : projection?._pca;
        _target = Project(teacher);
    }

    /// <summary>The fitness of one candidate.</summary>
    /// <param name="factors">Its global factors.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public double Evaluate(ScoreCoefficients factors, CancellationToken cancellation = default)
    {
        using ElasticWeights elastic = new(_model, _scores.Scaled(factors), _options.Floors, _correct);
        return _options.Ratios.Average(ratios => Distance(elastic, ratios, cancellation));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsPca)
        {
            _pca?.Dispose();
        }

        _target.Dispose();
    }

    /// <summary>As many components need as many images; counted before the first is embedded.</summary>
    private static void RequireImages(IEnumerable<Tensor> batches, int components)
    {
        long found = 0;
        foreach (Tensor batch in batches)
        {
            using (batch)
            {
                found += batch.shape[0];
            }

            if (found >= components)
            {
                return;
            }
        }

        throw new SnapViTException(
            ErrorKind.Images, $"fitness: expected at least {components} images, as many as PCA components are compared, found {found}");
    }

    private double Distance(ElasticWeights elastic, PruningRatios ratios, CancellationToken cancellation)
    {
        using VisionTransformer subnet = elastic.At(elastic.Planner.Plan(Budget.Ratios(ratios)).Widths);
        using Tensor features = FeatureExtractor.Embed(subnet, _batches(), cancellation);
        using Tensor projected = Project(features);
        return _options.Losses.Sum(loss => Loss(loss, projected));
    }

    private double Loss(FitnessLoss loss, Tensor projected)
    {
        using DisposeScope scope = NewDisposeScope();
        return loss switch
        {
            FitnessLoss.Cosine => 1 - F.cosine_similarity(_target, projected, 1, 1e-8).mean().item<float>(),
            FitnessLoss.MeanSquaredError => _target.Minus(projected).square().mean().item<float>(),
            _ => throw new InvalidOperationException($"unknown loss {loss}"),
        };
    }

    private Tensor Project(Tensor features) => _pca is null ? features.alias() : _pca.Transform(features);
}
