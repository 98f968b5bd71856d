using CsCheck;
using SnapViT.Importance;
using SnapViT.Workflows;

namespace SnapViT.Tests.Workflows;

public sealed class JobProgressTests
{
    private readonly SetClock _clock = new();
    private readonly List<WorkProgress> _told = [];
    private readonly JobProgress _job;

    public JobProgressTests() => _job = new JobProgress(new Told(_told.Add), _clock);

    [Fact]
    public void Parts_count_by_what_they_cost()
    {
        IProgress<WorkProgress> photos = _job.Part(30), search = _job.Part(10);
        photos.Report(new WorkProgress("photos", 5, 10));
        photos.Report(new WorkProgress("photos", 10, 10, "loss 1"));
        search.Report(new WorkProgress("search", 1, 4));
        Assert.Equal([0.375, 0.75, 0.8125], _told.Select(told => told.Share));
        Assert.Equal(("photos", 10, 10, "loss 1"), (_told[1].Stage, _told[1].Done, _told[1].Total, _told[1].Note));
    }

    [Fact]
    public void The_time_left_is_not_told_before_it_is_known()
    {
        IProgress<WorkProgress> photos = _job.Part(1);
        Steps(photos, 100, 0.4, until: 10);
        Assert.Equal([null, null, null, null, null], _told.Take(5).Select(told => told.TimeLeft));
        Assert.All(_told.Skip(5), told => Assert.Equal((100 - told.Done) * 0.4, told.TimeLeft!.Value.TotalSeconds, 6));
    }

    [Fact]
    public void The_time_left_counts_parts_that_have_not_begun()
    {
        IProgress<WorkProgress> photos = _job.Part(10);
        _job.Part(90);
        Steps(photos, 10, 1);
        Assert.Equal(90, _told[^1].TimeLeft!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void What_was_done_before_this_job_says_nothing_of_its_speed()
    {
        IProgress<WorkProgress> photos = _job.Part(1);
        Steps(photos, 100, 1, from: 80, until: 90);
        Assert.Equal(10, _told[^1].TimeLeft!.Value.TotalSeconds, 6);
        Assert.Equal(0.9, _told[^1].Share, 6);
    }

    [Fact]
    public void A_job_within_a_job_is_one_part_of_it()
    {
        JobProgress inner = new(_job.Part(20), _clock);
        IProgress<WorkProgress> after = _job.Part(80), first = inner.Part(1), second = inner.Part(3);
        Steps(first, 5, 1);
        Steps(second, 15, 1);
        Assert.Equal((0.2, 80.0), (Math.Round(_told[^1].Share, 9), Math.Round(_told[^1].TimeLeft!.Value.TotalSeconds, 6)));
        Steps(after, 80, 1);
        Assert.Equal((1.0, TimeSpan.Zero), (_told[^1].Share, _told[^1].TimeLeft));
    }

    [Fact]
    public void A_job_of_no_cost_is_done_when_its_parts_are()
    {
        IProgress<WorkProgress> only = _job.Part(0);
        Steps(only, 4, 1);
        Assert.Equal([0, 0.25, 0.5, 0.75, 1], _told.Select(told => told.Share));
    }

    /// <summary>Costs are guesses: up to twice too much or too little each.</summary>
    [Fact]
    public void The_time_left_never_jumps_by_a_factor_of_five_however_wrong_the_costs_were_guessed() =>
        Gen.Select(Gen.Double[0.5, 2], Gen.Double[1, 300], Gen.Int[2, 200]).Array[1, 5].Sample(parts =>
        {
            SetClock clock = new();
            List<WorkProgress> told = [];
            JobProgress job = new(new Told(told.Add), clock);
            (IProgress<WorkProgress> Part, double Seconds, int Steps)[] work =
                [.. parts.Select(part => (job.Part(part.Item1 * part.Item2), part.Item2, part.Item3))];
            double all = parts.Sum(part => part.Item2), passed = 0, before = 0;
            List<(double Left, double Truth)> shown = [];
            foreach ((IProgress<WorkProgress> part, double seconds, int steps) in work)
            {
                part.Report(new WorkProgress("stage", 0, steps));
                for (int step = 1; step <= steps; step++)
                {
                    clock.Pass(seconds / steps);
                    part.Report(new WorkProgress("stage", step, steps));
                    passed += seconds / steps;
                    Assert.InRange(told[^1].Share, before, 1);
                    before = told[^1].Share;
                    if (told[^1].TimeLeft is TimeSpan left && all - passed > 1)
                    {
                        shown.Add((left.TotalSeconds, all - passed));
                    }
                }
            }

            Assert.All(shown, pair => Assert.InRange(pair.Left / pair.Truth, 0.2, 5));
        });

    [Fact]
    public void A_build_tells_one_job_from_its_first_photo_to_its_last_candidate()
    {
        using BuildSite site = new();
        BuildOptions options = BuildOptions.Recommended with { Samples = 8, CalibrationImages = 6, CalibrationViews = 2, BatchSize = 2, Evaluations = 3 };
        site.Build(options, _told.Add);
        Assert.Equal(["photos", "statistics", "search", "frontier"], _told.Select(told => told.Stage).Distinct());
        Assert.Equal(_told.Select(told => told.Share).Order(), _told.Select(told => told.Share));
        Assert.Equal((0.0, 1.0), (_told[0].Share, _told[^1].Share));
        Assert.All(_told.Where(told => told.Stage == "photos"), told => Assert.Equal(8, told.Total));
    }

    [Theory]
    [InlineData("ssl")]
    [InlineData("lamp")]
    [InlineData("curvature")]
    public void Every_build_ends_with_all_of_its_job_done(string criterion)
    {
        using BuildSite site = new();
        site.Build(BuildSite.Options with { Criterion = Criterion.Named(criterion), Evaluations = 0 }, _told.Add);
        Assert.Equal(1, _told[^1].Share);
    }

    private void Steps(IProgress<WorkProgress> part, int all, double seconds, int from = 0, int? until = null)
    {
        part.Report(new WorkProgress("stage", from, all));
        for (int done = from + 1; done <= (until ?? all); done++)
        {
            _clock.Pass(seconds);
            part.Report(new WorkProgress("stage", done, all));
        }
    }
}
