using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Elastic;

/// <summary>
/// The weights of one model at every size: a copy in importance order, of which sub-networks are views, made when the first is asked for;
/// or, for a sub-network with weights of its own, the original weights, of which what it keeps is selected.
/// </summary>
/// <remarks>
/// Thread-safe. Beside the ordered copy the original weights stay only where a correction needs them; a model that is cut and never viewed
/// has no ordered copy. Sub-networks stay valid after this object is disposed: they hold the memory that they view.
/// </remarks>
internal sealed class ElasticWeights : IDisposable
{
    private readonly Lock _lock = new();
    private readonly ElasticCorrection? _correction;
    private readonly ScalarType? _precision;
    private readonly Device? _device;

    /// <summary>The original weights; null once the ordered ones serve every purpose.</summary>
    private ViTWeights? _original;
    private ViTWeights? _ordered;
    private bool _disposed;

    /// <summary>Ranks the structures of a model; no weight is copied. The model stays the caller's, its memory is shared.</summary>
    /// <param name="model">The unpruned model, float32 on the CPU where sub-networks are corrected.</param>
    /// <param name="scores">Scores of its heads and neurons, factors included.</param>
    /// <param name="floors">What every block keeps whatever the budget.</param>
    /// <param name="correct">
    /// Makes the correction of sub-networks for the order of their structures; null for none. Owned from here on.
    /// </param>
    /// <param name="precision">Precision of the sub-networks' matrices; null for that of the model.</param>
    /// <param name="device">Where sub-networks are; null for where the model is.</param>
    /// <param name="frontiers">Frontiers over all axes by what they save; null for none.</param>
    /// <exception cref="SnapViTException">The scores are of another architecture.</exception>
    /// <exception cref="SnapViTException">The model is pruned already.</exception>
    public ElasticWeights(
        VisionTransformer model,
        ImportanceScores scores,
        KeepFloors floors,
        Func<ImportanceOrder, ElasticCorrection>? correct = null,
        ScalarType? precision = null,
        Device? device = null,
        IReadOnlyDictionary<CostUnit, Frontier>? frontiers = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        Planner = model.Widths.Equals(model.Architecture.FullWidths)
            ? new SubnetPlanner(model.Architecture, scores, floors, frontiers)
            : throw new SnapViTException(ErrorKind.Architecture, $"model: expected an unpruned one, found widths {model.Widths}");
        (_precision, _device) = (precision, device);
        _original = Aliases(model.Weights);
        _correction = correct?.Invoke(Planner.Order);
    }

    /// <summary>Turns budgets into plans.</summary>
    public SubnetPlanner Planner { get; }

    /// <summary>The sub-network of those widths as views; corrected layers are its own. The caller disposes it.</summary>
    /// <exception cref="SnapViTException">The moments of a layer are singular and not damped, or not finite.</exception>
    public VisionTransformer At(SubnetWidths widths)
    {
        using IDisposable frozen = no_grad();
        return new VisionTransformer(WithCorrection(WeightOrder.Prefix(Ordered(), widths), widths));
    }

    /// <summary>
    /// The sub-network of those widths with its own copy of the weights it keeps, contiguous in memory. The caller disposes it.
    /// </summary>
    /// <inheritdoc cref="At"/>
    public VisionTransformer Cut(SubnetWidths widths) => Cut(widths, _precision, _device);

