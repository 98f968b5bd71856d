using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Evaluation;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>Latency tables of sub-networks: measured once for given conditions, stored, and used again.</summary>
/// <param name="conditions">What is measured under; torch already has its threads.</param>
/// <param name="device">The device of the conditions.</param>
/// <param name="precision">The precision of the conditions.</param>
/// <param name="time">The clock.</param>
public sealed class LatencyTables(LatencyConditions conditions, Device device, ScalarType precision, TimeProvider time)
{
    /// <summary>The table stored in a file; null where there is no file.</summary>
    /// <exception cref="CheckpointFormatException">
    /// The file is damaged, no table, or one of other conditions; the message says which.
    /// </exception>
    public LatencyTable? Find(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        LatencyTable table = LatencyTableFile.Load(path);
        return table.Conditions.DifferenceTo(conditions) is string difference
            ? throw new CheckpointFormatException(
                path, $"expected a latency table of these conditions, found one of {difference}; another file name measures a new one")
            : table;
    }

    /// <summary>Measures a table of uncorrected sub-networks, which cost what corrected ones do, and stores it.</summary>
    /// <param name="path">The file to write; an existing one is replaced.</param>
    /// <param name="model">The unpruned model; stays the caller's.</param>
    /// <param name="progress">Told how far the work is; null for nobody.</param>
    /// <param name="cancellation">Stops between two models.</param>
    /// <exception cref="IOException">The table cannot be written.</exception>
    public LatencyTable Measure(
        string path, LoadedModel model, IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);

        // Which heads and neurons are kept makes no difference to the time.
        ViTArchitecture a = model.Model.Architecture;
        ImportanceScores equal = new(new double[a.Depth, a.MlpDim], new double[a.Depth, a.Heads]);
        using ElasticWeights elastic = new(model.Model, equal, new KeepFloors(), correct: null, precision, device);
        IProgress<WorkProgress>? job = JobProgress.Of(progress, time);
        LatencyTable table = new LatencyMeasurement(conditions, device, time).Table(
            elastic.Cut,
            (done, all) => job?.Report(new WorkProgress("latency", done, all)),
            cancellation);
        LatencyTableFile.Save(path, table);
        return table;
    }

    /// <summary>
    /// Measures one sub-network as <see cref="Measure"/> measures those of the table, in turn with the whole model, which shows whether the
    /// machine runs at the same speed as it did then.
    /// </summary>
    /// <param name="subnet">A sub-network in float32; stays the caller's.</param>
    /// <param name="model">The unpruned model; stays the caller's.</param>
    /// <param name="cancellation">Stops between two models.</param>
    /// <returns>Nanoseconds of a forward pass of either.</returns>
    public (double Subnet, double Whole) Compare(VisionTransformer subnet, LoadedModel model, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(subnet);
        ArgumentNullException.ThrowIfNull(model);
        double[] times = new LatencyMeasurement(conditions, device, time)
            .Times([() => Cast(subnet), () => Cast(model.Model)], cancellation: cancellation);
        return (times[0], times[1]);

        VisionTransformer Cast(VisionTransformer original) => new(original.Weights.To(precision, device));
    }
}
