using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Loading;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>The main job through the command: build, cut, eval, inspect.</summary>
[LeakCheck]
public sealed class MainPathTests : IAsyncLifetime
{
    private readonly Workspace _work = new();

    public async ValueTask InitializeAsync() => await CommandRun.Json(_work.BuildLine(_work.Scores));

    public ValueTask DisposeAsync()
    {
        _work.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void A_build_leaves_its_scores_and_nothing_else() => Assert.Equal(["model.safetensors", "scores.safetensors"], _work.Files());

    [Fact]
    public async Task A_build_tells_its_fitness_and_where_it_came_from()
    {
        JsonElement build = await CommandRun.Json(_work.BuildLine(_work.Out));
        Assert.Equal(_work.Out, build.GetProperty("out").GetString());
        Assert.Equal(5, build.GetProperty("fitness_history").GetArrayLength());
        Assert.Equal(build.GetProperty("fitness_c0").GetDouble(), build.GetProperty("fitness_history")[0].GetDouble());
        Assert.InRange(build.GetProperty("fitness_best").GetDouble(), 0, build.GetProperty("fitness_c0").GetDouble());
        Assert.Equal(ModelFile.Hash(_work.ModelPath), build.GetProperty("provenance").GetProperty("model_sha256").GetString());
        Assert.Equal(0, build.GetProperty("skipped").GetArrayLength());
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_file_and_another_seed_another()
    {
        await CommandRun.Json(_work.BuildLine(_work.Out));
        Assert.Equal(File.ReadAllBytes(_work.Scores), File.ReadAllBytes(_work.Out));
        await CommandRun.Json(_work.BuildLine(_work.Out) + " --seed 7");
        Assert.NotEqual(File.ReadAllBytes(_work.Scores), File.ReadAllBytes(_work.Out));
    }

    [Fact]
    public async Task Eval_measures_shares_of_the_FLOPs_where_the_scores_hold_a_frontier()
    {
        JsonElement eval = await CommandRun.Json($"eval {_work.ModelPath} --scores {_work.Scores} --test {_work.Photos} {Workspace.Fixed}");
        double whole = eval.GetProperty("unpruned").GetProperty("flops").GetInt64();
        JsonElement[] rows = [.. eval.GetProperty("rows").EnumerateArray()];
        Assert.Equal(["0.9", "0.8", "0.7", "0.6", "0.5", "0.4"], rows.Select(row => row.GetProperty("budget").GetString()));
        Assert.All(rows.Zip([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), pair => Assert.InRange(pair.First.GetProperty("flops").GetInt64() / whole, pair.Second - 0.2, pair.Second));
        Assert.True(rows[^1].GetProperty("removed").GetProperty("tokens").GetDouble() > 0);
    }

    [Fact]
    public async Task Eval_measures_the_six_budgets_of_the_paper_beside_the_unpruned_model_where_they_hold_none()
    {
        using Workspace other = new Workspace().WithScores();
        JsonElement eval = await CommandRun.Json($"eval {_work.ModelPath} --scores {other.Scores} --test {_work.Photos} --train {_work.Photos} {Workspace.Fixed}");
        ViTArchitecture a = SmallModels.Vit;
        Assert.Equal(CostModel.Flops(a, a.FullWidths), eval.GetProperty("unpruned").GetProperty("flops").GetInt64());
        JsonElement[] rows = [.. eval.GetProperty("rows").EnumerateArray()];
        Assert.Equal(PruningRatios.Paper.Count, rows.Length);
        foreach ((JsonElement row, PruningRatios ratios) in rows.Zip(PruningRatios.Paper))
        {
            string[] names = [.. row.EnumerateObject().Select(property => property.Name)];
            Assert.Equal([
                    "budget", "removed", "parameters", "flops", .. OfAccuracy("top1"), .. OfAccuracy("knn"), .. OfAccuracy("weighted_knn"),
                    "images_per_second", "images", "knn_images", "most_changed", "blocks",
                ],
                names);
            Assert.InRange(row.GetProperty("removed").GetProperty("neurons").GetDouble(), ratios[Axis.Neurons] - (1.0 / (a.Depth * a.MlpDim)), ratios[Axis.Neurons]);
            Assert.InRange(row.GetProperty("removed").GetProperty("heads").GetDouble(), ratios[Axis.Heads] - (1.0 / (a.Depth * a.Heads)), ratios[Axis.Heads]);
            Assert.Equal(ratios.ToString(), row.GetProperty("budget").GetString());
            Assert.InRange(row.GetProperty("top1").GetDouble(), 0, 1);
            Assert.InRange(row.GetProperty("knn").GetDouble(), 0, 1);
            Assert.True(row.GetProperty("images_per_second").GetDouble() > 0);
            double[] interval = [.. row.GetProperty("top1_interval").EnumerateArray().Select(end => end.GetDouble())];
            Assert.InRange(row.GetProperty("top1").GetDouble(), interval[0], interval[1]);
            Assert.Equal(
                eval.GetProperty("unpruned").GetProperty("top1").GetDouble() - row.GetProperty("top1").GetDouble(),
                row.GetProperty("top1_loss").GetDouble(), 12);
            Assert.Equal(eval.GetProperty("classes").GetArrayLength(), row.GetProperty("top1_per_class").GetArrayLength());
        }

        Assert.False(eval.GetProperty("unpruned").TryGetProperty("top1_loss", out _));
        Assert.True(eval.GetProperty("peak_memory_bytes").GetInt64() > 0);
        Assert.Equal(rows.OrderByDescending(row => row.GetProperty("flops").GetInt64()), rows);

        static string[] OfAccuracy(string name) => [name, $"{name}_interval", $"{name}_loss", $"{name}_loss_interval", $"{name}_per_class"];
    }

    [Fact]
    public async Task Eval_measures_only_what_it_can()
    {
        JsonElement eval = await CommandRun.Json($"eval {_work.ModelPath} --test {_work.Photos} {Workspace.Fixed}");
        JsonElement row = Assert.Single(eval.GetProperty("rows").EnumerateArray());
        Assert.False(row.TryGetProperty("knn", out _));
        Assert.True(JsonElement.DeepEquals(row, eval.GetProperty("unpruned")));
        Assert.Equal(0, row.GetProperty("removed").GetProperty("neurons").GetDouble());
    }

    [Fact]
    public async Task Budgets_of_a_list_are_shares_or_pairs()
    {
        JsonElement eval = await CommandRun.Json(
            $"eval {_work.ModelPath} --scores {_work.Scores} --budgets 0.6,0.5:0.25 --test {_work.Photos} {Workspace.Fixed}");
        JsonElement[] rows = [.. eval.GetProperty("rows").EnumerateArray()];
        double full = eval.GetProperty("unpruned").GetProperty("flops").GetInt64();
        Assert.Equal(2, rows.Length);
        Assert.InRange(rows[0].GetProperty("flops").GetInt64() / full, 0.55, 0.6);
        Assert.Equal((0.5, 0.25), (rows[1].GetProperty("removed").GetProperty("neurons").GetDouble(), rows[1].GetProperty("removed").GetProperty("heads").GetDouble()));
    }

    [Fact]
    public async Task A_cut_model_is_a_model_for_every_verb_and_measures_as_it_did_within_the_elastic_one()
    {
        JsonElement cut = await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --ratios 0.5:0.25 --out {_work.Out}");
        JsonElement elastic = await CommandRun.Json(
            $"eval {_work.ModelPath} --scores {_work.Scores} --budgets 0.5:0.25 --test {_work.Photos} --train {_work.Photos} {Workspace.Fixed}");
        JsonElement alone = await CommandRun.Json($"eval {_work.Out} --test {_work.Photos} --train {_work.Photos} {Workspace.Fixed}");
        JsonElement expected = Assert.Single(elastic.GetProperty("rows").EnumerateArray());
        JsonElement found = Assert.Single(alone.GetProperty("rows").EnumerateArray());
        foreach (string figure in new[] { "parameters", "flops", "top1", "knn" })
        {
            Assert.Equal(expected.GetProperty(figure).GetDouble(), found.GetProperty(figure).GetDouble());
        }

        JsonElement inspect = await CommandRun.Json($"inspect {_work.Out}");
        Assert.Equal(cut.GetProperty("parameters").GetInt64(), inspect.GetProperty("parameters").GetInt64());
        Assert.Equal(cut.GetProperty("flops").GetInt64(), inspect.GetProperty("flops").GetInt64());
        Assert.Equal(cut.GetProperty("blocks").GetRawText(), inspect.GetProperty("blocks").GetRawText());
        Assert.Equal("0.5:0.25", inspect.GetProperty("provenance").GetProperty("removed").GetString());
    }

    [Theory]
    [InlineData("--flops 1.0", 1.0)]
    [InlineData("--params 1.0", 1.0)]
    [InlineData("--ratios 0:0", 1.0)]
    [InlineData("--params 0.7", 0.7)]
    [InlineData("--params 5K", 5000.0)]
    public async Task A_cut_keeps_at_most_what_was_asked_for_and_hardly_less(string budget, double share)
    {
        JsonElement cut = await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} {budget} --out {_work.Out}");
        double all = CostModel.Parameters(SmallModels.Vit, SmallModels.Vit.FullWidths), kept = cut.GetProperty("parameters").GetInt64() / all;
        double most = share > 1 ? share / all : share;
        Assert.InRange(kept, most == 1 ? 1 : most - 0.05, most);
    }

    [Fact]
    public async Task Inspect_shows_what_a_model_and_a_scores_file_hold()
    {
        JsonElement model = await CommandRun.Json($"inspect {_work.ModelPath}");
        Assert.Equal("model", model.GetProperty("kind").GetString());
        Assert.Equal(3, model.GetProperty("blocks").GetArrayLength());
        JsonElement scores = await CommandRun.Json($"inspect {_work.Scores}");
        Assert.Equal("scores", scores.GetProperty("kind").GetString());
        Assert.Equal("42", scores.GetProperty("provenance").GetProperty("seed").GetString());
        Assert.Equal(3, scores.GetProperty("blocks").GetArrayLength());
    }

    [Fact]
    public async Task People_get_text_and_progress_lines()
    {
        CommandRun build = await CommandRun.Of(_work.BuildLine(_work.Out));
        Assert.Contains("photos 12/12", build.Error, StringComparison.Ordinal);
        Assert.Contains("search 5/5", build.Error, StringComparison.Ordinal);
        Assert.Contains($"{_work.Out}: fitness ", build.Output, StringComparison.Ordinal);
        CommandRun cut = await CommandRun.Of($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out} --force");
        Assert.Contains("of the neurons", cut.Output, StringComparison.Ordinal);
        CommandRun eval = await CommandRun.Of($"eval {_work.ModelPath} --scores {_work.Scores} --test {_work.Photos} {Workspace.Fixed}");
        Assert.Contains("images/s", eval.Output, StringComparison.Ordinal);
        CommandRun inspect = await CommandRun.Of($"inspect {_work.ModelPath}");
        Assert.Contains("4 of 4", inspect.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("build")]
    [InlineData("eval")]
    public async Task One_corrupt_photo_among_good_ones_is_named_and_skipped(string verb)
    {
        string photo = Path.Combine(_work.Photos, "b/04.jpg");
        File.WriteAllBytes(photo, File.ReadAllBytes(photo).AsSpan(0, 200));
        string line = verb == "build" ? _work.BuildLine(_work.Out) : $"eval {_work.ModelPath} --test {_work.Photos} {Workspace.Fixed}";
        JsonElement json = await CommandRun.Json(line);
        JsonElement skipped = Assert.Single(json.GetProperty("skipped").EnumerateArray());
        Assert.Equal("b/04.jpg", skipped.GetProperty("name").GetString());
        CommandRun text = await CommandRun.Of(line);
        Assert.Contains("skipped b/04.jpg: ", text.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flat_photos_take_their_classes_from_a_label_file()
    {
        Directory.CreateDirectory(_work.In("flat"));
        foreach (string photo in Directory.EnumerateFiles(_work.Photos, "*", SearchOption.AllDirectories))
        {
            File.Copy(photo, Path.Combine(_work.In("flat"), $"{Path.GetFileName(Path.GetDirectoryName(photo))}_{Path.GetFileName(photo)}"));
        }

        string labels = _work.Put("labels.txt", "a ant\nb bee\nc cat\n");
        JsonElement flat = await CommandRun.Json($"eval {_work.ModelPath} --test {_work.In("flat")} --labels {labels} {Workspace.Fixed}");
        JsonElement folders = await CommandRun.Json($"eval {_work.ModelPath} --test {_work.Photos} {Workspace.Fixed}");
        Assert.Equal(Top1(folders), Top1(flat));

        static double Top1(JsonElement eval) => eval.GetProperty("rows")[0].GetProperty("top1").GetDouble();
    }
}
