using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;
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
    [InlineData("photos", 4, 0, false)]
    [InlineData("photos", 8, 0, true)]
    [InlineData("search", 1, 1, true)]
    [InlineData("search", 4, 4, true)]
    public void A_cancelled_build_is_continued_to_the_identical_file(string stage, int done, int continued, bool hasState)
    {
        _site.Interrupt(told => told.Stage == stage && told.Done == done);
        Assert.Equal(hasState, File.Exists(_site.Unfinished));
        Assert.False(File.Exists(_site.Out));
        BuildResult result = _site.Build();
        Assert.Equal((continued, (string?)null), (result.Continued, result.Discarded));
        AssertDone();
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
        Assert.Equal(["photos", "photos", .. Enumerable.Repeat("search", 5)], all.Select(told => told.Stage));
        Assert.DoesNotContain(all, told => told.Note.Contains("loss", StringComparison.Ordinal));
    }

    [Fact]
    public void The_state_of_another_command_is_not_continued_and_the_result_says_so()
    {
        _site.Interrupt(told => told.Stage == "search" && told.Done == 4, BuildSite.Options with { Seed = 7 });
        BuildResult result = _site.Build();
        Assert.Equal(0, result.Continued);
        Assert.Equal($"{_site.Unfinished}: expected the state of this build, found that of another command or other input", result.Discarded);
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
        ElasticScores state = ElasticScores.Load(_site.Unfinished);
        Dictionary<string, string> provenance = new(state.Provenance);
        provenance.Remove(History);
        if (history is not null)
        {
            provenance[History] = history;
        }

        (state with { Provenance = provenance }).Save(_site.Unfinished);
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
}
