using System.Text.Json;
using SnapViT.Loading;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary><c>--correction sequential</c> of cut and eval, and what a cut model says about itself.</summary>
[LeakCheck]
public sealed class SequentialCorrectionTests : IDisposable
{
    private readonly Workspace _work = new Workspace().WithScores();

    public void Dispose() => _work.Dispose();

    private string Sequential => $"--correction sequential --images {_work.Photos}";

    [Fact]
    public async Task A_cut_model_measures_as_it_does_within_the_elastic_one()
    {
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --ratios 0.5:0.25 --out {_work.Out} {Sequential} {Workspace.Fixed}");
        JsonElement elastic = await CommandRun.Json(
            $"eval {_work.ModelPath} --scores {_work.Scores} --budgets 0.5:0.25 --test {_work.Photos} --train {_work.Photos} {Sequential} {Workspace.Fixed}");
        JsonElement alone = await CommandRun.Json($"eval {_work.Out} --test {_work.Photos} --train {_work.Photos} {Workspace.Fixed}");
        foreach (string figure in new[] { "parameters", "flops", "top1", "knn" })
        {
            Assert.Equal(elastic.GetProperty("rows")[0].GetProperty(figure).GetDouble(), alone.GetProperty("rows")[0].GetProperty(figure).GetDouble());
        }
    }

    [Fact]
    public async Task It_starts_from_the_original_weights_whatever_was_cut_before()
    {
        string line = $"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out} --force {Workspace.Fixed}";
        await CommandRun.Json($"{line} {Sequential}");
        byte[] first = File.ReadAllBytes(_work.Out);
        await CommandRun.Json(line);
        Assert.NotEqual(first, File.ReadAllBytes(_work.Out));
        await CommandRun.Json($"{line} {Sequential}");
        Assert.Equal(first, File.ReadAllBytes(_work.Out));
    }

    [Fact]
    public async Task It_starts_from_the_affine_correction_where_the_scores_have_moments()
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Scores} --force {Workspace.Fixed}");
        string line = $"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out} --force {Workspace.Fixed}";
        await CommandRun.Json(line);
        byte[] affine = File.ReadAllBytes(_work.Out);
        await CommandRun.Json($"{line} {Sequential}");
        Assert.NotEqual(affine, File.ReadAllBytes(_work.Out));
    }

    [Fact]
    public async Task A_correction_by_few_photos_is_in_doubt_from_the_build_on()
    {
        JsonElement build = await CommandRun.Json(
            $"build {_work.ModelPath} --images {_work.Photos} --samples 2 --calibration-views 0 --whole-images 0 --out {_work.Scores} --force {Workspace.Fixed}");
        string doubt = Assert.Single(build.GetProperty("doubts").EnumerateArray()).GetString()!;
        Assert.StartsWith("correction: fitted on 34 tokens (2 calibration images", doubt, StringComparison.Ordinal);
        string files = $"{_work.ModelPath} {_work.Scores} {Workspace.Fixed}";
        foreach (string line in new[] { $"plan {files} --flops 0.6", $"cut {files} --flops 0.6 --out {_work.Out} --force", $"eval {_work.ModelPath} --scores {_work.Scores} --budgets 0.6 --test {_work.Photos} {Workspace.Fixed}" })
        {
            Assert.Equal([doubt], OfCorrection(await CommandRun.Json(line)));
            Assert.Empty(OfCorrection(await CommandRun.Json($"{line} --correction none")));
        }

        static IEnumerable<string> OfCorrection(JsonElement result) => result.GetProperty("doubts").EnumerateArray().Select(said => said.GetString()!)
            .Where(said => said.StartsWith("correction:", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "none")]
    [InlineData("--correction sequential --images {0}", "sequential from the uncorrected sub-network")]
    public async Task The_file_beside_a_cut_model_says_what_it_is(string correction, string said)
    {
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out} {correction.Replace("{0}", _work.Photos, StringComparison.Ordinal)}");
        ModelConfig config = ModelConfig.FromJson(File.ReadAllText(_work.In("out.config.json")));
        using LoadedModel model = ModelFile.Load(_work.Out);
        Assert.Equal(said, config.Provenance["cut_correction"]);
        Assert.Equal(model.Model.Widths, config.Widths());
        Assert.Equal(model.Preprocessing, config.Preprocessing);
        Assert.Equal(model.Description.Provenance, config.Provenance);
    }

    [Fact]
    public async Task A_cut_model_whose_metadata_were_lost_is_read_by_the_file_beside_it()
    {
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out}");
        JsonElement before = await CommandRun.Json($"inspect {_work.Out}");
        CheckpointEdits.WithTensors(_work.Out, _ => { }, keepMetadata: false);
        JsonElement after = await CommandRun.Json($"inspect {_work.Out}");
        foreach (string fact in new[] { "blocks", "provenance", "parameters", "flops" })
        {
            Assert.Equal(before.GetProperty(fact).GetRawText(), after.GetProperty(fact).GetRawText());
        }
    }

    [Fact]
    public async Task A_damaged_file_beside_it_is_named_and_one_of_another_program_passed_over()
    {
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out}");
        string config = _work.Put("out.config.json", """{ "name": "of another program" }""");
        Assert.Equal(0, (await CommandRun.Of($"inspect {_work.Out}")).Code);
        CheckpointEdits.WithTensors(_work.Out, _ => { }, keepMetadata: false);
        _work.Put("out.config.json", """{ "Architecture": 3 }""");
        CommandRun run = await CommandRun.Of($"inspect {_work.Out}");
        Assert.Equal(1, run.Code);
        Assert.Contains($"{config}: not a valid model config", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_healed_model_opens_says_that_it_was_healed_and_is_the_same_again()
    {
        string line = $"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out} --force {Workspace.Fixed}";
        await CommandRun.Json(line);
        byte[] corrected = File.ReadAllBytes(_work.Out);
        await CommandRun.Json($"{line} --heal 2 --images {_work.Photos}");
        byte[] healed = File.ReadAllBytes(_work.Out);
        await CommandRun.Json($"{line} --heal 2 --images {_work.Photos}");

        Assert.NotEqual(corrected, healed);
        Assert.Equal(healed, File.ReadAllBytes(_work.Out));
        Assert.Matches("healed: 2 epochs of \\d+ photos", (await CommandRun.Of($"inspect {_work.Out}")).Output + File.ReadAllText(ModelFile.ConfigPath(_work.Out)));
    }

    [Theory]
    [InlineData("--flops 0.6 --heal 2", "--heal: expected --images DIR with it")]
    [InlineData("--flops 0.6 --heal 0", "--heal: expected at least 1 epoch, found 0")]
    [InlineData("--size 1MB --heal 2 --images {photos}", "--heal: expected a budget that is not in bytes")]
    public async Task Healing_without_what_it_needs_is_refused(string options, string expected)
    {
        CommandRun run = await CommandRun.Of(
            $"cut {_work.ModelPath} {_work.Scores} {options.Replace("{photos}", _work.Photos, StringComparison.Ordinal)} --out {_work.Out}");

        Assert.Equal(1, run.Code);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }
}
