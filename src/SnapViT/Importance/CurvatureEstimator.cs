using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The block-curvature score: what removing a neuron or head costs after the best affine correction of what remains, in self-supervised
/// loss (<see cref="Add"/>) or in distance between features (<see cref="AddProbes"/>). The curvature of a block is Kronecker-factored:
/// covariance of the inputs of <c>fc2</c> and <c>proj</c>, second moments of the gradient at their outputs. Costs are in one unit in every
/// block, so that blocks compare without factors.
/// </summary>
internal sealed class CurvatureEstimator : IRunningSums, IDisposable
{
    private readonly VisionTransformer _model;
    private readonly BackwardPasses _passes;
    private readonly OutputGradientMoments _gradients = new();
    private readonly ExactSum _loss = new([1]);

    /// <summary>An estimator over one model, which stays the caller's.</summary>
    /// <param name="model">The unpruned model.</param>
    /// <param name="recomputes">Whether activations are computed again instead of being kept.</param>
    public CurvatureEstimator(VisionTransformer model, bool recomputes = false) =>
        (_model, _passes) = (model, new BackwardPasses(model, recomputes));

    /// <summary>Images added so far.</summary>
    public long Images { get; private set; }

    /// <summary>Sum of the losses of all images added so far.</summary>
    public double LossSum => _loss.Number;

    /// <summary>Adds the gradients of the self-supervised loss of a batch of images.</summary>
    /// <param name="crops">Normalised crops, float32 [B, V, 3, S, S]; the views in the order of the pairs.</param>
    /// <param name="pairs">Which views of an image are compared.</param>
    /// <exception cref="ArgumentException">No image, or another number of views than the pairs name: nothing was added then.</exception>
    /// <exception cref="SnapViTException">The loss is not finite: nothing was added then.</exception>
    public void Add(Tensor crops, DistillationPairs pairs)
    {
        ArgumentNullException.ThrowIfNull(crops);
        ArgumentNullException.ThrowIfNull(pairs);
        _loss.Add(Accumulate(crops, crops, (piece, _) => SelfDistillation.Of(_model, pairs, piece)));
    }

    /// <summary>Adds the gradients of one random projection of the L2-normalised features of each image of a batch.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="probes">Directions of independent standard normal entries, float32 [B, feature width].</param>
    /// <exception cref="ArgumentException">No image, or probes of another shape: nothing was added then.</exception>
    /// <exception cref="SnapViTException">Features are not finite: nothing was added then.</exception>
    public void AddProbes(Tensor images, Tensor probes)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(probes);
        Accumulate(images, probes, (piece, ofPiece) => FeatureProbes.Of(_model, piece, ofPiece));
    }

    /// <summary>The scores: [L, H] for neurons, [L, A] for heads.</summary>
    /// <param name="moments">Second moments of the model's inputs of <c>proj</c> and <c>fc2</c>.</param>
    /// <param name="weights">The model's weights in float32.</param>
    /// <param name="ofNeurons">Ridge that is assumed for neurons.</param>
    /// <param name="ofHeads">Ridge that is assumed for heads.</param>
    /// <param name="told">Told how many layers of 2 L are done; null for nobody.</param>
    /// <exception cref="InvalidOperationException">No image was added.</exception>
    /// <exception cref="SnapViTException">A score is not finite: the model or the images hold NaN.</exception>
    public ImportanceScores Scores(
        CalibrationMoments moments, ViTWeights weights, Damping ofNeurons, Damping ofHeads, Action<int>? told = null)
    {
        ArgumentNullException.ThrowIfNull(moments);
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(ofNeurons);
        ArgumentNullException.ThrowIfNull(ofHeads);
        if (Images == 0)
        {
            throw new InvalidOperationException("no image was scored");
        }

        ViTArchitecture a = _model.Architecture;
        double[,] neurons = new double[a.Depth, a.MlpDim];
        double[,] heads = new double[a.Depth, a.Heads];
        for (int block = 0; block < a.Depth; block++)
        {
            Copy(Costs(block, BlockLinear.Fc2, moments, weights, ofNeurons, 1), neurons, block);
            told?.Invoke((2 * block) + 1);
            Copy(Costs(block, BlockLinear.Proj, moments, weights, ofHeads, a.HeadDim), heads, block);
            told?.Invoke((2 * block) + 2);
        }

        return new ImportanceScores(neurons, heads);
    }

    /// <inheritdoc/>
    public void Save(SumWriter to)
    {
        to.Add("images", Images);
        _loss.Save(to, "loss");
        _gradients.Save(to.Under("layers"));
    }

    /// <inheritdoc/>
    public void Restore(SumReader from)
    {
        Images = from.Count("images");
        _loss.Restore(from, "loss");
        _gradients.Restore(from.Under("layers"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _gradients.Dispose();
        _loss.Dispose();
    }

    private double Accumulate(Tensor images, Tensor others, Func<Tensor, Tensor, TokenLoss> loss)
    {
        double sum = _passes.Run(images, others, loss, () => new OutputHook(), _gradients.Add);
        Images += images.shape[0];
        return sum;
    }

    private double[] Costs(int block, BlockLinear layer, CalibrationMoments moments, ViTWeights weights, Damping damping, int unit)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradients = _gradients.Mean(block, layer, Images);
        Tensor covariance = damping.Apply(moments.Of(block, layer).Covariance().to(gradients.device));
        return CompensatedRemoval.Costs(weights.Blocks[block][layer].Matrix().to(gradients.device), covariance, gradients, unit);
    }

    private static void Copy(double[] row, double[,] matrix, int block)
    {
        for (int i = 0; i < row.Length; i++)
        {
            matrix[block, i] = row[i];
        }
    }
}
