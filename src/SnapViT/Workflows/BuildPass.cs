using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
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
    private readonly bool _isContinued;
    private readonly ViTArchitecture _architecture;
    private IProgress<WorkProgress>? _photos, _finish, _statistics;

    /// <summary>A pass; nothing is read yet.</summary>
    /// <param name="input">The model, the images, and how they are prepared.</param>
    /// <param name="options">The build's.</param>
    /// <param name="needsMoments">Whether second moments are gathered.</param>
    /// <param name="position">Where an interrupted build stopped; null for the beginning.</param>
    /// <param name="sums">Its sums; null for the beginning.</param>
    /// <exception cref="CheckpointFormatException">The sums are not those of this pass.</exception>
    public BuildPass(CriterionInput input, BuildOptions options, bool needsMoments, BuildPosition? position = null, SumReader? sums = null)
    {
        _architecture = input.Model.Architecture;
        Known = position?.Local;
        _calibration = needsMoments ? new CalibrationRun(input.Model, input.Calibration, input.Preprocessing, input.Whole, options) : null;
        _scoring = Known is null ? options.Criterion.Start(input) : null;
        Searched = options.Evaluations > 0 ? new PreparedImages(input.Images, input.Whole, options.BatchSize) : null;
        Compared = input.Compared is ImageSet compared ? new PreparedImages(compared, input.Whole, options.BatchSize) : null;
        ImageConsumer[] ofSums = Known is null ? [.. _calibration?.Consumers ?? [], .. _scoring!.Consumers] : [];
        ImageConsumer[] consumers = [.. ofSums, .. new[] { Searched, Compared }.OfType<PreparedImages>().Select(kept => kept.Consumer!)];
        _consumers = consumers;
        _reader = new ImageReader(input.Images, consumers);
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

    /// <summary>The second moments, complete after <see cref="Run"/>; null where they are not needed. They stay this object's.</summary>
    public CalibrationMoments? Moments => _calibration?.Moments;

    /// <summary>The images of the search; null without one. They stay this object's.</summary>
    public PreparedImages? Searched { get; }

    /// <summary>The images of the frontier; null without one. They stay this object's.</summary>
    public PreparedImages? Compared { get; }

    /// <summary>Images that could not be read.</summary>
    public IReadOnlyList<SkippedImage> Skipped => [.. _reader.Skipped];

    /// <summary>Makes the reading and the scoring parts of a job, each by what it costs in forward passes of the model.</summary>
    public void JoinIn(JobProgress job)
    {
        double preparing = PreparationFlops / CostModel.Flops(_architecture, _architecture.FullWidths);
        _photos = job.Part(_consumers.Sum(consumer => consumer.Images.Count * (preparing + consumer.Passes)));
        _finish = job.Part(Known is null ? _calibration?.FinishPasses ?? 0 : 0);
        _statistics = job.Part(_scoring?.ScoringPasses ?? 0);
    }

    /// <summary>Reads the images, or the rest of them.</summary>
    /// <param name="state">Where sums are kept now and then.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>The local scores.</returns>
    public ImportanceScores Run(BuildState state, CancellationToken cancellation)
    {
        int before = _isContinued ? _reader.Positions.Max() : 0;
        _photos?.Report(new WorkProgress("photos", before, _reader.Count));
        _reader.Progress = (done, all) =>
        {
            Offer(state, Math.Max(done, before), all);
            _photos?.Report(new WorkProgress("photos", Math.Max(done, before), all, _scoring?.Note ?? ""));
        };
        _reader.Run(cancellation);
        if (Known is not null)
        {
            return Known;
        }

        _calibration?.Finish(_finish, added => Offer(state, _reader.Count, _reader.Count, added), cancellation);

        // The scores may take minutes and nothing is kept in between.
        state.Flush();
        return _scoring!.Scores(Moments, (done, all) => _statistics?.Report(new WorkProgress("statistics", done, all)));
    }

    /// <summary>Names the sums that a search needs.</summary>
    public void SaveMoments(SumWriter to) => _calibration?.Save(to.Under("calibration"));

    /// <inheritdoc/>
    public void Dispose()
    {
        _calibration?.Dispose();
        _scoring?.Dispose();
        Searched?.Dispose();
        Compared?.Dispose();
    }

    private void Offer(BuildState state, int done, int all, int added = 0)
    {
        if (_scoring?.Sums is IRunningSums scoring)
        {
            state.Offer(done + added, () => (
                new BuildPosition { Photos = done, AllPhotos = all, Consumers = [.. _reader.Positions], Skipped = Skipped },
                to =>
                {
                    SaveMoments(to);
                    scoring.Save(to.Under("scores"));
                }));
        }
    }

    private void Restore(BuildPosition position, SumReader sums, ImageConsumer[] consumers)
    {
        _calibration?.Restore(sums.Under("calibration"));
        if (Known is not null)
        {
            _reader.Continue([.. consumers.Select(_ => 0)], position.Skipped);
            return;
        }

        if (position.Consumers.Count != consumers.Length
            || position.Consumers.Any(consumer => consumer > _reader.Count)
            || _scoring!.Sums is not IRunningSums scoring)
        {
            throw new CheckpointFormatException(sums.Path, "expected the state of this pass, found that of another");
        }

        scoring.Restore(sums.Under("scores"));
        _reader.Continue(
            [.. consumers.Select((consumer, index) => consumer.KeepsImages ? 0 : position.Consumers[index])], position.Skipped);
    }
}
