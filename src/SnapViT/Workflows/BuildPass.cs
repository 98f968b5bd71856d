using System.Collections.Concurrent;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Tensors;

namespace SnapViT.Workflows;

/// <summary>
/// The part of a build that reads images, each once: for second moments, for scores unless they are known, and for the search. It can be
/// left between two batches and taken up again.
/// </summary>
internal sealed class BuildPass : IDisposable
{
    /// <summary>To decode and prepare an image takes about as long as so many FLOPs of a forward pass.</summary>
    private const double PreparationFlops = 1e9;

    private readonly CalibrationRun? _calibration;
    private readonly CriterionRun? _scoring;
    private readonly IReadOnlyList<ImageConsumer> _consumers;
    private readonly ImageReader _reader;
    private readonly ImageEntry[] _read;
    private readonly ConcurrentDictionary<string, (long Length, long Digest)> _fingerprints = new(StringComparer.Ordinal);
    private readonly bool _isContinued;
    private readonly ViTArchitecture _architecture;
    private readonly int _images;
    private IProgress<WorkProgress>? _photos, _statistics;

    /// <summary>A pass; nothing is read yet.</summary>
    /// <param name="input">The model, the images, and how they are prepared.</param>
    /// <param name="options">The build's.</param>
    /// <param name="needsMoments">Whether second moments are gathered.</param>
    /// <param name="position">Where an interrupted build stopped; null for the beginning.</param>
    /// <param name="sums">Its sums; null for the beginning.</param>
    /// <param name="shard">The part of the pass that is made here, for its sums alone; null for all of it.</param>
    /// <exception cref="CheckpointFormatException">The sums are not those of this pass.</exception>
    /// <exception cref="SnapViTException">The criterion adds nothing up that could be put together from parts.</exception>
    public BuildPass(
        CriterionInput input, BuildOptions options, bool needsMoments, BuildPosition? position = null, SumReader? sums = null,
        ImageShard? shard = null)
    {
        (_architecture, _images) = (input.Model.Architecture, input.Images.Count);
        Known = position?.Local;
        _calibration = needsMoments ? new CalibrationRun(input.Model, input.Calibration, input.Preprocessing, input.Whole, options) : null;
        _scoring = Known is null ? options.Criterion.Start(input) : null;
        if (shard is not null && _scoring is not { Sums: not null })
        {
            Dispose();
            throw new SnapViTException(ErrorKind.Option, $"criterion {options.Criterion}: expected one of sums for a shard, found none");
        }

        bool isWhole = shard is null;
        Searched = isWhole && options.Evaluations > 0 ? new PreparedImages(input.Images, input.Whole, options.BatchSize) : null;
        Compared = isWhole && input.Compared is ImageSet compared ? new PreparedImages(compared, input.Whole, options.BatchSize) : null;
        ImageConsumer[] ofSums = Known is null ? [.. _calibration?.Consumers ?? [], .. _scoring!.Consumers] : [];
        ImageConsumer[] consumers = [.. ofSums, .. new[] { Searched, Compared }.OfType<PreparedImages>().Select(kept => kept.Consumer!)];
        _consumers = consumers;

        // A build that was interrupted, sharded, or opened by a worker reads an image for fewer consumers, and must see the same pixels.
        _reader = new ImageReader(input.Images, shard, consumers) { Fingerprints = _fingerprints, IsFullSize = true };
        _read = ImagesOf(input, options, consumers);
        if (position is null)
        {
            return;
        }

        _isContinued = true;
        try
        {
            Restore(position, sums!, consumers);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Scores of an interrupted build; null where they are still to be found.</summary>
    public ImportanceScores? Known { get; }

    /// <summary>The second moments, complete after <see cref="Read"/>; null where they are not needed. They stay this object's.</summary>
    public CalibrationMoments? Moments => _calibration?.Moments;

    /// <summary>The images of the search; null without one. They stay this object's.</summary>
    public PreparedImages? Searched { get; }

    /// <summary>The images of the frontier; null without one. They stay this object's.</summary>
    public PreparedImages? Compared { get; }

    /// <summary>Images that could not be read.</summary>
    public IReadOnlyList<SkippedImage> Skipped => [.. _reader.Skipped];

    /// <summary>
    /// Length and digest of every image that anything was made from, complete after <see cref="Read"/>; not of those that could not be
    /// read. One that an interrupted build or a shard read is opened once more.
    /// </summary>
    public IReadOnlyList<(long Length, long Digest)> Fingerprints
    {
        get
        {
            HashSet<string> skipped = [.. _reader.Skipped.Select(image => image.Name)];
            return
            [
                .. _read.Where(entry => !skipped.Contains(entry.Name))
                    .Select(entry =>
                        _fingerprints.TryGetValue(entry.Name, out (long, long) known) ? known : ScoredImages.Fingerprint(entry))
                    .OfType<(long, long)>(),
            ];
        }
    }

    /// <summary>Makes the reading and the scoring parts of a job, each by what it costs in forward passes of the model.</summary>
    public void JoinIn(JobProgress job)
    {
        double preparing = PreparationFlops / CostModel.Flops(_architecture, _architecture.FullWidths);
        _photos = job.Part(_consumers.Sum(consumer => consumer.Images.Count * (preparing + consumer.Passes)));
        _statistics = job.Part(_scoring?.ScoringPasses ?? 0);
    }

    /// <summary>Reads the images, or the rest of them.</summary>
    /// <param name="state">Where sums are kept now and then.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public void Read(BuildState state, CancellationToken cancellation)
    {
        int before = _isContinued && _consumers.Count > 0 ? Math.Max(0, _reader.Positions.Max() - _reader.First) : 0;
        _photos?.Report(new WorkProgress("photos", before, _reader.Count));
        _reader.Progress = (done, all) =>
        {
            Offer(state, Math.Max(done, before), all);
            _photos?.Report(new WorkProgress("photos", Math.Max(done, before), all, _scoring?.Note ?? ""));
        };
        _reader.Run(cancellation);
    }

    /// <summary>The local scores, of sums that are complete.</summary>
    /// <param name="state">Where they are kept before: the scores may take minutes and nothing is kept in between.</param>
    public ImportanceScores Scores(BuildState state)
    {
        if (Known is not null)
        {
            return Known;
        }

        state.Flush();
        return _scoring!.Scores(Moments, (done, all) => _statistics?.Report(new WorkProgress("statistics", done, all)));
    }

    /// <summary>Keeps the complete sums of a part.</summary>
    public BuildPosition Complete(BuildState state, ImageShard shard)
    {
        BuildPosition position = Position(_reader.Count, _reader.Count) with { Shard = shard, Images = _images };
        state.Keep(position, SaveAll);
        return position;
    }

    /// <summary>Names the sums that a search needs.</summary>
    public void SaveMoments(SumWriter to) => ((IRunningSums?)Moments)?.Save(to.Under("calibration"));

    /// <inheritdoc/>
    public void Dispose()
    {
        _calibration?.Dispose();
        _scoring?.Dispose();
        Searched?.Dispose();
        Compared?.Dispose();
    }

    /// <summary>The images that are read for anything, or were before scores that are known, in the order of the set.</summary>
    private ImageEntry[] ImagesOf(CriterionInput input, BuildOptions options, IEnumerable<ImageConsumer> consumers)
    {
        using CriterionRun? before = Known is null ? null : options.Criterion.Start(input);
        IEnumerable<ImageConsumer> all = [.. consumers, .. Known is null ? [] : _calibration?.Consumers ?? [], .. before?.Consumers ?? []];
        HashSet<string> names = [.. all.SelectMany(consumer => consumer.Images.Entries).Select(entry => entry.Name)];
        return [.. input.Images.Entries.Where(entry => names.Contains(entry.Name))];
    }

    private BuildPosition Position(int done, int all) =>
        new() { Photos = done, AllPhotos = all, Consumers = [.. _reader.Positions], Skipped = Skipped };

    private void Offer(BuildState state, int done, int all)
    {
        if (_scoring?.Sums is not null)
        {
            state.Offer(done, () => (Position(done, all), SaveAll));
        }
    }

    private void SaveAll(SumWriter to)
    {
        SaveMoments(to);
        _scoring!.Sums!.Save(to.Under("scores"));
    }

    private void Restore(BuildPosition position, SumReader sums, ImageConsumer[] consumers)
    {
        ((IRunningSums?)Moments)?.Restore(sums.Under("calibration"));
        if (Known is not null)
        {
            _reader.Continue([.. consumers.Select(_ => 0)], position.Skipped);
            return;
        }

        // Where parts were put together every consumer that adds up was served.
        IReadOnlyList<int> reached = position.IsMerged ? [.. consumers.Select(_ => _reader.End)] : position.Consumers;
        if (reached.Count != consumers.Length
            || reached.Any(consumer => consumer > _images)
            || _scoring!.Sums is not IRunningSums scoring)
        {
            throw new CheckpointFormatException(sums.Path, "expected the state of this pass, found that of another");
        }

        scoring.Restore(sums.Under("scores"));
        _reader.Continue([.. consumers.Select((consumer, index) => consumer.KeepsImages ? 0 : reached[index])], position.Skipped);
    }
}
