using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>
/// Every mistake of a user is exit code 1 and one line on standard error that names the file or option, what was expected and what was found:
/// no stack trace, no output, nothing under the final name.
/// </summary>
[LeakCheck]
public sealed class BadInputTests : IDisposable
{
    private readonly Workspace _work = new Workspace().WithScores();

    public void Dispose() => _work.Dispose();

    public static TheoryData<string, string> Damages => new()
    {
        { "truncated", "lie outside the data" },
        { "garbage", "expected a model in safetensors or PyTorch format, found text" },
        { "empty", "expected a model in safetensors or PyTorch format, found an empty file" },
        { "huge header", "expected a header of at most 100000000 bytes, found a length of 9223372036854775808" },
        { "wrong shape", "tensor 'blocks.1.mlp.fc1.weight': expected shape [24, 16], found [23, 16]" },
        { "missing tensor", "tensor 'cls_token': expected shape [1, 1, 16], found no such tensor" },
        { "NaN weights", "tensor 'blocks.2.mlp.fc2.weight': expected finite values, found 1 NaN or infinite of 384" },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_model_is_refused_by_every_verb(string damage, string fault)
    {
        Damage(_work.ModelPath, damage);
        await Refused(_work.BuildLine(_work.Out), _work.ModelPath, fault);
        await Refused($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out}", _work.ModelPath, fault);
        await Refused($"eval {_work.ModelPath} --test {_work.Photos}", _work.ModelPath, fault);
        if (damage != "NaN weights")
        {
            // To inspect reads no value.
            await Refused($"inspect {_work.ModelPath}", _work.ModelPath, fault);
        }
    }

    [Theory]
    [InlineData("build {0}/none.safetensors --images {0}/photos --out {0}/out.safetensors", "cannot read {0}/none.safetensors: there is no such file")]
    [InlineData("cut {0}/none.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors", "cannot read {0}/none.safetensors: there is no such file")]
    [InlineData("cut {0}/model.safetensors {0}/none.safetensors --flops 0.6 --out {0}/out.safetensors", "cannot read {0}/none.safetensors: there is no such file")]
    [InlineData("eval {0}/none.safetensors --test {0}/photos", "cannot read {0}/none.safetensors: there is no such file")]
    [InlineData("eval {0}/model.safetensors --scores {0}/none.safetensors --test {0}/photos", "cannot read {0}/none.safetensors: there is no such file")]
    [InlineData("eval {0}/model.safetensors --labels {0}/none.txt --test {0}/photos", "{0}/none.txt")]
    [InlineData("inspect {0}/none.safetensors", "cannot read {0}/none.safetensors: there is no such file")]
    public Task A_file_that_is_not_there_is_named(string line, string fault) => Refused(In(line), In(fault));

    [Theory]
    [InlineData("build {0}/model.safetensors --images {0}/none --out {0}/out.safetensors", "{0}/none: there is no such folder")]
    [InlineData("build {0}/model.safetensors --images {0}/model.safetensors --out {0}/out.safetensors", "{0}/model.safetensors: expected a folder of images, an archive or a data set, found a file of another kind")]
    [InlineData("build {0}/model.safetensors --images {0}/void --out {0}/out.safetensors", "{0}/void: expected JPEG, PNG, WebP, BMP or TIFF images, found an empty folder")]
    [InlineData("build {0}/model.safetensors --images {0}/texts --out {0}/out.safetensors", "{0}/texts: expected JPEG, PNG, WebP, BMP or TIFF images, found files that are no images: 2 (1.txt, ...)")]
    [InlineData("build {0}/model.safetensors --images {0}/renamed --out {0}/out.safetensors", "1.jpg: more than 10 % of 2 files cannot be read as images, this one first: ")]
    [InlineData("eval {0}/model.safetensors --test {0}/void", "{0}/void: expected JPEG, PNG, WebP, BMP or TIFF images, found an empty folder")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos/a", "{0}/photos/a: expected labels: one sub-folder per class, or a list of labels for a flat folder; found none")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos/a --labels {0}/texts/1.txt", "{0}/photos/a: 00.jpg: the prefix '00' is not in {0}/texts/1.txt")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --labels {0}/empty.txt", "{0}/empty.txt: expected one class per line, found an empty file")]
    public async Task A_folder_that_holds_no_images_is_named(string line, string fault)
    {
        Directory.CreateDirectory(_work.In("void"));
        _work.Put("texts/1.txt", "n01 one text");
        _work.Put("texts/2.txt", "n02 another text");
        _work.Put("renamed/1.jpg", "a text that calls itself an image");
        _work.Put("renamed/2.jpg", "a text that calls itself an image");
        _work.Put("empty.txt", "");
        await Refused(In(line), In(fault));
    }

    [Theory]
    [InlineData("--samples 0", "samples: expected at least 1, found 0")]
    [InlineData("--samples -3", "samples: expected at least 1, found -3")]
    [InlineData("--samples many", "'many' for option '--samples'")]
    [InlineData("--evaluations -1", "evaluations: expected 0 or more, found -1")]
    [InlineData("--batch 0", "batch: expected at least 1, found 0")]
    [InlineData("--samples 0 --batch 0", "samples: expected at least 1, found 0; batch: expected at least 1, found 0")]
    [InlineData("--criterion best", "--criterion: Argument 'best' not recognized. Must be one of: 'ssl' 'fisher'")]
    [InlineData("--crops 3", "--crops: Argument '3' not recognized. Must be one of: 'reference' 'independent'")]
    [InlineData("--seed -1", "'-1' for option '--seed'")]
    [InlineData("--threads -1", "--threads: expected 0 or more, found -1")]
    [InlineData("--precision fp64", "--precision: Argument 'fp64' not recognized. Must be one of: 'fp32' 'bf16' 'auto'")]
    [InlineData("--device tpu", "--device: Argument 'tpu' not recognized. Must be one of: 'cpu' 'cuda'")]
    [InlineData("--preprocess blur", "--preprocess: Argument 'blur' not recognized. Must be one of: 'reference' 'dino' 'deit' 'deit3' ")]
    [InlineData("--neuron-floor 0,5", "--neuron-floor: expected a number such as 0.25, found '0,5' (decimals follow a point)")]
    [InlineData("--whole-images 1,5", "--whole-images: expected a number such as 0.25, found '1,5' (decimals follow a point)")]
    [InlineData("--prefix-weight NaN", "--prefix-weight: expected a number such as 0.25, found 'NaN'")]
    [InlineData("--feature-share half", "--feature-share: expected a number such as 0.25, found 'half'")]
    [InlineData("--samples 2,5", "'2,5' for option '--samples'")]
    [InlineData("--head-damping mean:0,05", "share of 0 or more, as in mean:0.01, found 'mean:0,05'")]
    [InlineData("--neuron-floor 1.5", "floors: expected fractions in 0..1, found 1.5 of neurons and 0.2 of heads")]
    [InlineData("--neuron-floor 0.5", "neurons: a ratio of 0.55 removes 39, but the floors of the blocks leave only 36 to remove")]
    [InlineData("--head-floor 1", "heads: a ratio of 0.2 removes 2, but the floors of the blocks leave only 0 to remove")]
    [InlineData("--frobnicate", "'--frobnicate'")]
    public Task An_option_of_build_that_cannot_be_is_named(string option, string fault) =>
        Refused($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Out} {option}", fault);

    [Theory]
    [InlineData("--ratios 1.0:1.0", "neurons: a ratio of 1 removes 72, but the floors of the blocks leave only 69 to remove")]
    [InlineData("--ratios 0.98:0", "neurons: a ratio of 0.98 removes 70, but the floors of the blocks leave only 69 to remove")]
    [InlineData("--ratios 1.2:0", "ratios: expected shares in 0..1, found 1.2 and 0")]
    [InlineData("--ratios NaN:0", "budget 'NaN:0': expected two removed ratios such as 0.45:0.3")]
    [InlineData("--flops 0.01", "the floors of the blocks allow no fewer than")]
    [InlineData("--flops 0,6", "budget '0,6': expected a share kept such as 0.6")]
    [InlineData("--params 2,5M", "budget '2,5M': expected a share kept such as 0.6")]
    [InlineData("--flops 0", "FLOPs: expected a share kept above 0 and up to 1 (1 is the whole model), found 0")]
    [InlineData("--flops 1.5", "FLOPs: expected a share kept above 0 and up to 1 (1 is the whole model), found 1.5")]
    [InlineData("--params 22", "parameters: expected a share kept above 0 and up to 1 (1 is the whole model), found 22; absolute figures take a suffix such as M or G")]
    [InlineData("--params 10", "found 10")]
    [InlineData("--params small", "budget 'small': expected a share kept such as 0.6")]
    [InlineData("", "budget: expected one of --flops, --params, --size, --latency and --ratios, found 0")]
    [InlineData("--flops 0.5 --params 0.5", "budget: expected one of --flops, --params, --size, --latency and --ratios, found 2")]
    [InlineData("--size 1KB", "size: at most 1000 bytes asked for, but the floors of the blocks allow no fewer than ")]
    [InlineData("--size 2", "size: expected a share kept above 0 and up to 1 (1 is the whole model), found 2; absolute figures take a suffix such as MB")]
    [InlineData("--size 40M", "expected a share kept such as 0.6, or a size such as 40MB or 38MiB")]
    [InlineData("--latency 1us --latency-table {0}/photos/table.json", "latency: at most 0.001 ms asked for, but the floors of the blocks allow no less than ")]
    [InlineData("--latency 12", "latency: expected a share kept above 0 and up to 1 (1 is the whole model), found 12; absolute figures take a suffix such as ms")]
    [InlineData("--latency 0.5 --latency-batch 0", "--latency-batch: expected at least 1, found 0")]
    [InlineData("--latency 0.5 --latency-table {0}/none/table.json", "{0}/none/table.json: expected a folder {0}/none to write into, found none")]
    [InlineData("--latency 0.5 --latency-table {0}/photos/a/00.jpg", "{0}/photos/a/00.jpg: no valid latency table")]
    [InlineData("--latency 0.5 --latency-table {0}/model.safetensors", "--latency-table {0}/model.safetensors: would replace what is read, MODEL {0}/model.safetensors")]
    [InlineData("--ratios 0.5", "budget '0.5': expected two removed ratios such as 0.45:0.3")]
    [InlineData("--flops 0.6 --align 24", "--align: expected 8, 16, 32 or 64, or 1 for none, found 24")]
    [InlineData("--flops 0.6 --allocation best", "--allocation: Argument 'best' not recognized. Must be one of: 'auto' 'frontier' 'pools' 'joint'")]
    [InlineData("--flops 0.01 --align 8", "the floors of the blocks, aligned to 8, allow no fewer than ")]
    public async Task A_budget_that_cannot_be_is_refused_with_the_numbers(string budget, string fault)
    {
        await Refused(In($"cut {{0}}/model.safetensors {{0}}/scores.safetensors {budget} --out {_work.Out} --threads 1"), In(fault));
        await Refused(In($"plan {{0}}/model.safetensors {{0}}/scores.safetensors {budget} --threads 1"), In(fault));
    }

    [Theory]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --budgets 0.6", "--budgets: expected --scores FILE with it")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --scores {0}/scores.safetensors --budgets 0.6,", "budget '': expected a share")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --scores {0}/scores.safetensors --budgets 0.6,size=1KB", "size: at most 1000 bytes asked for")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --scores {0}/scores.safetensors --budgets weight=1KB", "budget 'weight=1KB': expected one of flops, params, size, latency, ratios before '='")]
    [InlineData("plan {0}/model.safetensors {0}/model.safetensors --flops 0.6", "{0}/model.safetensors: expected a scores file made by 'snapvit build', found another safetensors file")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --scores {0}/scores.safetensors --budgets 0.01", "the floors of the blocks allow no fewer than")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --batch 0", "batch: expected at least 1, found 0")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --scores {0}/model.safetensors", "{0}/model.safetensors: expected a scores file made by 'snapvit build', found another safetensors file")]
    [InlineData("cut {0}/model.safetensors {0}/model.safetensors --flops 0.6 --out {0}/out.safetensors", "{0}/model.safetensors: expected a scores file made by 'snapvit build', found another safetensors file")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6", "expected at least one file to write: --out, ")]
    public Task A_request_that_does_not_fit_its_files_is_refused(string line, string fault) => Refused(In(line), In(fault));

    [Fact]
    public async Task Scores_of_another_model_are_refused_with_both_hashes()
    {
        SmallModels.Save(_work.ModelPath, SmallModels.Vit, seed: 5);
        string fault = "expected the model that the scores were made for (sha256 ";
        await Refused($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out}", _work.ModelPath, fault);
        await Refused($"plan {_work.ModelPath} {_work.Scores} --flops 0.6", _work.ModelPath, fault);
        await Refused($"eval {_work.ModelPath} --scores {_work.Scores} --test {_work.Photos}", _work.ModelPath, fault);
        await Refused($"export {_work.ModelPath} {_work.Scores} --onnx-family {_work.In("family")} --budgets 0.6", _work.ModelPath, fault);
        Assert.False(Directory.Exists(_work.In("family")));
    }

    // One image has 17 tokens, fewer than the 24 neurons of a block.
    [Fact]
    public async Task Second_moments_of_fewer_tokens_than_neurons_need_damping()
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Scores} --force --samples 1 --calibration-views 0 {Workspace.Fixed}");
        string line = $"cut {_work.ModelPath} {_work.Scores} --ratios 0.5:0 --out {_work.Out}";
        await Refused($"{line} --damping mean:0", ".mlp.fc2: correction: the second moments are singular: use more calibration images or damping above 0");
        Assert.Equal(0, (await CommandRun.Of($"{line} --damping max:0.1")).Code);
    }

    [Fact]
    public async Task Activations_that_are_not_finite_are_refused_before_they_spoil_weights()
    {
        CheckpointEdits.WithValue(_work.ModelPath, "blocks.1.mlp.fc1.weight", 3, 3e38f);
        CheckpointEdits.WithValue(_work.ModelPath, "blocks.1.mlp.fc1.weight", 4, 3e38f);
        _work.WithScores();
        await Refused(_work.BuildLine(_work.Out), "NaN or infinite");
        await Refused(_work.BuildLine(_work.Out) + " --preset reference", "NaN or infinite");
        CommandRun cut = await CommandRun.Of($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --correction sequential --images {_work.Photos} --out {_work.Out}");
        Assert.Equal((1, ""), (cut.Code, cut.Output));
        string said = cut.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];
        Assert.StartsWith("snapvit: blocks.1.mlp.fc2: correction: expected finite second moments, found NaN or infinite ones", said, StringComparison.Ordinal);
        Assert.False(File.Exists(_work.Out));
    }

    [Theory]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors --correction sequential", "--correction sequential: expected --images DIR with it")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors --correction sequential --images {0}/none", "{0}/none: there is no such folder")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors --images {0}/photos", "--images: expected --correction sequential, --heal, or --fp16 or --int8 with it")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors --correction affine --damping much", "--damping: expected mean, max or percentile and a finite share of 0 or more, as in mean:0.01, found 'much'")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors --correction affine --damping mean:-1", "--damping: expected mean, max or percentile and a finite share of 0 or more, as in mean:0.01, found 'mean:-1'")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/out.safetensors --head-damping 0.1", "--head-damping: expected mean, max or percentile and a finite share of 0 or more, as in mean:0.01, found '0.1'")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/out.safetensors --neuron-damping mean:NaN", "--neuron-damping: expected mean, max or percentile and a finite share of 0 or more, as in mean:0.01, found 'mean:NaN'")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/out.safetensors --calibration-views -1", "calibration views: expected 0 or more, found -1")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/out.safetensors --whole-images 1", "whole image share: expected 0 or more and below 1, found 1")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/out.safetensors --feature-share 2", "feature share: expected 0..1, found 2")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/out.safetensors --last-prefix-weight 0", "last prefix weight: expected a finite figure above 0, found 0")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors --correction affine", "expected scores with second moments for a correction, found none")]
    [InlineData("eval {0}/model.safetensors --scores {0}/scores.safetensors --test {0}/photos --correction sequential", "--correction sequential: expected --images DIR with it")]
    [InlineData("eval {0}/model.safetensors --scores {0}/scores.safetensors --test {0}/photos --images {0}/photos", "--images: expected --scores FILE and --correction sequential with it")]
    [InlineData("export {0}/model.safetensors {0}/scores.safetensors --onnx-family {0}/family --budgets 0.6 --correction sequential", "Must be one of: 'auto' 'none' 'sparsegpt' 'affine'")]
    public Task A_correction_that_cannot_be_is_refused(string line, string fault) => Refused(In(line), In(fault));

    [Fact]
    public async Task A_criterion_of_labels_is_refused_without_them()
    {
        await Refused(
            $"build {_work.ModelPath} --images {_work.Photos}/a --out {_work.Out} --criterion cross-entropy",
            $"{_work.Photos}/a: expected labels: one sub-folder per class, or a list of labels for a flat folder; found none");
        SmallModels.Save(_work.ModelPath, SmallModels.Architecture("dinov2"));
        await Refused(
            $"build {_work.ModelPath} --images {_work.Photos} --out {_work.Out} --criterion snip-magnitude-cross-entropy",
            $"criterion snip-magnitude-cross-entropy: expected a model with a classifier, found none in {_work.ModelPath}");
    }

    [Fact]
    public async Task A_model_that_was_cut_already_is_refused_where_a_whole_one_is_needed()
    {
        SmallModels.Save(_work.ModelPath, SmallModels.Vit, SmallModels.Uneven(SmallModels.Vit));
        await Refused(_work.BuildLine(_work.Out), _work.ModelPath, "expected an unpruned model, found one whose blocks were cut: ");
        Workspace.SaveScores(_work.ModelPath, _work.Scores);
        await Refused($"plan {_work.ModelPath} {_work.Scores} --flops 0.6", "model: expected an unpruned one, found widths 4h/");
    }

    [Theory]
    [InlineData("{0}/none/out.safetensors", "{0}/none/out.safetensors: expected a folder {0}/none to write into, found none")]
    [InlineData("{0}/photos", "{0}/photos: expected a file to write, found a folder")]
    [InlineData("/proc/out.safetensors", "/proc/out.safetensors: expected a folder /proc that can be written, found one where no file can be created")]
    public async Task An_output_that_cannot_be_written_is_named_before_any_work(string path, string fault)
    {
        Assert.SkipUnless(Directory.Exists("/proc") || !path.StartsWith("/proc", StringComparison.Ordinal), "needs /proc, a folder that not even root can write");
        await Refused(_work.BuildLine(In(path)), In(fault));
        await Refused(In($"cut {{0}}/model.safetensors {{0}}/scores.safetensors --flops 0.6 --out {path}"), In(fault));
    }

    [Fact]
    public async Task A_folder_where_the_unfinished_state_must_lie_is_named_before_any_work()
    {
        Directory.CreateDirectory(_work.Out + ".unfinished");
        await Refused(_work.BuildLine(_work.Out), $"{_work.Out}.unfinished: expected a file to write, found a folder");
    }

    [Theory]
    [InlineData("--json", "build, plan, cut, eval, inspect", "found no verb")]
    [InlineData("frobnicate", "build, plan, cut, eval, inspect", "found 'frobnicate' (see 'snapvit --help')")]
    [InlineData("biuld m --imgs p", "found 'biuld'; did you mean snapvit build? (see 'snapvit --help')", "snapvit: ")]
    [InlineData("evaluate m", "found 'evaluate'; did you mean snapvit eval?", "snapvit: ")]
    [InlineData("prune m s", "found 'prune'; did you mean snapvit cut?", "snapvit: ")]
    [InlineData("--jsn", "there is no option '--jsn'; did you mean --json?", "snapvit: ")]
    [InlineData("build m --image photos --out o", "there is no option '--image'; did you mean --images? (see 'snapvit build --help')", "snapvit: ")]
    [InlineData("build m --images photos --out o --bacth=3", "there is no option '--bacth'; did you mean --batch?", "snapvit: ")]
    [InlineData("build m --images photos --out o --thread 3", "there is no option '--thread'; did you mean --threads?", "snapvit: ")]
    [InlineData("build m --images photos --out o --frobnicate", "there is no option '--frobnicate' (see ", "snapvit: ")]
    [InlineData("build m --images photos --out o --preset refrence", "--preset: Argument 'refrence' not recognized.", "did you mean reference?")]
    [InlineData("build", "--images", "is required")]
    [InlineData("build model.safetensors --images photos", "--out", "is required")]
    [InlineData("eval model.safetensors", "--test", "is required")]
    [InlineData("eval --test photos", "Required argument 'MODEL' missing", "snapvit eval --help")]
    [InlineData("inspect", "Required argument 'FILE' missing", "snapvit inspect --help")]
    [InlineData("inspect model.safetensors --unknown", "'--unknown'", "snapvit inspect --help")]
    public Task A_command_line_that_says_too_little_or_too_much_is_told_so(string line, string fault, string hint) => Refused(line, fault, hint);

    [Fact]
    public async Task Where_an_error_came_from_is_shown_on_request()
    {
        CommandRun run = await CommandRun.Of($"inspect {_work.In("none.safetensors")} --verbose");
        Assert.Equal(1, run.Code);
        Assert.Contains("   at SnapViT.", run.Error, StringComparison.Ordinal);
    }

    private string In(string text) => text.Replace("{0}", _work.Root, StringComparison.Ordinal);

    private async Task Refused(string line, params string[] says)
    {
        string[] before = _work.Files();
        CommandRun run = await CommandRun.Of(line);
        Assert.Equal((1, line.Contains("--json", StringComparison.Ordinal)), (run.Code, run.Output.Length > 0));
        string said = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), text => !text.Contains(" %: ", StringComparison.Ordinal) && !text.StartsWith("no latencies ", StringComparison.Ordinal));
        Assert.StartsWith("snapvit: ", said, StringComparison.Ordinal);
        Assert.All(says, part => Assert.Contains(part, said, StringComparison.Ordinal));
        Assert.Equal(before, _work.Files());
    }

    private static void Damage(string path, string damage) => _ = damage switch
    {
        "truncated" => CheckpointEdits.CutShort(path, 0.7),
        "garbage" => Write(path, "this is a text file and no checkpoint at all"u8),
        "empty" => Write(path, []),
        "huge header" => CheckpointEdits.WithHeaderLength(path, 1UL << 63),
        "wrong shape" => CheckpointEdits.WithShape(path, "blocks.1.mlp.fc1.weight", 23, 16),
        "missing tensor" => CheckpointEdits.WithTensors(path, tensors => tensors.Remove("cls_token")),
        "NaN weights" => CheckpointEdits.WithValue(path, "blocks.2.mlp.fc2.weight", 17, float.NaN),
        _ => throw new ArgumentOutOfRangeException(nameof(damage), damage, "no such damage"),
    };

    private static string Write(string path, ReadOnlySpan<byte> content)
    {
        File.WriteAllBytes(path, content);
        return path;
    }
}
