using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Workflows;

namespace SnapViT.Tests.Workflows;

/// <summary>Photos may be read in any number of shards: the merged build gives the bytes of one that read all of them itself.</summary>
[LeakCheck]
public sealed class ShardMergeTests : IDisposable
{
    private readonly BuildSite _site = new(images: 18, largeJpegs: 4);

    /// <summary>Every kind of sum, a search and a frontier.</summary>
    private static readonly BuildOptions Options = BuildOptions.Recommended with
    {
        Criterion = new CurvatureCriterion { FeatureShare = 0.3 },
        Samples = 19,
        CalibrationImages = 13,
        CalibrationViews = 2,
        BatchSize = 4,
        Evaluations = 2,
        FrontierImages = 4,
    };

    public void Dispose() => _site.Dispose();

    public static TheoryData<string> Criteria => [.. Criterion.All.Where(criterion => !criterion.NeedsLabels).Select(criterion => criterion.Name)];

    [Fact]
    public void One_two_three_and_eight_shards_give_the_bytes_of_a_whole_build()
    {
        _site.Build(Options);
        byte[] expected = File.ReadAllBytes(_site.Out);
        foreach (int count in new[] { 1, 2, 3, 8, 30 })
        {
            Assert.Equal(expected, Merged(Options, count));
        }
    }

    [Theory]
    [MemberData(nameof(Criteria))]
    public void Every_criterion_can_be_sharded(string criterion)
    {
        BuildOptions options = Options with { Criterion = Criterion.Named(criterion), Evaluations = 0, FrontierImages = 0 };
        _site.Build(options);
        byte[] expected = File.ReadAllBytes(_site.Out);
        Assert.Equal(expected, Merged(options, 3));
    }

    [Fact]
    public void An_unreadable_photo_is_missing_in_every_division_alike()
    {
        string broken = Directory.EnumerateFiles(_site.Images).Order(StringComparer.Ordinal).ElementAt(9);
        File.WriteAllBytes(broken, [.. File.ReadAllBytes(broken).Take(60)]);
        BuildOptions options = Options with { Samples = 22 };
        BuildResult whole = _site.Build(options);
        byte[] expected = File.ReadAllBytes(_site.Out);
        Assert.Equal(expected, Merged(options, 4, merged => Assert.Equal(whole.Skipped, merged.Skipped)));
        Assert.Single(whole.Skipped);
    }

    [Fact]
    public void An_interrupted_shard_is_continued()
    {
        _site.Build(Options);
        byte[] expected = File.ReadAllBytes(_site.Out);
        using CancellationTokenSource stop = new();
        Assert.Throws<OperationCanceledException>(() => _site.Shard("1/2", Options, stop.Token, told =>
        {
            if (told.Done >= 4)
            {
                stop.Cancel();
            }
        }));
        Assert.Equal(expected, Merged(Options, 2));
    }

    [Fact]
    public void Wrong_sets_of_shards_are_refused_in_one_line_each()
    {
        BuildOptions options = Options with { Evaluations = 0, FrontierImages = 0 };
        string first = _site.Shard("1/3", options), second = _site.Shard("2/3", options), third = _site.Shard("3/3", options);
        Refused("expected all 3, found 2 without 2", first, third);
        Refused("expected every shard once, found 2/3 in", first, second, third, second);
        Refused("expected a shard of 3 as", first, second, _site.Shard("3/4", options));
        Refused("seed 43 instead of 42", first, second, _site.Shard("3/3", options with { Seed = 43 }));
        third = _site.Shard("3/3", options);

        byte[] bytes = File.ReadAllBytes(third);
        File.WriteAllBytes(third, bytes[..^9]);
        Refused(Path.GetFileName(third), first, second, third);
        File.WriteAllBytes(third, bytes);
        Rewrite(third, metadata => metadata["snapvit.unfinished"] = "3");
        Refused("expected a state of version 4, found '3'", first, second, third);
        File.WriteAllBytes(third, bytes);
        Rewrite(third, metadata => metadata["build.photos"] = "1 5");
        Refused("expected a complete shard, found one with 1 of 5 photos read", first, second, third);
        Refused("expected a shard of a build, found another file", first, second, _site.ModelPath);
        _site.Interrupt(told => told is { Stage: "photos", Done: >= 4 }, options);
        Refused("found the state of a whole one", first, second, _site.Unfinished);
    }

    [Fact]
    public void Merged_shards_are_not_thrown_away_by_another_build()
    {
        string merged = Merge(Options, 2);
        Assert.Equal(_site.Unfinished, merged);
        SnapViTException fault = Assert.Throws<SnapViTException>(() => _site.Build(Options with { Seed = 43 }));
        Assert.Contains("expected merged shards of this build, found those of another: seed 42 instead of 43", fault.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(merged));
    }

    [Fact]
    public void Shards_of_different_machines_are_merged_with_a_doubt()
    {
        string first = _site.Shard("1/2", Options), second = _site.Shard("2/2", Options);
        Assert.Null(ShardMerge.Merge([first, second], _site.Unfinished, TestContext.Current.CancellationToken).Doubt);
        Rewrite(second, metadata => metadata["build.machine"] = "64 threads");
        string? doubt = ShardMerge.Merge([second, first], _site.Unfinished, TestContext.Current.CancellationToken).Doubt;
        Assert.Contains("64 threads", doubt!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0/3")]
    [InlineData("4/3")]
    [InlineData("3")]
    [InlineData("1/0")]
    [InlineData("-1/3")]
    [InlineData("1/3/3")]
    [InlineData("1/99999999")]
    public void What_is_no_shard_is_refused(string text) =>
        Assert.Contains($"'{text}'", Assert.Throws<SnapViTException>(() => ImageShard.Parse(text)).Message, StringComparison.Ordinal);

    private byte[] Merged(BuildOptions options, int count, Action<BuildResult>? built = null)
    {
        File.Delete(_site.Out);
        Merge(options, count);
        string? begun = null;
        BuildResult result = _site.Build(options, told: text => begun = text);
        Assert.Contains($"in {count} shards", begun!, StringComparison.Ordinal);
        built?.Invoke(result);
        return File.ReadAllBytes(_site.Out);
    }

    private string Merge(BuildOptions options, int count)
    {
        string[] shards = [.. Enumerable.Range(1, count).Select(shard => _site.Shard($"{shard}/{count}", options))];
        Array.Reverse(shards);
        ShardMerge.Merge(shards, _site.Unfinished, TestContext.Current.CancellationToken);
        return _site.Unfinished;
    }

    private void Refused(string expected, params string[] shards)
    {
        SnapViTException fault = Assert.ThrowsAny<SnapViTException>(
            () => ShardMerge.Merge(shards, _site.Out + ".merged", TestContext.Current.CancellationToken));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault.Message);
        Assert.False(File.Exists(_site.Out + ".merged"));
    }

    private static void Rewrite(string path, Action<Dictionary<string, string>> edit)
    {
        Dictionary<string, string> metadata;
        List<TensorToWrite> tensors = [];
        using (SafetensorsReader file = SafetensorsReader.Open(path))
        {
            metadata = file.Metadata.ToDictionary();
            foreach (string name in file.Tensors.Keys)
            {
                tensors.Add(TensorToWrite.From(name, file.ReadDoubles(name), [.. file.Tensors[name].Shape]));
            }
        }

        edit(metadata);
        SafetensorsWriter.Write(path, tensors, metadata);
    }
}
