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
public sealed class ElasticCorrection : IDisposable
{
    private readonly ViTWeights _original;
    private readonly CalibrationMoments _moments;
    private readonly ImportanceOrder _order;
    private readonly CorrectionOptions _options;
    private readonly ConcurrentDictionary<(int Block, BlockLinear Layer), Lazy<LayerCorrection>> _layers = new();

    /// <summary>Corrections for one ranking; nothing is computed yet.</summary>
    /// <param name="original">The unpruned weights in float32 and model order; stay the caller's, their memory is shared.</param>
    /// <param name="moments">Second moments of the unpruned model; stay the caller's, their memory is shared.</param>
    /// <param name="order">Importance order of every block's structures.</param>
    /// <param name="options">What is fitted.</param>
    /// <exception cref="ArgumentException">The moments are of another architecture, or an option is out of range.</exception>
    public ElasticCorrection(ViTWeights original, CalibrationMoments moments, ImportanceOrder order, CorrectionOptions options)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(moments);
        ArgumentNullException.ThrowIfNull(options);
        if (original.Architecture != moments.Architecture)
        {
            throw new ArgumentException("correction: expected second moments of this architecture, found those of another", nameof(moments));
        }

        (_order, _options) = (order, options.Validated());
        _original = original.Map(original.Widths, (_, tensor) => tensor.alias());
        _moments = moments.Alias();
    }

    /// <summary>The corrected tensors of one sub-network by canonical name, weights in the precision of the options and biases in float64; a layer that lost nothing is left out. The caller disposes them.</summary>
    /// <param name="widths">What every block keeps.</param>
    /// <exception cref="ArgumentException">The moments of a layer are singular and not damped, or not finite; the message names the layer.</exception>
    public IReadOnlyDictionary<string, Tensor> At(SubnetWidths widths)
    {
        ArgumentNullException.ThrowIfNull(widths);
        ViTArchitecture a = _original.Architecture;
        Dictionary<string, Tensor> corrected = [];
        try
        {
            for (int block = 0; block < a.Depth; block++)
            {
                CorrectBlock(block, widths[block], corrected);
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

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Lazy<LayerCorrection> layer in _layers.Values.Where(layer => layer.IsValueCreated))
        {
            layer.Value.Dispose();
        }

        _layers.Clear();
        _moments.Dispose();
        _original.Dispose();
    }

    private void CorrectBlock(int block, BlockWidths kept, Dictionary<string, Tensor> corrected)
    {
        ViTArchitecture a = _original.Architecture;
        if (kept.Heads < a.Heads)
        {
            Correct(block, BlockLinear.Proj, (long)kept.Heads * a.HeadDim, corrected);
        }

        if (kept.Neurons < a.MlpDim)
        {
            Correct(block, BlockLinear.Fc2, kept.Neurons, corrected);
        }
    }

    private void Correct(int block, BlockLinear layer, long kept, Dictionary<string, Tensor> corrected)
    {
        LayerCorrection correction = _layers.GetOrAdd((block, layer), key => new Lazy<LayerCorrection>(() => Factor(key.Block, key.Layer))).Value;
        (Tensor weight, Tensor? bias) = correction.At(kept);
        string name = Name(_original.Architecture, block, layer);
        corrected.Add(name + ".weight", weight.DetachFromDisposeScope());
        if (bias is not null)
        {
            corrected.Add(name + ".bias", bias.DetachFromDisposeScope());
        }
    }

    private LayerCorrection Factor(int block, BlockLinear layer)
    {
        string name = Name(_original.Architecture, block, layer);
        using DisposeScope scope = NewDisposeScope();
        using SecondMoments moments = _moments.ForFit(block, layer);
        Tensor order = tensor(Inputs(block, layer), device: moments.Device);
        try
        {
            return LayerCorrection.Factor(
                _original[name + ".weight"].to(moments.Device), _original.Find(name + ".bias")?.to(moments.Device), moments, _original.Architecture.Tokens, order, _options);
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

        long width = _original.Architecture.HeadDim;
        return [.. _order.Heads(block).ToArray().SelectMany(head => Enumerable.Range(0, (int)width).Select(column => (head * width) + column))];
    }

    /// <summary>Canonical name of a layer without <c>.weight</c>: <see cref="BlockLinear.Proj"/>, or the last layer of the MLP.</summary>
    internal static string Name(ViTArchitecture architecture, int block, BlockLinear layer) => layer == BlockLinear.Proj
        ? $"blocks.{block}.attn.proj"
        : $"blocks.{block}.mlp.{(architecture.Mlp == MlpKind.SwiGlu ? "w3" : "fc2")}";
}
