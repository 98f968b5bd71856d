using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Models;
using SnapViT.Models.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Correction;

/// <summary>
/// Correction of one sub-network, block after block: every layer that lost inputs is fitted, with intercept, to what the unpruned network's
/// layer gives, from the inputs that it has in the pruned network, errors of the blocks before it included.
/// </summary>
internal sealed class SequentialCorrection
{
    private readonly VisionTransformer _dense;
    private readonly Damping _ridge;
    private readonly double _prefixWeight;

    /// <summary>Corrections toward one unpruned model, which stays the caller's.</summary>
    /// <param name="dense">The unpruned model.</param>
    /// <param name="ridge">What holds a layer near the weights it starts from.</param>
    /// <param name="prefixWeight">Weight of a prefix token against 1 of a patch token, above 0.</param>
    public SequentialCorrection(VisionTransformer dense, Damping ridge, double prefixWeight)
    {
        ArgumentNullException.ThrowIfNull(ridge);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(prefixWeight);
        (_dense, _ridge, _prefixWeight) = (dense, ridge.Validated(), prefixWeight);
    }

    /// <summary>A corrected copy of a pruned model; the copy is the caller's.</summary>
    /// <param name="pruned">
    /// A sub-network of the dense model on its device, best one that is affinely corrected already: layers are held near its weights.
    /// </param>
    /// <param name="batches">
    /// Calibration images on any device, [B, 3, S, S] each, disposed here; their tokens are kept in memory twice: 8 N D bytes an image.
    /// </param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">There is no image.</exception>
    /// <exception cref="SnapViTException">Activations are not finite, or their moments are singular.</exception>
    public VisionTransformer Apply(VisionTransformer pruned, IEnumerable<Tensor> batches, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(pruned);
        ArgumentNullException.ThrowIfNull(batches);
        using IDisposable frozen = no_grad();
        using TokenStreams streams = TokenStreams.Start(_dense, batches, cancellation);
        using Tensor weights = CalibrationMoments.TokenWeights(_dense.Architecture, _prefixWeight, _dense.Weights.Device);
        VisionTransformer current = new(pruned.Weights.Map(pruned.Widths, (_, tensor) => tensor.clone()));
        try
        {
            for (int block = 0; block < _dense.Architecture.Depth; block++)
            {
                foreach (LinearLayer layer in _dense.Weights.Blocks[block].PrunedInputs)
                {
                    current = Fitted(current, streams, layer, weights, cancellation);
                }

                streams.Advance(_dense, current, block);
            }

            return current;
        }
        catch
        {
            current.Dispose();
            throw;
        }
    }

    private (Tensor Weight, Tensor Bias) Fit(CrossMoments moments, Tensor near, string name)
    {
        try
        {
            return moments.Fit(near, _ridge);
        }
        catch (SnapViTException exception)
        {
            throw new SnapViTException(exception.Kind, $"{name}: {exception.Message}", exception);
        }
    }

    /// <summary>The model with one layer fitted anew; the one given is disposed.</summary>
    private VisionTransformer Fitted(
        VisionTransformer current, TokenStreams streams, LinearLayer dense, Tensor weights, CancellationToken cancellation)
    {
        (int block, BlockLinear which) = dense.Spec.Key;
        LinearLayer layer = current.Weights.Blocks[block][which];
        if (layer.Spec.Inputs == dense.Spec.Inputs)
        {
            return current;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor near = layer.Matrix().to(ScalarType.Float64);
        using CrossMoments moments = new(near.shape[1], near.shape[0], near.device);
        streams.Observe(_dense, current, block, which, (input, wanted) => moments.Add(input, wanted, weights), cancellation);
        (Tensor weight, Tensor bias) = Fit(moments, near, layer.Spec.Name);
        VisionTransformer next = new(current.Weights.Map(current.Widths, (parameter, tensor) =>
            parameter == layer.Spec.Weight ? weight.to(tensor.dtype, copy: true).view(tensor.shape)
            : parameter == layer.Spec.Bias ? bias.to(tensor.dtype, copy: true)
            : tensor.alias()));
        current.Dispose();
        return next;
    }
}
