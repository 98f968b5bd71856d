using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

/// <summary>What the loops over images leave to the garbage collector, and what they leave in native memory.</summary>
public sealed class AllocationTests : IDisposable
{
    private const int Batch = 16;

    /// <summary>About fifty tensors and their scopes.</summary>
    private const long MostBytesOfABlock = 16_384;

    private static readonly ViTArchitecture Architecture = SmallModels.Vit;

    private readonly VisionTransformer _model = SmallModels.Create(Architecture);
    private readonly Tensor _images = SmallModels.Images(Architecture, Batch);

    public void Dispose()
    {
        _model.Dispose();
        _images.Dispose();
    }

    [Fact]
    public void Embedding_makes_as_many_handles_for_many_images_as_for_one()
    {
        using Tensor one = _images.narrow(0, 0, 1).clone();
        long ofOne = Allocated(() => _model.Embed(one).Dispose()), ofAll = Allocated(() => _model.Embed(_images).Dispose());

        Assert.Equal(ofOne, ofAll);
        Assert.InRange(ofAll, 1, MostBytesOfABlock * Architecture.Depth);
    }

    [Fact]
    public void A_candidate_of_the_search_allocates_by_batches_and_not_by_images()
    {
        long few = OfCandidate(batch: 8, batches: 2), more = OfCandidate(batch: 8, batches: 4), larger = OfCandidate(batch: 16, batches: 2);

        // A batch more of each sub-network, and its view.
        long ofBatch = (more - few) / (2 * new FitnessOptions().Ratios.Count);
        Assert.InRange(ofBatch, 1, MostBytesOfABlock * Architecture.Depth);
        Assert.InRange(larger, few, few + (few / 100));
    }

    [Theory, InlineData("ssl"), InlineData("curvature")]
    public void Scoring_allocates_by_batches_and_not_by_images(string criterion)
    {
        long few = OfScoring(criterion, images: 4), more = OfScoring(criterion, images: 8);

        Assert.InRange(more, 1, few + (few / 100));
    }

    [Fact]
    public void The_fisher_score_takes_a_few_handles_more_for_every_image_of_a_batch()
    {
        long few = OfScoring("fisher", images: 4), more = OfScoring("fisher", images: 8);

        Assert.InRange((more - few) / 4 / Architecture.Depth, 0, MostBytesOfABlock / 4);
    }

    private long OfCandidate(int batch, int batches)
    {
        ImportanceScores scores = SmallModels.Scores(Architecture);
        ScoreCoefficients factors = ScoreCoefficients.Initial(Architecture.FullWidths);
        using PreparedImages photos = new(SmallModels.Images(Architecture, batch * batches));
        using Fitness fitness = new(_model, scores, () => photos.Batches(batch), new FitnessOptions { PcaComponents = 8 });
        return Allocated(() => fitness.Evaluate(factors));
    }

    private long OfScoring(string criterion, int images)
    {
        DistillationPairs pairs = DistillationPairs.OnePair;
        using Tensor flat = SmallModels.Images(Architecture, images * pairs.Views);
        using Tensor crops = flat.view(images, pairs.Views, Architecture.Channels, Architecture.ImageSize, Architecture.ImageSize);
        if (criterion == "curvature")
        {
            using CurvatureEstimator curvature = new(_model);
            return Allocated(() => curvature.Add(crops, pairs));
        }

        using ScoreEstimator estimator = new(_model, Criterion.Named(criterion), pairs);
        return Allocated(() => estimator.Add(crops));
    }

    /// <summary>Managed bytes of one run, the least of several; tensors that are alive stay the same.</summary>
    private static long Allocated(Action work)
    {
        long least = long.MaxValue;
        for (int run = 0; run < 5; run++)
        {
            long live = LiveTensors.Undisposed(), before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.True(run == 0 || LiveTensors.Undisposed() == live, "tensors were left");
        }

        return least;
    }
}
