using SnapViT.Core.Errors;
using SnapViT.Loading;
using SnapViT.Search;
using SnapViT.Workflows;

namespace SnapViT.Tests.Workflows;

/// <summary>A site opens a build that another machine scored, and gives the very numbers of that machine.</summary>
[LeakCheck]
public sealed class CandidateSiteTests : IDisposable
{
    private static readonly BuildOptions Options = BuildOptions.Recommended with
    {
        Samples = 12,
        CalibrationImages = 6,
        CalibrationViews = 2,
        BatchSize = 3,
        Evaluations = 9,
        FrontierImages = 4,
        Search = new SearchOptions { HeldOutShare = 0.25, Patience = 8 },
    };

    private readonly BuildSite _site = new(images: 6, largeJpegs: 8);

    public void Dispose() => _site.Dispose();

    [Fact]
    public void A_build_whose_candidates_are_evaluated_at_a_site_gives_the_same_bytes()
    {
        _site.Build(Options);
        byte[] expected = File.ReadAllBytes(_site.Out);
        File.Delete(_site.Out);
        using OneByOne cluster = new(_site);
        _site.Cluster = cluster;
        _site.Build(Options);
        Assert.Equal(expected, File.ReadAllBytes(_site.Out));
        Assert.Equal([CandidateWork.Search, CandidateWork.HeldOut, CandidateWork.Frontier], cluster.Stages.Distinct());
    }

    [Fact]
    public void A_state_of_other_options_or_without_scores_is_refused()
    {
        _site.Interrupt(told => told is { Stage: "photos", Done: >= 3 }, Options);
        Refused(Options, "expected the state of a build that has scores");
        _site.Interrupt(told => told is { Stage: "search", Done: >= 1 }, Options);
        Refused(Options with { Seed = 7 }, "seed 42 instead of 7");
        File.Delete(_site.Unfinished);
        Refused(Options, "expected the state of a build that has scores, found none");

        void Refused(BuildOptions options, string expected)
        {
            using LoadedModel model = ModelFile.Load(_site.ModelPath);
            SnapViTException fault = Assert.Throws<SnapViTException>(
                () => _site.Of(model, options).OpenSite(_site.Unfinished, TestContext.Current.CancellationToken));
            Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>Evaluates at a site that is opened from the state on disk, the last candidate first.</summary>
    private sealed class OneByOne(BuildSite at) : ICandidateCluster, IDisposable
    {
        private LoadedModel? _model;
        private CandidateSite? _site;

        public List<string> Stages { get; } = [];

        public IReadOnlyList<double[]> Evaluate(CandidateWork work, CancellationToken cancellation)
        {
            Stages.Add(work.Stage);
            _model ??= ModelFile.Load(at.ModelPath);
            _site ??= at.Of(_model, Options).OpenSite(at.Unfinished, cancellation);
            double[][] found = [.. work.Candidates.Reverse().Select(one => _site.Evaluate(work.Stage, work.Context, [one]).Single())];
            return [.. found.Reverse()];
        }

        public void Dispose()
        {
            _site?.Dispose();
            _model?.Dispose();
        }
    }
}
