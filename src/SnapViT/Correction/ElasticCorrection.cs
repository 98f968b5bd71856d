using System.Collections.Concurrent;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Models;
using SnapViT.Models.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Correction;

/// <summary>
/// Corrections of all layers of one model for every budget: each layer is factored once, when it is first asked for, and each budget then
/// costs a triangular solve per layer. Always computed from the original weights, whatever was cut before.
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ElasticCorrection : IDisposable
{
    private readonly ViTArchitecture _architecture;
    private readonly IMomentSource _moments;
    private readonly ImportanceOrder _order;
    private readonly CorrectionOptions _options;

    /// <summary>Every layer that may lose inputs, in the order of the forward pass, with handles of its own.</summary>
    private readonly LinearLayer[] _original;
    private readonly ConcurrentDictionary<(int Block, BlockLinear Layer), Lazy<LayerCorrection>> _layers = new();

    /// <summary>Corrections for one ranking; nothing is computed yet.</summary>
    /// <param name="original">
    /// The unpruned weights in float32 and model order; stay the caller's, the memory of the layers that are corrected is shared.
    /// </param>
    /// <param name="moments">Second moments of the unpruned model; stay the caller's, their memory is shared.</param>
    /// <param name="order">Importance order of every block's structures.</param>
    /// <param name="options">What is fitted.</param>
    /// <exception cref="ArgumentException">The moments are of another architecture.</exception>
    /// <exception cref="SnapViTException">An option is out of range.</exception>
    public ElasticCorrection(ViTWeights original, IMomentSource moments, ImportanceOrder order, CorrectionOptions options)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(moments);
        ArgumentNullException.ThrowIfNull(options);
        if (original.Architecture != moments.Architecture)
        {
            throw new ArgumentException(
                "correction: expected second moments of this architecture, found those of another", nameof(moments));
        }

        (_architecture, _order, _options) = (original.Architecture, order, options.Validated());
        _original = [.. original.Blocks.SelectMany(block => block.PrunedInputs).Select(layer => layer.Alias())];
        _moments = moments.Share();
    }

    /// <summary>
    /// The corrected tensors of one sub-network by canonical name, weights in the precision of the options and biases in float64; a layer
    /// that lost nothing is left out. The caller disposes them.
    /// </summary>
    /// <param name="widths">What every block keeps.</param>
    /// <param name="once">
    /// Whether a factor that is not there yet is made for this call alone: the way for a single sub-network, which then takes the memory of
    /// one factor instead of all.
    /// </param>
    /// <param name="convert">
    /// What becomes of every tensor as soon as it is there; null for nothing. The tensor given is disposed here.
    /// </param>
    /// <exception cref="SnapViTException">
    /// The moments of a layer are singular and not damped, or not finite; the message names the layer.
    /// </exception>
    public IReadOnlyDictionary<string, Tensor> At(
        SubnetWidths widths, bool once = false, Func<ParameterSpec, Tensor, Tensor>? convert = null)
    {
        ArgumentNullException.ThrowIfNull(widths);
        Dictionary<string, Tensor> corrected = [];
        try
        {
            foreach (LinearLayer layer in _original)
            {
                BlockWidths ofBlock = widths[layer.Spec.Key.Block];
                if (layer.Spec.Weight.KeptInputs(ofBlock) < layer.Spec.Inputs)
                {
                    Correct(
                        layer, ofBlock, once,
                        (parameter, tensor) => corrected.Add(parameter.Name, Converted(parameter, tensor, convert)));
                }
            }

            return corrected;
        }
        catch
        {
            foreach (Tensor tensor in corrected.Values)
            {
                tensor.Dispose();
            }

            throw;
        }
    }

    /// <summary>Factors every layer that is not factored yet.</summary>
    /// <param name="cancellation">Stops between two layers.</param>
    /// <exception cref="SnapViTException">
    /// The moments of a layer are singular and not damped, or not finite; the message names the layer.
    /// </exception>
    public void WarmUp(CancellationToken cancellation)
    {
        foreach (LinearLayer layer in _original)
        {
            cancellation.ThrowIfCancellationRequested();
            _ = Kept(layer).Value;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Lazy<LayerCorrection> layer in _layers.Values.Where(layer => layer.IsValueCreated))
        {
            layer.Value.Dispose();
        }

        _layers.Clear();
        _moments.Dispose();
        foreach (LinearLayer layer in _original)
        {
            layer.Weight.Dispose();
            layer.Bias?.Dispose();
        }
    }

    private Lazy<LayerCorrection> Kept(LinearLayer layer) =>
        _layers.GetOrAdd(layer.Spec.Key, _ => new Lazy<LayerCorrection>(() => Factor(layer, _architecture.FullBlock)));

    /// <summary>
    /// Any number of heads is a prefix of one order of the inputs. With fewer dimensions in the heads the order is another, and its factor
    /// is made for this call alone.
    /// </summary>
    private void Correct(LinearLayer layer, BlockWidths widths, bool once, Action<ParameterSpec, Tensor> add)
    {
        IReadOnlyList<PrunedDimension> inputs = layer.Spec.Weight.PrunedInputs;
        bool isWithin = inputs.Skip(1).Any(pruned => pruned.KeptLength(widths) < pruned.KeptLength(_architecture.FullBlock));
        bool forThisCall = isWithin || (once && !_layers.ContainsKey(layer.Spec.Key));
        LayerCorrection correction = forThisCall ? Factor(layer, widths) : Kept(layer).Value;
        try
        {
            (Tensor weight, Tensor? bias) = correction.At(layer.Spec.Weight.KeptInputs(widths));
            using (weight)
            {
                long[] shape = [weight.shape[0], .. inputs.Select(pruned => pruned.KeptLength(widths))];
                add(layer.Spec.Weight, weight.reshape(shape).DetachFromDisposeScope());
            }

            if (bias is not null)
            {
                add(layer.Spec.Bias!, bias.DetachFromDisposeScope());
            }
        }
        finally
        {
            if (forThisCall)
            {
                correction.Dispose();
            }
        }
    }

    private static Tensor Converted(ParameterSpec parameter, Tensor tensor, Func<ParameterSpec, Tensor, Tensor>? convert)
    {
        if (convert is null)
        {
            return tensor;
        }

        using (tensor)
        {
            return convert(parameter, tensor).DetachFromDisposeScope();
        }
    }

    private LayerCorrection Factor(LinearLayer layer, BlockWidths widths)
    {
        (int block, BlockLinear which) = layer.Spec.Key;
        using DisposeScope scope = NewDisposeScope();
        using SecondMoments moments = _moments.ForFit(block, which);
        Tensor order = tensor(InputOrder(layer.Spec.Weight.PrunedInputs, block, widths), device: moments.Device);
        try
        {
            return LayerCorrection.Factor(
                layer.Matrix().to(moments.Device),
                layer.Bias?.to(moments.Device),
                moments,
                _architecture.Tokens,
                order,
                _options,
                isLastUse: true);
        }
        catch (SnapViTException exception)
        {
            throw new SnapViTException(exception.Kind, $"{layer.Spec.Name}: {exception.Message}", exception);
        }
    }

    /// <summary>
    /// Inputs of a layer with those first that are kept: unit after unit of the outer axis in importance order, of each what is kept of the
    /// inner axis; then the rest.
    /// </summary>
    private long[] InputOrder(IReadOnlyList<PrunedDimension> inputs, int block, BlockWidths widths)
    {
        long[] outer = [.. _order.Of(inputs[0].Axis, block).ToArray().Select(index => (long)index)];
        long each = inputs.Count > 1 ? inputs[1].KeptLength(_architecture.FullBlock) : 1;
        long kept = inputs.Count > 1 ? inputs[1].KeptLength(widths) : 1;
        return
        [
            .. outer.SelectMany(unit => Range(unit * each, kept)),
            .. outer.SelectMany(unit => Range((unit * each) + kept, each - kept)),
        ];

        static IEnumerable<long> Range(long start, long count) => Enumerable.Range(0, (int)count).Select(step => start + step);
    }
}
