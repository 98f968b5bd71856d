using SnapViT.Calibration;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Workflows;

namespace SnapViT.Tests.Workflows;

/// <summary>An interrupted build goes on to the very file that an undisturbed one gives, and never from a state that is not its own.</summary>
[LeakCheck]
public sealed class ElasticBuildContinuationTests : IDisposable
{
    private const string History = "build.history";
    private readonly BuildSite _site = new();
    private readonly byte[] _expected;

    public ElasticBuildContinuationTests()
    {
        _site.Build();
        _expected = File.ReadAllBytes(_site.Out);
        File.Delete(_site.Out);
    }

    public void Dispose() => _site.Dispose();

    [Theory]
    [InlineData("photos", 4, 4, 0)]
    [InlineData("photos", 8, 8, 0)]
    [InlineData("search", 1, 8, 1)]
    [InlineData("search", 4, 8, 4)]
    public void A_cancelled_build_is_continued_to_the_identical_file(string stage, int done, int photos, int evaluations)
    {
        _site.Interrupt(told => told.Stage == stage && told.Done == done);
        Assert.False(File.Exists(_site.Out));
        BuildResult result = _site.Build();
        Assert.Equal((photos, evaluations, (string?)null), (result.ContinuedPhotos, result.Continued, result.Discarded));
        AssertDone();
    }

    public static TheoryData<string> Criteria => [.. Criterion.All.Where(criterion => !criterion.NeedsLabels).Select(criterion => criterion.Name)];

    /// <summary>The preset with every kind of sum: moments of views and of whole images, prefix tokens apart, gradients by loss and by features.</summary>
    [Theory]
    [MemberData(nameof(Criteria))]
    public void Every_criterion_is_continued_from_every_batch_to_the_identical_file(string criterion)
    {
        BuildOptions options = BuildOptions.Recommended with
        {
            Criterion = criterion == "curvature" ? new CurvatureCriterion { FeatureShare = 0.3 } : Criterion.Named(criterion),
            Samples = 8,
            CalibrationImages = 6,
            CalibrationViews = 2,
            BatchSize = 3,
            Evaluations = 2,
            FrontierImages = 0,
        };
        List<WorkProgress> all = [];
        _site.Build(options, all.Add);
        byte[] expected = File.ReadAllBytes(_site.Out);
        foreach (WorkProgress stop in all.Skip(1).SkipLast(1))
        {
            File.Delete(_site.Out);
            _site.Interrupt(told => (told.Stage, told.Done) == (stop.Stage, stop.Done), options);
            BuildResult result = _site.Build(options);
            Assert.Null(result.Discarded);
            Assert.True(result.ContinuedPhotos > 0, $"{stop}");
            Assert.Equal(expected, File.ReadAllBytes(_site.Out));
        }
    }

    [Fact]
    public void A_build_that_is_interrupted_at_every_batch_still_ends()
    {
        BuildOptions options = BuildOptions.Recommended with { Samples = 8, CalibrationImages = 6, CalibrationViews = 2, BatchSize = 2, FrontierImages = 2 };
        _site.Build(options);
        byte[] expected = File.ReadAllBytes(_site.Out);
        File.Delete(_site.Out);
        List<string> begun = [];
        for (int photo = 1; photo <= 7; photo++)
        {
            _site.Interrupt(told => told.Stage == "photos" && told.Done >= photo, options, begun.Add);
        }

        _site.Build(options, told: begun.Add);
        Assert.Equal([.. new[] { 1, 2, 3, 4, 5, 6, 7 }.Select(photo => $"continues an interrupted build: {photo} of 8 photos read")], begun);
        Assert.Equal(expected, File.ReadAllBytes(_site.Out));
    }

    [Fact]
    public void Images_that_could_not_be_read_before_the_interruption_are_told_once()
    {
        using BuildSite site = new(images: 30);
        string[] broken = [.. Directory.EnumerateFiles(site.Images).Order(StringComparer.Ordinal).Where((_, index) => index is 2 or 20)];
        broken.ToList().ForEach(image => File.WriteAllText(image, "no image"));
        BuildOptions options = BuildSite.Options with { Samples = 30, Evaluations = 1 };
        IReadOnlyList<SkippedImage> expected = site.Build(options).Skipped;
        byte[] bytes = File.ReadAllBytes(site.Out);
        Assert.Equal(2, expected.Count);
        site.Interrupt(told => told.Stage == "photos" && told.Done >= 15, options);
        Assert.Equal(expected, site.Build(options).Skipped);
        Assert.Equal(bytes, File.ReadAllBytes(site.Out));
    }

