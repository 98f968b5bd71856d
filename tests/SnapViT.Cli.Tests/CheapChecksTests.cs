using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>
/// What is wrong with a command line is said before any work. Here every input that takes time to read is broken, so that a check which came after the
/// reading would never be reached.
/// </summary>
[LeakCheck]
public sealed class CheapChecksTests : IDisposable
{
    private readonly Workspace _work = new Workspace().WithScores();

    public CheapChecksTests()
    {
        _work.Put("broken.safetensors", "no model");
        _work.Put("unreadable/a/1.jpg", "no photo");
        _work.Put("others/x/1.jpg", "no photo");
        Directory.CreateDirectory(_work.In("void"));
        Directory.CreateDirectory(_work.In("folder"));
        _work.Put("full/file", "of somebody");
    }

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("build MODEL --images PHOTOS --out {0}/none/new", "{0}/none/new: expected a folder {0}/none to write into, found none")]
    [InlineData("build MODEL --images PHOTOS --out {0}/folder", "{0}/folder: expected a file to write, found a folder")]
    [InlineData("build MODEL --images {0}/void --out {0}/new", "{0}/void: expected JPEG, PNG, WebP, BMP or TIFF images, found an empty folder")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --samples 0", "samples: expected at least 1, found 0")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --batch 0", "batch: expected at least 1, found 0")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --calibration-views -1", "calibration views: expected 0 or more, found -1")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --whole-images 1", "whole image share: expected 0 or more and below 1, found 1")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --prefix-weight -1", "prefix")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --neuron-floor 2", "floors: expected fractions in 0..1, found 2")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --neuron-damping best:1", "--neuron-damping")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --feature-share 2", "feature share: expected 0..1, found 2")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --criterion ssl --feature-share 0.2", "--feature-share: expected --criterion curvature with it, found ssl")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --preset reference --head-damping mean:1", "--head-damping: expected --criterion curvature with it, found ssl")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --preprocess blur", "--preprocess: Argument 'blur' not recognized")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --labels {0}/none.txt", "{0}/none.txt: there is no such file")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --threads -1", "--threads: expected 0 or more, found -1")]
    [InlineData("plan MODEL SCORES", "budget: expected one of --flops, ")]
    [InlineData("plan MODEL SCORES --flops 2", "FLOPs: expected a share kept above 0")]
    [InlineData("plan MODEL SCORES --budgets 0.6,x", "budget 'x': expected a share")]
    [InlineData("plan MODEL SCORES --flops 0.6 --align 3", "--align: expected 8")]
    [InlineData("plan MODEL SCORES --latency 0.5 --latency-batch 0", "--latency-batch: expected at least 1")]
    [InlineData("plan MODEL SCORES --latency 0.5 --latency-table {0}/none/table", "{0}/none/table: expected a folder {0}/none to write into")]
    [InlineData("plan MODEL SCORES --flops 0.6 --damping best:1", "--damping")]
    [InlineData("plan MODEL SCORES --flops 0.6 --correction none --damping mean:1", "--damping: expected a correction with it, found --correction none")]
    [InlineData("plan MODEL {0}/broken.safetensors --flops 0.6", "{0}/broken.safetensors: ")]
    [InlineData("cut MODEL SCORES --flops 0.6", "expected at least one file to write")]
    [InlineData("cut MODEL SCORES --flops 0.6 --out {0}/none/new", "{0}/none/new: expected a folder {0}/none to write into")]
    [InlineData("cut MODEL SCORES --flops 0.6 --onnx {0}/none/new", "{0}/none/new: expected a folder {0}/none to write into")]
    [InlineData("cut MODEL SCORES --flops 0.6 --hub {0}/full", "{0}/full")]
    [InlineData("cut MODEL SCORES --flops 0.6 --out {0}/new --fp16", "--fp16, --int8 and --onnx-outputs: expected --onnx FILE with them")]
    [InlineData("cut MODEL SCORES --flops 0.6 --onnx {0}/new --fp16 --int8", "expected one of --fp16 and --int8, found both")]
    [InlineData("cut MODEL SCORES --flops 0.6 --onnx {0}/new --images PHOTOS", "--images: expected --correction sequential, --heal, or --fp16 or --int8 with it")]
    [InlineData("cut MODEL SCORES --flops 0.6 --out {0}/new --correction sequential", "--correction sequential: expected --images DIR with it")]
    [InlineData("cut MODEL SCORES --flops 0.6 --out {0}/new --correction sequential --images {0}/void", "{0}/void: expected JPEG")]
    [InlineData("cut MODEL SCORES --flops 0.6 --onnx {0}/new --fp16 --images {0}/void", "{0}/void: expected JPEG")]
    [InlineData("cut MODEL SCORES --flops 0.6 --out {0}/new --damping best:1", "--damping")]
    [InlineData("cut MODEL SCORES --flops 0.6 --out {0}/new --preprocess blur", "--preprocess: Argument 'blur' not recognized")]
    [InlineData("eval MODEL --test {0}/void", "{0}/void: expected JPEG")]
    [InlineData("eval MODEL --test PHOTOS --train {0}/void", "{0}/void: expected JPEG")]
    [InlineData("eval MODEL --test PHOTOS --train {0}/others", "{0}/others: expected classes of ")]
    [InlineData("eval MODEL --test PHOTOS --labels {0}/none.txt", "{0}/none.txt: there is no such file")]
    [InlineData("eval MODEL --test PHOTOS --batch 0", "--batch: expected at least 1, found 0")]
    [InlineData("eval MODEL --test PHOTOS --samples 0", "--samples: expected at least 1, found 0")]
    [InlineData("eval MODEL --test PHOTOS --budgets 0.6", "--budgets: expected --scores FILE with it")]
    [InlineData("eval MODEL --test PHOTOS --align 8", "--align: expected --scores FILE with it, found none")]
    [InlineData("eval MODEL --test PHOTOS --correction affine", "--correction: expected --scores FILE with it, found none")]
    [InlineData("eval MODEL --test PHOTOS --scores SCORES --budgets 0.6,2", "FLOPs: expected a share kept above 0")]
    [InlineData("eval MODEL --test PHOTOS --scores SCORES --damping best:1", "--damping")]
    [InlineData("eval MODEL --test PHOTOS --scores SCORES --correction sequential", "--correction sequential: expected --images DIR with it")]
    [InlineData("eval MODEL --test PHOTOS --scores SCORES --correction sequential --images {0}/void", "{0}/void: expected JPEG")]
    [InlineData("eval MODEL --test PHOTOS --scores SCORES --images PHOTOS", "--images: expected --scores FILE and --correction sequential with it")]
    [InlineData("eval MODEL --test PHOTOS --preprocess blur", "--preprocess: Argument 'blur' not recognized")]
    [InlineData("export MODEL SCORES --onnx-family {0}/full --budgets 0.6", "{0}/full")]
    [InlineData("export MODEL SCORES --onnx-family {0}/new --budgets 0.6,x", "budget 'x': expected a share")]
    [InlineData("export MODEL SCORES --onnx-family {0}/new --budgets 0.6,0.6", "--budgets: expected a graph of its own for each, found flops-0.6.onnx twice")]
    [InlineData("export MODEL SCORES --onnx-family {0}/new --budgets 0.6 --fp16 --int8", "expected one of --fp16 and --int8, found both")]
    [InlineData("export MODEL SCORES --onnx-family {0}/new --budgets 0.6 --align 3", "--align: expected 8")]
    [InlineData("export MODEL SCORES --onnx-family {0}/new --budgets 0.6 --damping best:1", "--damping")]
    [InlineData("convert MODEL --out {0}/new", "convert: expected one of --to FORMAT and --scores FILE")]
    [InlineData("convert MODEL --to timm --scores SCORES --out {0}/new", "convert: expected one of --to FORMAT and --scores FILE")]
    [InlineData("convert MODEL --to tim --out {0}/new", "--to: Argument 'tim' not recognized")]
    [InlineData("convert MODEL --to timm --out {0}/none/new", "{0}/none/new: expected a folder {0}/none to write into")]
    [InlineData("convert MODEL --scores SCORES --out {0}/new", "--model-type: expected one of ")]
    [InlineData("convert MODEL --to timm --model-type dino_vits16 --out {0}/new", "--model-type: expected --scores FILE made here with it")]
    [InlineData("demo --out {0}/none/new", "{0}/none/new: expected a folder {0}/none to write into")]
    [InlineData("demo --files {0}/full", "{0}/full")]
    [InlineData("demo --evaluations -1", "--evaluations: expected 0 or more, found -1")]
    public async Task It_is_said_before_a_model_or_a_photo_is_read(string line, string fault)
    {
        string asked = line
            .Replace("MODEL", "{0}/broken.safetensors", StringComparison.Ordinal)
            .Replace("SCORES", "{0}/scores.safetensors", StringComparison.Ordinal)
            .Replace("PHOTOS", "{0}/unreadable", StringComparison.Ordinal);
        string error = await Refused(asked);
        Assert.Contains(In(fault), error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plan MODEL SCORES --budgets latency=0.5,flops=0.01 --latency-table {0}/table", "the floors of the blocks allow no fewer than")]
    [InlineData("eval MODEL --scores SCORES --test PHOTOS --budgets latency=0.5,size=1KB --latency-table {0}/table", "size: at most 1000 bytes asked for")]
    [InlineData("export MODEL SCORES --onnx-family {0}/new --budgets latency=0.5,flops=0.01 --latency-table {0}/table", "the floors of the blocks allow no fewer than")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --neuron-floor 0.5 --evaluations 2", "neurons: a ratio of 0.55 removes 39, but the floors")]
    [InlineData("build MODEL --images PHOTOS --out {0}/new --criterion cross-entropy", "criterion cross-entropy: ")]
    [InlineData("eval MODEL --scores SCORES --test PHOTOS --budgets 0.01", "the floors of the blocks allow no fewer than")]
    [InlineData("cut MODEL SCORES --ratios 0.99:0 --out {0}/new --correction sequential --images PHOTOS", "neurons: a ratio of 0.99 removes")]
    public async Task What_the_model_makes_impossible_is_said_before_a_photo_is_read_or_a_latency_measured(string line, string fault)
    {
        string error = await Refused(line
            .Replace("MODEL", "{0}/model.safetensors", StringComparison.Ordinal)
            .Replace("SCORES", "{0}/scores.safetensors", StringComparison.Ordinal)
            .Replace("PHOTOS", "{0}/unreadable", StringComparison.Ordinal));
        Assert.Contains(fault, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cut MODEL SCORES --latency 0.5 --onnx {0}/new --onnx-outputs logits --latency-table {0}/table")]
    [InlineData("export MODEL SCORES --budgets latency=0.5 --onnx-family {0}/new --onnx-outputs logits --latency-table {0}/table")]
    public async Task Logits_that_a_model_cannot_give_are_refused_before_anything_is_cut_or_measured(string line)
    {
        string model = SmallModels.Save(_work.In("headless.safetensors"), SmallModels.Vit with { Classes = 0 });
        Workspace.SaveScores(model, _work.In("headless.scores"));
        string error = await Refused(line.Replace("MODEL", model, StringComparison.Ordinal).Replace("SCORES", "{0}/headless.scores", StringComparison.Ordinal));
        Assert.Contains("outputs: expected features, for this model has no classifier; found logits", error, StringComparison.Ordinal);
    }

    private string In(string text) => text.Replace("{0}", _work.Root, StringComparison.Ordinal);

    /// <summary>The one line that a refused command says.</summary>
    private async Task<string> Refused(string line)
    {
        string[] before = _work.Files();
        CommandRun run = await CommandRun.Of(In(line));
        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Equal(before, _work.Files());
        return Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
