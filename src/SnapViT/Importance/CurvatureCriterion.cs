using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The loss that removing a structure costs after the others were corrected, from block-wise curvature (optimal brain surgeon with
/// Kronecker factors); needs no labels. Scores of different blocks compare as they are.
/// </summary>
public sealed record CurvatureCriterion : Criterion
{
    /// <summary>The criterion with default options.</summary>
    public CurvatureCriterion()
        : base("curvature", "the loss that is left after correction") => (NeedsMoments, ComparesBlocks) = (true, true);

    /// <summary>
    /// What the score adds to the diagonal of the covariance of the neurons' activations; default 10 % of its mean. The more, the less it
    /// trusts that the remaining structures make up for a removed one. Stronger than the correction's own ridge, for what calibration
    /// images promise is over-fitted, that of whole heads most (measured in bench/results/accuracy-seeds.md).
    /// </summary>
    public Damping NeuronDamping { get; init; } = new(DampingKind.Mean, 0.1);

    /// <summary>The same for attention heads; default all of the mean.</summary>
    public Damping HeadDamping { get; init; } = new(DampingKind.Mean, 1);

    /// <summary>
    /// Share of all neurons, the first to go, that are ranked by what their removal does to the features instead of to the self-supervised
    /// loss; 0..1, default 0.
    /// </summary>
    public double FeatureShare { get; init; }

    internal override IReadOnlyDictionary<string, string> Describe() => new Dictionary<string, string>
    {
        ["curvature_damping"] = $"neurons {NeuronDamping}, heads {HeadDamping}",
        ["feature_share"] = FeatureShare.ToString(CultureInfo.InvariantCulture),
    };

    internal override IEnumerable<string> Faults()
    {
        foreach (Damping damping in new[] { NeuronDamping, HeadDamping })
        {
            if (!double.IsFinite(damping.Share) || damping.Share < 0)
            {
                yield return FormattableString.Invariant($"damping: expected a finite share of 0 or more, found {damping.Share}");
            }
        }

        if (!(FeatureShare >= 0 && FeatureShare <= 1))
        {
            yield return FormattableString.Invariant($"feature share: expected 0..1, found {FeatureShare}");
        }
    }

    internal override CriterionRun Start(CriterionInput input) => new Run(this, input);

    private sealed class Run : CriterionRun, IRunningSums
    {
        private readonly CurvatureCriterion _criterion;
        private readonly CriterionInput _input;
        private readonly CurvatureEstimator _loss;

        /// <summary>Null where no neuron is ranked by features.</summary>
        private readonly CurvatureEstimator? _features;

        public Run(CurvatureCriterion criterion, CriterionInput input)
        {
            (_criterion, _input) = (criterion, input);
            _loss = new CurvatureEstimator(input.Model, input.Recomputes);
            _features = criterion.FeatureShare > 0 ? new CurvatureEstimator(input.Model, input.Recomputes) : null;
            ImageConsumer crops = input.OfCrops(batch => _loss.Add(batch.Images, input.Pairs));
            Consumers = _features is null ? [crops] : [crops, input.OfWhole(input.Calibration, AddProbes)];
        }

        public override IReadOnlyList<ImageConsumer> Consumers { get; }

        public override IRunningSums Sums => this;

        public override string Note => MeanLoss(_loss.LossSum, _loss.Images);

        public override double ScoringPasses => Rankings * LayerWork.Decompositions(_input.Model.Architecture);

        private int Rankings => _features is null ? 1 : 2;

        public override ImportanceScores Scores(CalibrationMoments? moments, Action<int, int>? told = null)
        {
            int layers = 2 * _input.Model.Architecture.Depth, before = 0;
            told?.Invoke(0, Rankings * layers);
            ImportanceScores loss = Scores(_loss);
            before = layers;
            return _features is null ? loss : MergedRanking.Of(Axis.Neurons, loss, Scores(_features), _criterion.FeatureShare);

            ImportanceScores Scores(CurvatureEstimator estimator) => estimator.Scores(
                moments!, _input.Weights, _criterion.NeuronDamping, _criterion.HeadDamping,
                done => told?.Invoke(before + done, Rankings * layers));
        }

        public void Save(SumWriter to)
        {
            _loss.Save(to.Under("loss"));
            _features?.Save(to.Under("features"));
        }

        public void Restore(SumReader from)
        {
            _loss.Restore(from.Under("loss"));
            _features?.Restore(from.Under("features"));
        }

        public override void Dispose()
        {
            _loss.Dispose();
            _features?.Dispose();
        }

        private void AddProbes(ImageBatch batch)
        {
            using Tensor probes = Probes(batch.Entries);
            _features!.AddProbes(batch.Images, probes);
        }

        /// <summary>
        /// A direction per image, [B, feature width]; each image has its own stream by name, whatever the order and the batches.
        /// </summary>
        private Tensor Probes(IReadOnlyList<ImageEntry> batch)
        {
            int width = _input.Model.Architecture.FeatureDim;
            float[] values = [.. batch.SelectMany(entry =>
            {
                SeededRandom random = SeededRandom.ForPurpose(_input.Seed, $"probes/{entry.Name}");
                return Enumerable.Range(0, width).Select(_ => (float)random.NextNormal());
            })];
            return tensor(values, [batch.Count, width], device: _input.Device);
        }
    }
}