    [Fact]
    public void A_criterion_that_cannot_keep_its_sums_begins_its_pass_anew()
    {
        BuildOptions options = BuildSite.Options with { Criterion = new ForgetfulCriterion() };
        _site.Interrupt(told => told.Stage == "photos" && told.Done == 4, options);
        Assert.False(File.Exists(_site.Unfinished));
        _site.Interrupt(told => told.Stage == "search" && told.Done == 3, options);
        Assert.Equal((8, 3), _site.Build(options) is var result ? (result.ContinuedPhotos, result.Continued) : default);
    }

    [Fact]
    public void What_a_build_left_that_was_killed_while_it_wrote_its_state_is_removed()
    {
        File.WriteAllText($"{_site.Unfinished}.0a1b2c3d.partial", "half");
        _site.Build();
        AssertDone();
    }

    [Fact]
    public void The_state_of_another_version_is_not_continued_and_the_result_says_so()
    {
        _site.Interrupt(told => told.Stage == "photos" && told.Done == 4);
        Edit(metadata => metadata["snapvit.unfinished"] = "1");
        List<string> begun = [];
        Assert.Equal($"{_site.Unfinished}: expected a state of version 4, found '1'", _site.Build(told: begun.Add).Discarded);
        Assert.Equal([$"begins anew: {_site.Unfinished}: expected a state of version 4, found '1'"], begun);
        AssertDone();
    }

    [Theory]
    [InlineData("build.consumers", "1 2 3 4 5 6 7")]
    [InlineData("build.consumers", "99999")]
    [InlineData("build.consumers", "-1")]
    [InlineData("build.photos", "9 8")]
    [InlineData("build.skipped", "{")]
    public void A_state_whose_position_is_impossible_is_not_continued(string key, string value)
    {
        _site.Interrupt(told => told.Stage == "photos" && told.Done == 4);
        Edit(metadata => metadata[key] = value);
        Assert.StartsWith($"{_site.Unfinished}: ", _site.Build().Discarded, StringComparison.Ordinal);
        AssertDone();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(25)]
    [InlineData(40)]
    public void A_frontier_goes_on_from_what_was_measured(int stop)
    {
        BuildOptions options = BuildOptions.Recommended with { Samples = 8, CalibrationImages = 4, CalibrationViews = 1, FrontierImages = 4, BatchSize = 4 };
        _site.Build(options);
        byte[] undisturbed = File.ReadAllBytes(_site.Out);
        File.Delete(_site.Out);
        List<string> begun = [];
        List<long> done = [];

        _site.Interrupt(told => told.Stage == "frontier" && told.Done >= stop, options);
        _site.Build(options, told => done.AddRange(Enumerable.Repeat(told.Done, told.Stage == "frontier" ? 1 : 0)), begun.Add);

        Assert.Equal(undisturbed, File.ReadAllBytes(_site.Out));
        Assert.Matches(@"^continues an interrupted build: all 8 photos scored, \d+ sub-networks of the frontier measured$", Assert.Single(begun));
        Assert.True(done[0] > 0, $"{done[0]} measured before");
    }

    [Fact]
    public void A_build_may_be_interrupted_again_and_again()
    {
        for (int evaluation = 1; evaluation <= 6; evaluation++)
        {
            _site.Interrupt(told => told.Stage == "search" && told.Done == evaluation);
        }

        Assert.Equal(6, _site.Build().Continued);
        AssertDone();
    }

