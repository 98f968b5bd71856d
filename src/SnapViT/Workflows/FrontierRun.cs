using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Elastic;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// The part of a build that looks for the frontiers over all axes: sub-networks as they will be cut, corrected and in the bases of their
/// heads, measured on photos.
/// </summary>
/// <param name="model">The unpruned model; stays the caller's.</param>
/// <param name="scores">Its scores, with the bases of its heads where dimensions may be taken out of them.</param>
/// <param name="moments">What corrections are fitted by; null for none. Stays the caller's.</param>
/// <param name="options">The build's: correction, precision, device and batch size.</param>
internal sealed class FrontierRun(VisionTransformer model, ElasticScores scores, IMomentSource? moments, BuildOptions options)
{
    /// <summary>The axes that a frontier can take from.</summary>
    public IReadOnlyList<Axis> Axes { get; init; } =
    [
        .. AxisTable.Rows.Select(row => row.Axis).Where(axis => axis switch
        {
            Axis.QueryKeyDims => scores.HeadBasis is { Queries.Count: > 0 } or { Pairs.Count: > 0 },
            Axis.ValueDims => scores.HasHeadBasis,
            _ => true,
        }),
    ];

    /// <summary>Evaluates sub-networks on other machines too; null for here alone.</summary>
    public ICandidateCluster? Cluster { get; init; }

    /// <summary>Looks for the frontiers of FLOPs, of parameters, and of latency where there is a table of it.</summary>
    /// <param name="photos">Photos, best none of those that moments are of; stay the caller's.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="known">What an interrupted run measured; null for nothing.</param>
    /// <param name="measured">Told now and then who knows what was measured by then; null for nobody.</param>
    /// <param name="cancellation">Stops between two measurements.</param>
    public IReadOnlyDictionary<CostUnit, Frontier> Find(
        PreparedImages photos,
        IProgress<WorkProgress> progress,
        IReadOnlyList<FrontierMeasurement>? known = null,
        Action<Func<IReadOnlyList<FrontierMeasurement>>>? measured = null,
        CancellationToken cancellation = default)
    {
        int done = known?.Count ?? 0, all = FrontierSearch.Measurements(model.Architecture, Axes.Count, options.FrontierUnits.Count);
        progress.Report(new WorkProgress("frontier", Math.Min(done, all), all));
        return With(
            photos,
            search =>
            {
                Dictionary<CostUnit, Frontier> found =
                    options.FrontierUnits.ToDictionary(unit => unit, unit => search.Find(unit, options.Latency));

                // The floors may have ended a path before all was measured that could have been.
                progress.Report(new WorkProgress("frontier", all, all));
                return found;
            },
            known,
            figure => progress.Report(new WorkProgress("frontier", Math.Min(++done, all), all, figure)),
            measured,
            cancellation);
    }

    /// <summary>Does something with a search over photos; it is disposed afterwards.</summary>
    /// <param name="photos">The photos; stay the caller's.</param>
    /// <param name="work">What is done.</param>
    /// <param name="known">What an interrupted run measured; null for nothing.</param>
    /// <param name="told">Told a figure after every measurement; null for nobody.</param>
    /// <param name="measured">Told now and then who knows what was measured by then; null for nobody.</param>
    /// <param name="cancellation">Stops between two measurements.</param>
    public TResult With<TResult>(
        PreparedImages photos,
        Func<FrontierSearch, TResult> work,
        IReadOnlyList<FrontierMeasurement>? known = null,
        Action<string>? told = null,
        Action<Func<IReadOnlyList<FrontierMeasurement>>>? measured = null,
        CancellationToken cancellation = default)
    {
        using IDisposable frozen = no_grad();
        using HeadBasis? basis = scores.HeadBasis is null ? null : new HeadBasis(scores.HeadBasis, model.Architecture);
        using VisionTransformer? sorted = basis is null ? null : new VisionTransformer(basis.Apply(model.Weights));
        VisionTransformer source = sorted ?? model;
        using IMomentSource? ofSource = moments is null ? null : basis?.Apply(moments.Share()) ?? moments.Share();
        Func<ImportanceOrder, ElasticCorrection>? correct = ofSource is not null && options.Correction is CorrectionOptions correction
            ? order => new ElasticCorrection(source.Weights, ofSource, order, correction)
            : null;
        using ElasticWeights elastic = new(source, scores.Scaled, scores.Floors, correct, options.Precision, options.Device);
        using VisionTransformer whole = elastic.At(model.Architecture.FullWidths);
        FrontierSearch? running = null;
        using FrontierSearch search = running = new(
            whole, elastic, Axes,
            photos.Batches(options.BatchSize, options.Device, cancellation: cancellation), known, told, cancellation)
        {
            Cluster = Cluster,
            Progressed = () => measured?.Invoke(() => running!.Known),
        };
        return work(search);
    }
}
