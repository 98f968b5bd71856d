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
    /// <summary>Of so many batches one is looked at first: a stride, since photos may lie class by class.</summary>
    private const int Stride = 4;

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

    /// <summary>The same, unless what the candidate loses on every fourth batch of images says that it is hopeless.</summary>
    /// <param name="factors">Its global factors.</param>
    /// <param name="isHopeless">Told the losses of those images, each a mean over the ratios.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>The fitness, the same to the last bit; null where it is hopeless.</returns>
    public double? Evaluate(ScoreCoefficients factors, Func<double[], bool> isHopeless, CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        using ElasticWeights elastic = new(_model, _scores.Scaled(factors), _options.Floors, _correct);
        VisionTransformer[] subnets = [.. _options.Ratios.Select(ratios => elastic.At(elastic.Planner.Plan(Budget.Ratios(ratios)).Widths))];
        try
        {
            SortedDictionary<int, Tensor>[] features = [.. subnets.Select(_ => new SortedDictionary<int, Tensor>())];
            for (int at = 0; at < subnets.Length; at++)
            {
                Embed(subnets[at], batch => batch % Stride == 0, features[at], cancellation);
            }

            return isHopeless(OfFirst(features)) ? null : subnets.Select((subnet, at) =>
            {
                Embed(subnet, batch => batch % Stride != 0, features[at], cancellation);
                return Distance(cat([.. features[at].Values], 0));
            }).Average();
        }
        finally
        {
            Array.ForEach(subnets, subnet => subnet.Dispose());
        }
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
        return Distance(features);
    }

    private double Distance(Tensor features)
    {
        using Tensor projected = Project(features);
        return _options.Losses.Sum(loss => Loss(loss, projected));
    }

    private void Embed(
        VisionTransformer subnet, Func<int, bool> isWanted, SortedDictionary<int, Tensor> features, CancellationToken cancellation)
    {
        int index = 0;
        foreach (Tensor batch in _batches())
        {
            using (batch)
            {
                cancellation.ThrowIfCancellationRequested();
                if (isWanted(index))
                {
                    features.Add(index, subnet.Embed(batch));
                }
            }

            index++;
        }
    }

    /// <summary>What each image of the first batches loses, a mean over the sub-networks.</summary>
    private double[] OfFirst(IReadOnlyList<SortedDictionary<int, Tensor>> features)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<int, long> starts = [];
        long start = 0;
        int index = 0;
        foreach (Tensor batch in _batches())
        {
            using (batch)
            {
                starts[index++] = start;
                start += batch.shape[0];
            }
        }

        Tensor[] ofSubnets = [.. features.Select(found => cat([.. found.Select(batch =>
            OfImages(_target.narrow(0, starts[batch.Key], batch.Value.shape[0]), Project(batch.Value)))], 0))];
        return [.. stack(ofSubnets).mean([0]).to(ScalarType.Float64).cpu().data<double>()];
    }

    private Tensor OfImages(Tensor target, Tensor projected)
    {
        Tensor sum = zeros([target.shape[0]], device: target.device);
        foreach (FitnessLoss loss in _options.Losses)
        {
            sum = sum.Plus(loss == FitnessLoss.Cosine
                ? F.cosine_similarity(target, projected, 1, 1e-8).neg().Plus(1)
                : target.Minus(projected).square().mean([1]));
        }

        return sum;
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
