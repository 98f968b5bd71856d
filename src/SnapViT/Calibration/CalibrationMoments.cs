using SnapViT.Core.Architecture;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Calibration;

/// <summary>
/// Second moments of the inputs of the two layers of every block whose inputs pruning removes: <c>proj</c> (heads) and <c>fc2</c>, or SwiGLU's
/// <c>w3</c> (neurons). One pass of the unpruned model over calibration images; labels are not used.
/// </summary>
/// <remarks>In the order of the model, so that they serve any ranking. Inputs of <c>proj</c>: A*d, head by head; of <c>fc2</c>: H.</remarks>
public sealed class CalibrationMoments : IDisposable
{
    private readonly SecondMoments[] _proj;
    private readonly SecondMoments[] _fc2;

    /// <summary>Moments of nothing yet.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="prefixWeight">Weight of a prefix token (class, distillation, register) against 1 of a patch token, above 0; models without such tokens ignore it.</param>
    /// <param name="device">Where sums are kept; null for the CPU.</param>
    public CalibrationMoments(ViTArchitecture architecture, double prefixWeight = 1, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(prefixWeight);
        Architecture = architecture;
        PrefixWeight = prefixWeight;
        _proj = [.. Enumerable.Range(0, architecture.Depth).Select(_ => new SecondMoments((long)architecture.Heads * architecture.HeadWidth, device))];
        _fc2 = [.. Enumerable.Range(0, architecture.Depth).Select(_ => new SecondMoments(architecture.Hidden, device))];
    }

    internal CalibrationMoments(ViTArchitecture architecture, double prefixWeight, long images, SecondMoments[] proj, SecondMoments[] fc2) =>
        (Architecture, PrefixWeight, Images, _proj, _fc2) = (architecture, prefixWeight, images, proj, fc2);

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture { get; }

    /// <summary>Weight of a prefix token against 1 of a patch token.</summary>
    public double PrefixWeight { get; }

    /// <summary>Images added; every view of an image counts.</summary>
    public long Images { get; private set; }

    /// <summary>The moments of one layer.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer"><see cref="BlockLinear.Proj"/> or <see cref="BlockLinear.Fc2"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another layer.</exception>
    public SecondMoments Of(int block, BlockLinear layer) => layer switch
    {
        BlockLinear.Proj => _proj[block],
        BlockLinear.Fc2 => _fc2[block],
        _ => throw new ArgumentOutOfRangeException(nameof(layer), layer, "pruning removes inputs of proj and fc2 only"),
    };

    /// <summary>Runs the unpruned model over a batch of calibration images and adds its moments.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <exception cref="ArgumentException">The model is of another architecture or pruned, or its activations are not finite.</exception>
    public void Add(VisionTransformer model, Tensor images)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        if (model.Architecture != Architecture || !model.Widths.Equals(Architecture.FullWidths))
        {
            throw new ArgumentException("calibration: expected the unpruned model that the moments are of", nameof(model));
        }

        using IDisposable frozen = no_grad();
        using Tensor weights = TokenWeights(Architecture, PrefixWeight, images.device);
        using Tensor tokens = model.Tokens(images, new Tap(this, weights));
        using Tensor each = tokens.isfinite();
        using Tensor finite = each.all();
        if (!finite.item<bool>())
        {
            throw new ArgumentException("calibration: expected finite activations, found NaN or infinite ones; the model or the images hold NaN");
        }

        Images += images.shape[0];
    }

    /// <summary>These moments as another owner's: the same memory.</summary>
    public CalibrationMoments Alias() => new(
        Architecture, PrefixWeight, Images, [.. _proj.Select(moments => moments.Alias())], [.. _fc2.Select(moments => moments.Alias())]);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SecondMoments moments in _proj.Concat(_fc2))
        {
            moments.Dispose();
        }
    }

    /// <summary>Weight of every token of an image, float32 [N]; the caller disposes it.</summary>
    internal static Tensor TokenWeights(ViTArchitecture architecture, double prefixWeight, Device device)
    {
        float[] weights = new float[architecture.Tokens];
        Array.Fill(weights, 1f);
        Array.Fill(weights, (float)prefixWeight, 0, architecture.PrefixTokens);
        return tensor(weights, device: device);
    }

    private sealed class Tap(CalibrationMoments moments, Tensor weights) : IForwardTap
    {
        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
        {
            if (layer is BlockLinear.Proj or BlockLinear.Fc2)
            {
                moments.Of(block, layer).Add(input, weights);
            }
        }
    }
}
