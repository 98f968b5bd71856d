using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

/// <summary>
/// What the loops over images leave to the garbage collector, and what they leave in native memory. Batches go through the model in pieces of
/// four images; a piece has as many handles of tensors whatever is in it.
/// </summary>
public sealed class AllocationTests : IDisposable
{
    private const int Batch = 16, Piece = 4;

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
    public void Embedding_makes_as_many_handles_for_a_piece_as_for_one_image()
    {
        long ofOne = OfEmbedding(1), ofPiece = OfEmbedding(Piece), ofAll = OfEmbedding(Batch);

        Assert.Equal(ofOne, ofPiece);
        Assert.InRange(ofPiece, 1, MostBytesOfABlock * Architecture.Depth);
        Assert.InRange(ofAll, ofPiece, Batch / Piece * ofPiece);
    }

    [Fact]
    public void A_candidate_of_the_search_allocates_by_pieces_and_not_by_images()
    {
        long few = OfCandidate(batch: Piece, batches: 2), more = OfCandidate(batch: Piece, batches: 4);

        // A piece more of each sub-network, and its view.
        long ofPiece = (more - few) / (2 * new FitnessOptions().Ratios.Count);
        Assert.InRange(ofPiece, 1, MostBytesOfABlock * Architecture.Depth);
        long smaller = OfCandidate(batch: 2, batches: 4), larger = OfCandidate(batch: 2 * Piece, batches: 2);
        Assert.InRange(more, 1, smaller + (smaller / 100));
        Assert.InRange(larger, few, more);
    }

    [Theory, InlineData("ssl"), InlineData("curvature")]
    public void Scoring_allocates_by_pieces_and_not_by_images(string criterion)
    {
        long few = OfScoring(criterion, images: 2), piece = OfScoring(criterion, images: Piece), two = OfScoring(criterion, images: 2 * Piece);

        Assert.InRange(piece, 1, few + (few / 100));
        Assert.InRange(two, piece, 2 * piece);
    }

    [Fact]
    public void The_fisher_score_takes_a_few_handles_more_for_every_image_of_a_piece()
    {
        long few = OfScoring("fisher", images: 2), piece = OfScoring("fisher", images: Piece);

        Assert.InRange((piece - few) / 2 / Architecture.Depth, 0, MostBytesOfABlock / 4);
        Assert.InRange(OfScoring("fisher", images: 2 * Piece), piece, 2 * piece);
    }

    private long OfEmbedding(int images)
    {
        using Tensor some = _images.narrow(0, 0, images).clone();
        return Allocated(() => _model.Embed(some).Dispose());
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
