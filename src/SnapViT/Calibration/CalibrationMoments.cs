using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Core.Errors;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Calibration;

/// <summary>
/// Second moments of the inputs of the two layers of every block whose inputs pruning removes: <c>proj</c> (heads) and <c>fc2</c>, or
/// SwiGLU's <c>w3</c> (neurons). One pass of the unpruned model over calibration images; labels are not used.
/// </summary>
/// <remarks>
/// In the order of the model, so that they serve any ranking. Inputs of <c>proj</c>: A*d, head by head; of <c>fc2</c>: H.
/// </remarks>
internal sealed class CalibrationMoments : IMomentSource, IRunningSums
{
    private readonly PrefixWeights _weights;
    private readonly Dictionary<(int Block, BlockLinear Layer), SecondMoments> _all;

    /// <summary>Moments of the prefix tokens alone, where the fit weighs them otherwise than the scores.</summary>
    private readonly Dictionary<(int Block, BlockLinear Layer), SecondMoments> _prefix;

    /// <summary>Moments of nothing yet.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="weights">How much prefix tokens count; null for as much as patch tokens. Models without such tokens ignore it.</param>
    /// <param name="device">Where sums are kept; null for the CPU.</param>
    /// <param name="withHeads">Whether the moments that the dimensions of heads are sorted by are gathered too.</param>
    /// <exception cref="SnapViTException">A weight is out of range.</exception>
    public CalibrationMoments(
        ViTArchitecture architecture, PrefixWeights? weights = null, Device? device = null, bool withHeads = false)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        PrefixWeights valid = (weights ?? new PrefixWeights(1)).Validated();
        (Architecture, _weights) = (architecture, valid);
        LinearSpec[] layers = [.. ParameterTable.For(architecture, architecture.FullWidths).Blocks.SelectMany(block => block.PrunedInputs)];
        _all = layers.ToDictionary(layer => layer.Key, Empty);
        _prefix = layers
            .Where(layer => architecture.PrefixTokens > 0 && valid.InFit(architecture, layer.Key.Block) != valid.First)
            .ToDictionary(layer => layer.Key, Empty);

        Heads = withHeads ? new HeadMoments(architecture, device) : null;

        SecondMoments Empty(LinearSpec layer) => new(layer.Inputs, device);
    }

    private CalibrationMoments(CalibrationMoments other)
    {
        (Architecture, Images, _weights) = (other.Architecture, other.Images, other._weights);
        _all = other._all.ToDictionary(entry => entry.Key, entry => entry.Value.Alias());
        _prefix = other._prefix.ToDictionary(entry => entry.Key, entry => entry.Value.Alias());
    }

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture { get; }

    /// <summary>What the dimensions of heads are sorted by; null where it was not asked for, or in a share of these moments.</summary>
    public HeadMoments? Heads { get; }

    /// <summary>Images added; every view of an image counts.</summary>
    public long Images { get; private set; }

    /// <summary>The moments of one layer with the prefix weight of scores; they stay this object's.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer"><see cref="BlockLinear.Proj"/> or <see cref="BlockLinear.Fc2"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another layer.</exception>
    public SecondMoments Of(int block, BlockLinear layer) => _all.TryGetValue((block, layer), out SecondMoments? moments)
        ? moments
        : throw new ArgumentOutOfRangeException(nameof(layer), layer, "pruning removes inputs of proj and fc2 only");

    /// <summary>The moments of one layer with the prefix weight of the fit; the caller disposes them.</summary>
    /// <inheritdoc cref="Of"/>
    public SecondMoments ForFit(int block, BlockLinear layer) => _prefix.TryGetValue((block, layer), out SecondMoments? prefix)
        ? Of(block, layer).With(prefix, _weights.InFit(Architecture, block) - _weights.First)
        : Of(block, layer).Alias();

    /// <summary>Runs the unpruned model over a batch of calibration images and adds its moments.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="weight">How often each of them counts, above 0.</param>
    /// <exception cref="ArgumentException">The model is of another architecture or pruned.</exception>
    /// <exception cref="SnapViTException">Its activations are not finite.</exception>
    public void Add(VisionTransformer model, Tensor images, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(weight);
        if (model.Architecture != Architecture || !model.Widths.Equals(Architecture.FullWidths))
        {
            throw new ArgumentException("calibration: expected the unpruned model that the moments are of", nameof(model));
        }

        using IDisposable frozen = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor everyToken = TokenWeights(Architecture, _weights.First, images.device).Times(weight);
        Tensor tokens = model.Tokens(images, new Tap(this, everyToken, weight));
        if (!tokens.isfinite().all().item<bool>())
        {
            throw new SnapViTException(
                ErrorKind.Numbers,
                "calibration: expected finite activations, found NaN or infinite ones; the model or the images hold NaN");
        }

        Images += images.shape[0];
    }

    /// <summary>These moments as another owner's: the same memory.</summary>
    public CalibrationMoments Alias() => new(this);

    IMomentSource IMomentSource.Share() => Alias();

    void IRunningSums.Save(SumWriter to)
    {
        to.Add("images", Images);
        EverySum((name, moments) => moments.Save(to.Under(name)));
        ((IRunningSums?)Heads)?.Save(to.Under("heads"));
    }

    void IRunningSums.Restore(SumReader from)
    {
        Images = from.Count("images");
        EverySum((name, moments) => moments.Restore(from.Under(name)));
        ((IRunningSums?)Heads)?.Restore(from.Under("heads"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SecondMoments moments in _all.Values.Concat(_prefix.Values))
        {
            moments.Dispose();
        }

        Heads?.Dispose();
    }

    /// <summary>Weight of every token of an image, float32 [N]; the caller disposes it.</summary>
    internal static Tensor TokenWeights(ViTArchitecture architecture, double prefixWeight, Device device)
    {
        float[] weights = new float[architecture.Tokens];
        Array.Fill(weights, 1f);
        Array.Fill(weights, (float)prefixWeight, 0, architecture.PrefixTokens);
        return tensor(weights, device: device);
    }

    private void EverySum(Action<string, IRunningSums> work)
    {
        foreach ((string part, Dictionary<(int Block, BlockLinear Layer), SecondMoments> sums)
            in new[] { ("all", _all), ("prefix", _prefix) })
        {
            foreach (((int block, BlockLinear layer), SecondMoments moments) in sums)
            {
                work(string.Create(CultureInfo.InvariantCulture, $"{part}.{block}.{layer}"), moments);
            }
        }
    }

    private sealed class Tap(CalibrationMoments moments, Tensor weights, double ofImage) : IForwardHook
    {
        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
        {
            if (layer == BlockLinear.Qkv && moments.Heads is HeadMoments heads)
            {
                using DisposeScope scope = NewDisposeScope();
                double prefixWeight = moments._weights.InFit(moments.Architecture, block);
                heads.Add(block, output, TokenWeights(moments.Architecture, prefixWeight, output.device).Times(ofImage));
                return;
            }

            if (!moments._all.TryGetValue((block, layer), out SecondMoments? all))
            {
                return;
            }

            all.Add(input, weights);
            if (moments._prefix.TryGetValue((block, layer), out SecondMoments? prefix))
            {
                using DisposeScope scope = NewDisposeScope();
                long tokens = moments.Architecture.PrefixTokens;
                prefix.Add(input.narrow(1, 0, tokens), weights.narrow(0, 0, tokens).Div(moments._weights.First));
            }
        }
    }
}