    [Fact]
    public void A_continued_build_does_not_score_the_images_again()
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 2);
        List<WorkProgress> all = [];
        _site.Build(progress: all.Add);
        Assert.Equal(["photos", "photos", "photos", .. Enumerable.Repeat("search", 6)], all.Select(told => told.Stage));
        Assert.Equal([2, 3, 4, 5, 6, 7], all.Where(told => told.Stage == "search").Select(told => told.Done));
        Assert.DoesNotContain(all, told => told.Note.Contains("loss", StringComparison.Ordinal));
    }

    [Fact]
    public void The_state_of_another_command_is_not_continued_and_the_result_says_so()
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 4, BuildSite.Options with { Seed = 7 });
        BuildResult result = _site.Build();
        Assert.Equal(0, result.Continued);
        Assert.Equal($"{_site.Unfinished}: expected the state of this build, found that of another command or other input: seed 7 instead of 42 (2 facts differ)", result.Discarded);
        AssertDone();
    }

    [Fact]
    public void The_state_of_another_model_is_not_continued()
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 4);
        SmallModels.Save(_site.ModelPath, SmallModels.Vit, seed: 9);
        BuildResult result = _site.Build();
        Assert.Equal(0, result.Continued);
        Assert.NotNull(result.Discarded);
        Assert.NotEqual(_expected, File.ReadAllBytes(_site.Out));
    }

    [Fact]
    public void The_state_of_other_images_is_not_continued()
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 4);
        foreach (string image in Directory.EnumerateFiles(_site.Images))
        {
            File.Move(image, image.Replace(".png", ".renamed.png", StringComparison.Ordinal));
        }

        Assert.Equal(0, _site.Build().Continued);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a text that lies there by chance, no state of any build")]
    public void A_foreign_file_under_that_name_is_not_continued_and_the_result_says_why(string content)
    {
        File.WriteAllText(_site.Unfinished, content);
        BuildResult result = _site.Build();
        Assert.StartsWith($"{_site.Unfinished}: expected ", result.Discarded, StringComparison.Ordinal);
        AssertDone();
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(0.9)]
    public void A_damaged_state_is_not_continued(double share)
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 4);
        CheckpointEdits.CutShort(_site.Unfinished, share);
        BuildResult result = _site.Build();
        Assert.StartsWith(_site.Unfinished, result.Discarded, StringComparison.Ordinal);
        AssertDone();
    }

    [Theory]
    [InlineData("0.1 a", "in place 1")]
    [InlineData("NaN 0.1", "in place 0")]
    [InlineData(null, "in place 0")]
    public void A_state_whose_history_is_no_list_of_fitnesses_is_not_continued(string? history, string where)
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 4);
        Edit(metadata =>
        {
            metadata.Remove(History);
            if (history is not null)
            {
                metadata[History] = history;
            }
        });
        Assert.EndsWith($"expected finite fitnesses, found something else {where}", _site.Build().Discarded, StringComparison.Ordinal);
        AssertDone();
    }

    [Fact]
    public void An_interrupted_build_leaves_nothing_but_its_state()
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 3);
        Assert.Equal(["model.safetensors", "scores.safetensors.unfinished"], _site.Files());
        using SafetensorsReader state = SafetensorsReader.Open(_site.Unfinished);
        Assert.Equal(3, state.Metadata[History].Split(' ').Length);
    }

    private void AssertDone()
    {
        Assert.Equal(_expected, File.ReadAllBytes(_site.Out));
        Assert.Equal(["model.safetensors", "scores.safetensors"], _site.Files());
    }

    /// <summary>Writes the state again with other metadata.</summary>
    private void Edit(Action<Dictionary<string, string>> change)
    {
        Dictionary<string, string> metadata;
        List<TensorToWrite> tensors;
        using (SafetensorsReader state = SafetensorsReader.Open(_site.Unfinished))
        {
            metadata = new(state.Metadata);
            tensors = [.. state.Tensors.Values.Select(entry => TensorToWrite.From(entry.Name, state.ReadDoubles(entry.Name), entry.Shape))];
        }

        change(metadata);
        SafetensorsWriter.Write(_site.Unfinished, tensors, metadata);
    }

    /// <summary>Random scores that look at images and keep nothing of what they saw.</summary>
    private sealed record ForgetfulCriterion : Criterion
    {
        public ForgetfulCriterion()
            : base("forgetful", "nothing")
        {
        }

        internal override CriterionRun Start(CriterionInput input) => new Run(input);

        private sealed class Run(CriterionInput input) : CriterionRun
        {
            public override IReadOnlyList<ImageConsumer> Consumers => [input.OfWhole(input.Images, _ => { })];

            public override ImportanceScores Scores(CalibrationMoments? moments, Action<int, int>? told = null) => RandomScores.Of(input.Weights.Architecture, input.Seed);

            public override void Dispose()
            {
            }
        }
    }
}
