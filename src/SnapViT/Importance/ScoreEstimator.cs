using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// Local scores from gradients of every MLP neuron (its row of <c>fc1</c>, or of SwiGLU's <c>w1</c>) and every head (its rows of the
/// values). By the paper's self-supervised loss (section 3.1) without labels or a classifier; by cross-entropy for comparison. No step of
/// training.
/// </summary>
internal sealed class ScoreEstimator : IRunningSums, IDisposable
{
    private readonly VisionTransformer _model;
    private readonly DistillationPairs _pairs;
    private readonly GradientCriterion _criterion;
    private readonly BackwardPasses _passes;
    private readonly IGradientScore _score;
    private readonly ExactSum _loss;

    /// <summary>An estimator over one model, which stays the caller's.</summary>
    /// <param name="model">The unpruned model; teacher and student at once.</param>
    /// <param name="criterion">How gradients become scores, and by which loss.</param>
    /// <param name="pairs">Which views of an image are compared.</param>
    /// <param name="recomputes">Whether activations are computed again instead of being kept.</param>
    /// <exception cref="ArgumentException">The criterion is not one of gradients.</exception>
    /// <exception cref="SnapViTException">The model is pruned already.</exception>
    /// <exception cref="SnapViTException">The model has no classifier where the criterion needs one.</exception>
    public ScoreEstimator(VisionTransformer model, Criterion criterion, DistillationPairs pairs, bool recomputes = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(criterion);
        ArgumentNullException.ThrowIfNull(pairs);
        if (!model.Widths.Equals(model.Architecture.FullWidths))
        {
            throw new SnapViTException(ErrorKind.Architecture, $"model: expected an unpruned one, found widths {model.Widths}");
        }

        if (criterion.NeedsLabels && model.Architecture.Classes == 0)
        {
            throw new SnapViTException(
                ErrorKind.Architecture, $"criterion {criterion.Name}: expected a model with a classifier, found one without");
        }

        (_model, _pairs) = (model, pairs);
        _criterion = criterion as GradientCriterion
            ?? throw new ArgumentException($"expected a criterion of gradients, found {criterion}", nameof(criterion));
        _score = _criterion.Score(model.Weights);
        _passes = new BackwardPasses(model, recomputes);
        _loss = new ExactSum([1]);
    }

    /// <summary>Images added so far.</summary>
    public long Images { get; private set; }

    /// <summary>Sum of the losses of all images added so far.</summary>
    public double LossSum => _loss.Number;

    internal IGradientScore Score => _score;

    /// <summary>Adds a batch of images by the self-supervised loss.</summary>
    /// <param name="crops">Normalised crops, float32 [B, V, 3, S, S]; the views in the order of the pairs.</param>
    /// <exception cref="ArgumentException">No image, or another number of views than the pairs name: nothing was added then.</exception>
    /// <exception cref="SnapViTException">The loss is not finite: nothing was added then.</exception>
    /// <exception cref="InvalidOperationException">The criterion scores from labelled images.</exception>
    public void Add(Tensor crops)
    {
        ArgumentNullException.ThrowIfNull(crops);
        Require(labels: false);
        Accumulate(crops, crops, (piece, _) => SelfDistillation.Of(_model, _pairs, piece));
    }

    /// <summary>Adds a batch of images by the cross-entropy of the model's classifier.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="labels">Their classes, int64 [B].</param>
    /// <exception cref="ArgumentException">No image, or labels of another number: nothing was added then.</exception>
    /// <exception cref="SnapViTException">The loss is not finite: nothing was added then.</exception>
    /// <exception cref="InvalidOperationException">The criterion scores from crops.</exception>
    public void Add(Tensor images, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(labels);
        Require(labels: true);
        Accumulate(images, labels, (piece, ofPiece) => ClassificationLoss.Of(_model, piece, ofPiece));
    }

    /// <summary>The scores of all images added: [L, H] for neurons, [L, A] for heads, without global factors.</summary>
    /// <exception cref="InvalidOperationException">No image was added.</exception>
    /// <exception cref="SnapViTException">A score is not finite: the model or the images hold NaN.</exception>
    public ImportanceScores Scores() => Images > 0
        ? ScoredRows.Scores(_model.Architecture, (block, layer) => _score.Rows(block, layer, Images))
        : throw new InvalidOperationException("no image was scored");

    /// <inheritdoc/>
    public void Save(SumWriter to)
    {
        to.Add("images", Images);
        _loss.Save(to, "loss");
        _score.Save(to.Under("layers"));
    }

    /// <inheritdoc/>
    public void Restore(SumReader from)
    {
        Images = from.Count("images");
        _loss.Restore(from, "loss");
        _score.Restore(from.Under("layers"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _score.Dispose();
        _loss.Dispose();
    }

    private void Accumulate(Tensor batch, Tensor others, Func<Tensor, Tensor, TokenLoss> loss)
    {
        long images = batch.shape[0];
        _loss.Add(_passes.Run(
            batch, others, loss, () => new GradientHook { HeadDim = _model.Architecture.HeadDim },
            hooks => GradientHook.Visit(hooks, images, _score.Add)));
        Images += images;
    }

    private void Require(bool labels)
    {
        if (_criterion.NeedsLabels != labels)
        {
            throw new InvalidOperationException(
                $"criterion {_criterion.Name}: scores from {(_criterion.NeedsLabels ? "labelled images" : "crops")}");
        }
    }
}
