using SnapViT.Calibration;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// A criterion from gradients of the model's weights: by the self-supervised loss of crops, or by cross-entropy where labels are needed.
/// </summary>
internal sealed record GradientCriterion : Criterion
{
    /// <summary>A criterion.</summary>
    /// <param name="name">Its name in commands and provenance.</param>
    /// <param name="meaning">What it measures, in a few words for people.</param>
    /// <param name="score">How gradients of a model's weights become scores.</param>
    public GradientCriterion(string name, string meaning, Func<ViTWeights, IGradientScore> score)
        : base(name, meaning) => Score = score;

    /// <summary>How gradients of a model's weights become scores.</summary>
    public Func<ViTWeights, IGradientScore> Score { get; init; }

    internal override CriterionRun Start(CriterionInput input) => new Run(this, input);

    private sealed class Run : CriterionRun
    {
        private readonly ScoreEstimator _estimator;

        public Run(GradientCriterion criterion, CriterionInput input)
        {
            _estimator = new ScoreEstimator(input.Model, criterion, input.Pairs, input.Recomputes);
            Consumers =
            [
                criterion.NeedsLabels
                    ? input.OfWhole(input.Images, AddLabelled)
                    : input.OfCrops(batch => _estimator.Add(batch.Images)),
            ];
        }

        public override IReadOnlyList<ImageConsumer> Consumers { get; }

        public override IRunningSums Sums => _estimator;

        public override string Note => MeanLoss(_estimator.LossSum, _estimator.Images);

        public override ImportanceScores Scores(CalibrationMoments? moments, Action<int, int>? told = null) => _estimator.Scores();

        public override void Dispose() => _estimator.Dispose();

        private void AddLabelled(ImageBatch batch)
        {
            using Tensor labels = batch.Labels();
            _estimator.Add(batch.Images, labels);
        }
    }
}
