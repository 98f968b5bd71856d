using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The local scores of the paper (section 3.1): squared self-supervised gradients of every MLP neuron (its row of <c>fc1</c>, or of SwiGLU's
/// <c>w1</c>) and every head (its rows of the values). No labels, no classifier, no step of training.
/// </summary>
public sealed class ScoreEstimator : IDisposable
{
    private readonly VisionTransformer _model;
    private readonly DistillationPairs _pairs;
    private readonly IGradientScore _score;

    /// <summary>An estimator over one model, which stays the caller's.</summary>
    /// <param name="model">The unpruned model; teacher and student at once.</param>
    /// <param name="criterion">How gradients become scores.</param>
    /// <param name="pairs">Which views of an image are compared.</param>
    /// <exception cref="ArgumentException">The model is pruned already.</exception>
    public ScoreEstimator(VisionTransformer model, ScoreCriterion criterion, DistillationPairs pairs)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(pairs);
        if (!model.Widths.Equals(model.Architecture.FullWidths))
        {
            throw new ArgumentException($"model: expected an unpruned one, found widths {model.Widths}", nameof(model));
        }

        _model = model;
        _pairs = pairs;
        _score = criterion switch
        {
            ScoreCriterion.Ssl => new SquaredMeanGradient(),
            ScoreCriterion.Fisher => new PerSampleFisher(),
            _ => throw new ArgumentOutOfRangeException(nameof(criterion), criterion, "unknown criterion"),
        };
    }

    /// <summary>Images added so far.</summary>
    public long Images { get; private set; }

    /// <summary>Sum of the losses of all images added so far.</summary>
    public double LossSum { get; private set; }

    internal IGradientScore Score => _score;

    /// <summary>Adds a batch of images.</summary>
    /// <param name="crops">Normalised crops, float32 [B, V, 3, S, S]; the views in the order of the pairs.</param>
    /// <exception cref="ArgumentException">
    /// No image, another number of views than the pairs name, or a loss that is not finite: nothing was added then.
    /// </exception>
    public void Add(Tensor crops)
    {
        ArgumentNullException.ThrowIfNull(crops);
        using DisposeScope scope = NewDisposeScope();
        using GradientTap tap = new() { HeadWidth = _model.Architecture.HeadWidth };
        LossSum += SelfDistillation.Backward(_model, _pairs, crops, tap);
        long images = crops.shape[0];
        using (no_grad())
        {
            tap.Visit(images, _score.Add);
        }

        Images += images;
    }

    /// <summary>The scores of all images added: [L, H] for neurons, [L, A] for heads, without global factors.</summary>
    /// <exception cref="InvalidOperationException">No image was added.</exception>
    /// <exception cref="ArgumentException">A score is not finite: the model or the images hold NaN.</exception>
    public ImportanceScores Scores()
    {
        if (Images == 0)
        {
            throw new InvalidOperationException("no image was scored");
        }

        ViTArchitecture a = _model.Architecture;
        double[,] neurons = new double[a.Depth, a.Hidden];
        double[,] heads = new double[a.Depth, a.Heads];
        for (int block = 0; block < a.Depth; block++)
        {
            double[] rows = _score.Rows(block, BlockLinear.Fc1, Images);
            double[] values = _score.Rows(block, BlockLinear.Qkv, Images);
            for (int neuron = 0; neuron < a.Hidden; neuron++)
            {
                neurons[block, neuron] = rows[neuron];
            }

            for (int head = 0; head < a.Heads; head++)
            {
                heads[block, head] = values.AsSpan(head * a.HeadWidth, a.HeadWidth).ToArray().Average();
            }
        }

        return new ImportanceScores(neurons, heads);
    }

    /// <inheritdoc/>
    public void Dispose() => _score.Dispose();
}
