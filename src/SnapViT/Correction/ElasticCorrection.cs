using System.Collections.Concurrent;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Models;
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

    /// <summary>Weight and bias of every layer that may lose inputs, by canonical name.</summary>
    private readonly Dictionary<string, Tensor> _original = [];
    private readonly ConcurrentDictionary<(int Block, BlockLinear Layer), Lazy<LayerCorrection>> _layers = new();

    /// <summary>Corrections for one ranking; nothing is computed yet.</summary>
    /// <param name="original">The unpruned weights in float32 and model order; stay the caller's, the memory of the layers that are corrected is shared.</param>
    /// <param name="moments">Second moments of the unpruned model; stay the caller's, their memory is shared.</param>
    /// <param name="order">Importance order of every block's structures.</param>
    /// <param name="options">What is fitted.</param>
    /// <exception cref="ArgumentException">The moments are of another architecture, or an option is out of range.</exception>
    public ElasticCorrection(ViTWeights original, IMomentSource moments, ImportanceOrder order, CorrectionOptions options)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(moments);
        ArgumentNullException.ThrowIfNull(options);
        if (original.Architecture != moments.Architecture)
        {
            throw new ArgumentException("correction: expected second moments of this architecture, found those of another", nameof(moments));
        }

        (_architecture, _order, _options) = (original.Architecture, order, options.Validated());
        foreach ((int block, BlockLinear layer) in Layers())
        {
            string name = Name(_architecture, block, layer);
            foreach (string part in new[] { name + ".weight", name + ".bias" })
            {
                if (original.Find(part) is Tensor tensor)
                {
                    _original.Add(part, tensor.alias().DetachFromDisposeScope());
                }
            }
        }

        _moments = moments.Share();
    }

    /// <summary>
    /// The corrected tensors of one sub-network by canonical name, weights in the precision of the options and biases in float64; a layer that lost
    /// nothing is left out. The caller disposes them.
    /// </summary>
    /// <param name="widths">What every block keeps.</param>
    /// <param name="once">
    /// Whether a factor that is not there yet is made for this call alone: the way for a single sub-network, which then takes the memory of one factor
    /// instead of all.
    /// </param>
    /// <param name="convert">What becomes of every tensor as soon as it is there, by canonical name; null for nothing. The tensor given is disposed here.</param>
    /// <exception cref="ArgumentException">The moments of a layer are singular and not damped, or not finite; the message names the layer.</exception>
    public IReadOnlyDictionary<string, Tensor> At(SubnetWidths widths, bool once = false, Func<string, Tensor, Tensor>? convert = null)
    {
        ArgumentNullException.ThrowIfNull(widths);
        Dictionary<string, Tensor> corrected = [];
        try
        {
            foreach ((int block, BlockLinear layer) in Layers())
            {
                (long kept, long all) = layer == BlockLinear.Proj
                    ? ((long)widths[block].Heads * _architecture.HeadDim, (long)_architecture.Heads * _architecture.HeadDim)
                    : (widths[block].Neurons, _architecture.MlpDim);
                if (kept < all)
                {
                    Correct(block, layer, kept, once, (name, tensor) => corrected.Add(name, Converted(name, tensor, convert)));
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
    /// <exception cref="ArgumentException">The moments of a layer are singular and not damped, or not finite; the message names the layer.</exception>
    public void WarmUp(CancellationToken cancellation)
    {
        foreach ((int block, BlockLinear layer) in Layers())
        {
            cancellation.ThrowIfCancellationRequested();
            _ = Kept(block, layer).Value;
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
        foreach (Tensor tensor in _original.Values)
        {
            tensor.Dispose();
        }

        _original.Clear();
    }

    private IEnumerable<(int Block, BlockLinear Layer)> Layers() =>
        Enumerable.Range(0, _architecture.Depth).SelectMany(block => new[] { (block, BlockLinear.Proj), (block, BlockLinear.Fc2) });

    private Lazy<LayerCorrection> Kept(int block, BlockLinear layer) =>
        _layers.GetOrAdd((block, layer), key => new Lazy<LayerCorrection>(() => Factor(key.Block, key.Layer)));

    private void Correct(int block, BlockLinear layer, long kept, bool once, Action<string, Tensor> add)
    {
        string name = Name(_architecture, block, layer);
        bool forThisCall = once && !_layers.ContainsKey((block, layer));
        LayerCorrection correction = forThisCall ? Factor(block, layer) : Kept(block, layer).Value;
        try
        {
            (Tensor weight, Tensor? bias) = correction.At(kept);
            add(name + ".weight", weight.DetachFromDisposeScope());
            if (bias is not null)
            {
                add(name + ".bias", bias.DetachFromDisposeScope());
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

    private static Tensor Converted(string name, Tensor tensor, Func<string, Tensor, Tensor>? convert)
    {
        if (convert is null)
        {
            return tensor;
        }

        using (tensor)
        {
            return convert(name, tensor).DetachFromDisposeScope();
        }
    }

    private LayerCorrection Factor(int block, BlockLinear layer)
    {
        string name = Name(_architecture, block, layer);
        using DisposeScope scope = NewDisposeScope();
        using SecondMoments moments = _moments.ForFit(block, layer);
        Tensor order = tensor(Inputs(block, layer), device: moments.Device);
        try
        {
            return LayerCorrection.Factor(
                _original[name + ".weight"].to(moments.Device),
                _original.GetValueOrDefault(name + ".bias")?.to(moments.Device),
                moments,
                _architecture.Tokens,
                order,
                _options);
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException($"{name}: {exception.Message}", exception);
        }
    }

    /// <summary>Inputs of a layer by importance: neurons, or the d columns of every head.</summary>
    private long[] Inputs(int block, BlockLinear layer)
    {
        if (layer == BlockLinear.Fc2)
        {
            return [.. _order.Neurons(block).ToArray().Select(neuron => (long)neuron)];
        }

        long width = _architecture.HeadDim;
        return [.. _order.Heads(block).ToArray().SelectMany(head => Enumerable.Range(0, (int)width).Select(column => (head * width) + column))];
    }

    /// <summary>Canonical name of a layer without <c>.weight</c>: <see cref="BlockLinear.Proj"/>, or the last layer of the MLP.</summary>
    internal static string Name(ViTArchitecture architecture, int block, BlockLinear layer) => layer == BlockLinear.Proj
        ? $"blocks.{block}.attn.proj"
        : $"blocks.{block}.mlp.{(architecture.Mlp == MlpKind.SwiGlu ? "w3" : "fc2")}";
}
