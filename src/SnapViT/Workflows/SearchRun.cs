using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// The part of a build that searches factors for blocks and axes: candidates are judged on photos, and on request the winner is picked on
/// others.
/// </summary>
/// <param name="model">The unpruned model in the build's precision; stays the caller's.</param>
/// <param name="weights">Its weights in float32, which corrections are fitted to; stay the caller's.</param>
/// <param name="unfinished">Local scores, and the factors that the search starts from.</param>
/// <param name="moments">What corrections are fitted by; null for none. Stays the caller's.</param>
/// <param name="options">The build's.</param>
internal sealed class SearchRun(
    VisionTransformer model, ViTWeights weights, ElasticScores unfinished, CalibrationMoments? moments, BuildOptions options)
{
    /// <summary>Factoring a layer and solving for the sub-networks of a candidate takes about this share of scoring it.</summary>
    private const double CorrectionAgainstScores = 0.1;

    /// <summary>Images that the winner is picked on, of so many.</summary>
    public static int HeldOut(BuildOptions options, long images) => (int)(options.Search.HeldOutShare * images);

    /// <summary>About what it costs, in forward passes of one image: every candidate's sub-networks and their correction.</summary>
    public static double Passes(ViTArchitecture architecture, BuildOptions options, int images)
    {
        double share = options.Fitness.Ratios.Average(ratios => 1 - ((ratios[Axis.Neurons] + ratios[Axis.Heads]) / 2));
        double correction = options.Correction is null ? 0 : LayerWork.Decompositions(architecture) * CorrectionAgainstScores;
        return options.Evaluations == 0 ? 0
            : (options.Evaluations + 1) * ((options.Fitness.Ratios.Count * share * images) + correction);
    }

    /// <summary>Searches, or goes on with a search that was interrupted.</summary>
    /// <param name="photos">Photos; stay the caller's.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="history">Fitnesses that an interrupted search was told; empty for none.</param>
    /// <param name="told">Told all fitnesses after every candidate.</param>
    /// <param name="cancellation">Stops between two candidates.</param>
    public SearchResult Find(
        PreparedImages photos,
        IProgress<WorkProgress> progress,
        IReadOnlyList<double> history,
        Action<IReadOnlyList<double>> told,
        CancellationToken cancellation)
    {
        int all = options.Evaluations + 1;
        progress.Report(new WorkProgress("search", history.Count, all));
        using Fitnesses fitness = Open(photos, cancellation);
        return CoefficientSearch.Run(
            unfinished.Coefficients,
            candidate => fitness.Tuned.Evaluate(candidate, cancellation),
            options.Search with { Evaluations = options.Evaluations, Seed = options.Seed },
            history,
            fitnesses =>
            {
                told(fitnesses);
                progress.Report(new WorkProgress(
                    "search", fitnesses.Count, all, string.Create(CultureInfo.InvariantCulture, $"best {fitnesses.Min():F4}")));
            },
            fitness.Held is null ? null : finalists => Cluster is null
                ? finalists.Select(candidate => fitness.Held.Evaluate(candidate, cancellation))
                : Elsewhere(CandidateWork.HeldOut, fitness.Held, finalists),
            Cluster is null ? null : candidates => Elsewhere(CandidateWork.Search, fitness.Tuned, candidates),
            options.Search.Racing && Cluster is null ? new Racing(fitness.Tuned, cancellation) : null);

        double[] Elsewhere(string stage, Fitness by, IReadOnlyList<ScoreCoefficients> candidates) =>
        [
            .. Cluster!.Evaluate(
                new CandidateWork(
                    stage, [], [.. candidates.Select(candidate => candidate.Vector.ToArray())], 1,
                    some => [.. some.Select(one => new[] { by.Evaluate(unfinished.Coefficients.With(one), cancellation) })]),
                cancellation).Select(value => value[0]),
        ];
    }

    /// <summary>Evaluates candidates on other machines too; null for here alone.</summary>
    public ICandidateCluster? Cluster { get; init; }

    /// <summary>The fitnesses of a build, on its photos.</summary>
    /// <param name="photos">Photos; stay the caller's.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public Fitnesses Open(PreparedImages photos, CancellationToken cancellation)
    {
        (long[]? tuned, long[]? held) = Parts(photos.Count);
        Fitness fitness = new(model, unfinished.Local, () => Images(tuned), options.Fitness, Corrections());
        try
        {
            return new Fitnesses(fitness, held is null
                ? null
                : new Fitness(model, unfinished.Local, () => Images(held), options.Fitness, Corrections(), fitness));
        }
        catch
        {
            fitness.Dispose();
            throw;
        }

        IEnumerable<Tensor> Images(long[]? rows) => rows is null
            ? photos.Batches(options.BatchSize, options.Device, cancellation: cancellation)
            : photos.Batches(rows, options.BatchSize, options.Device, cancellation);
    }

    /// <summary>Images that are searched on and those that the winner is picked on, a seeded choice; null for all and none.</summary>
    private (long[]? Tuned, long[]? Held) Parts(long images)
    {
        int held = HeldOut(options, images);
        if (held == 0)
        {
            return (null, null);
        }

        long[] order = [.. Enumerable.Range(0, (int)images).Select(image => (long)image)];
        SeededRandom.ForPurpose(options.Seed, "held-out part").Shuffle(order.AsSpan());
        return ([.. order.Skip(held).Order()], [.. order.Take(held).Order()]);
    }

    /// <summary>What candidates are judged by.</summary>
    /// <param name="tuned">On the photos that are searched on.</param>
    /// <param name="held">On those that the winner is picked on; null for none.</param>
    public sealed class Fitnesses(Fitness tuned, Fitness? held) : IDisposable
    {
        /// <summary>On the photos that are searched on.</summary>
        public Fitness Tuned => tuned;

        /// <summary>On those that the winner is picked on; null for none.</summary>
        public Fitness? Held => held;

        /// <inheritdoc/>
        public void Dispose()
        {
            held?.Dispose();
            tuned.Dispose();
        }
    }

    private Func<ImportanceOrder, ElasticCorrection>? Corrections() =>
        moments is not null && options.Correction is CorrectionOptions correction
            ? order => new ElasticCorrection(weights, moments, order, correction)
            : null;
}