    /// <inheritdoc cref="Cut(SubnetWidths)"/>
    /// <param name="widths">What every block keeps.</param>
    /// <param name="precision">
    /// Precision of its matrices; null for that of the model. What sub-networks of another precision have lost does not come back.
    /// </param>
    /// <param name="device">Where it is; null for where the model is.</param>
    public VisionTransformer Cut(SubnetWidths widths, ScalarType? precision, Device? device)
    {
        using IDisposable frozen = no_grad();
        using ViTWeights source = Source(out bool isOrdered);
        IReadOnlyDictionary<string, Tensor> corrected =
            _correction?.At(widths, once: true, Converted) ?? new Dictionary<string, Tensor>();
        HashSet<string> taken = [];
        try
        {
            return new VisionTransformer(RotaryOrder.Published(source.Map(widths, (parameter, tensor) =>
            {
                if (corrected.TryGetValue(parameter.Name, out Tensor? own))
                {
                    taken.Add(parameter.Name);
                    return own;
                }

                using DisposeScope scope = NewDisposeScope();
                Tensor kept = isOrdered
                    ? WeightOrder.Prefix(parameter, tensor, widths)
                    : WeightOrder.Select(parameter, tensor, Planner.Order, widths);
                Tensor cast = Cast(parameter, kept, tensor, precision, device);
                return (ReferenceEquals(cast, tensor) || isOrdered ? Own(cast) : cast).MoveToOuterDisposeScope();
            })));
        }
        finally
        {
            foreach ((string name, Tensor tensor) in corrected.Where(pair => !taken.Contains(pair.Key)))
            {
                tensor.Dispose();
            }
        }

        Tensor Converted(ParameterSpec parameter, Tensor tensor)
        {
            using DisposeScope scope = NewDisposeScope();
            return Own(Cast(parameter, tensor, source[parameter], precision, device)).MoveToOuterDisposeScope();
        }
    }

    /// <summary>
    /// The original model as another owner's, for work that compares with it; from the ordered weights where the original ones are gone.
    /// </summary>
    public VisionTransformer Whole() => new(Source(out _));

    /// <summary>
    /// Does ahead what the first sub-network would wait for: the ordered copy, and the factors of all layers that corrections are solved
    /// by.
    /// </summary>
    /// <param name="cancellation">Stops between two layers.</param>
    public void WarmUp(CancellationToken cancellation)
    {
        using IDisposable frozen = no_grad();
        Ordered();
        _correction?.WarmUp(cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _original?.Dispose();
            _ordered?.Dispose();
        }

        _correction?.Dispose();
    }

    /// <summary>The ordered copy, made by whoever asks first.</summary>
    private ViTWeights Ordered()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_ordered is null)
            {
                _ordered = _original!.Map(_original.Widths, (parameter, tensor) =>
                {
                    using DisposeScope scope = NewDisposeScope();
                    Tensor cast = Cast(parameter, tensor, tensor, _precision, _device);
                    Tensor sorted = WeightOrder.Select(parameter, cast, Planner.Order, _original.Widths);
                    return (ReferenceEquals(sorted, cast) ? Own(cast) : sorted).MoveToOuterDisposeScope();
                });
                if (_correction is null)
                {
                    _original.Dispose();
                    _original = null;
                }
            }

            return _ordered;
        }
    }

    /// <summary>Handles of the weights that a cut selects from.</summary>
    private ViTWeights Source(out bool isOrdered)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            isOrdered = _original is null;
            return Aliases(_original ?? _ordered!);
        }
    }

    private ViTWeights WithCorrection(ViTWeights views, SubnetWidths widths)
    {
        if (_correction is null)
        {
            return views;
        }

        using ViTWeights uncorrected = views;
        IReadOnlyDictionary<string, Tensor> corrected = _correction.At(widths);
        try
        {
            return uncorrected.Map(widths, (parameter, tensor) =>
                corrected.TryGetValue(parameter.Name, out Tensor? own) ? own.to(tensor.dtype, tensor.device, copy: true) : tensor.alias());
        }
        finally
        {
            foreach (Tensor tensor in corrected.Values)
            {
                tensor.Dispose();
            }
        }
    }

    /// <summary>
    /// A tensor in the precision and on the device that one of the model has in sub-networks; the same handle where it is so already.
    /// </summary>
    private static Tensor Cast(ParameterSpec parameter, Tensor tensor, Tensor ofModel, ScalarType? precision, Device? device)
    {
        ScalarType type = precision is not ScalarType given ? ofModel.dtype : parameter.IsMatrix ? given : ScalarType.Float32;
        Device where = device ?? ofModel.device;
        bool isThere = tensor.dtype == type && tensor.device_type == where.type && (where.index < 0 || tensor.device_index == where.index);
        return isThere ? tensor : tensor.to(type, where);
    }

    private static ViTWeights Aliases(ViTWeights weights) => weights.Map(weights.Widths, (_, tensor) => tensor.alias());

    private static Tensor Own(Tensor view)
    {
        using Tensor contiguous = view.contiguous();
        return contiguous.clone();
    }
}
