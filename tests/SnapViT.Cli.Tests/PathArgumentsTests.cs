using System.CommandLine;
using SnapViT.Cli.Commands;
using SnapViT.Core.Checkpoints;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>No verb writes over what it reads, however the file is spelled; refused before any work, and everything stays as it was.</summary>
public sealed class PathArgumentsTests : IDisposable
{
    private static readonly string[] NoPaths =
        ["--flops", "--params", "--size", "--latency", "--ratios", "--search-ratios", "--search-start", "--train-split", "--test-split", "--budgets", "--preprocess", "--damping", "--neuron-damping", "--head-damping", "--to", "--model-type", "--weights", "--listen", "--budget", "--shard", "--cluster", "--memory", "--only", "--widths", "--batches"];

    private readonly Workspace _work = new Workspace().WithScores();

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/model.safetensors", "--out {0}/model.safetensors: would replace what is read, MODEL {0}/model.safetensors")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/scores.safetensors", "--out {0}/scores.safetensors: would replace what is read, SCORES ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --onnx {0}/model.safetensors", "--onnx {0}/model.safetensors: would replace what is read, MODEL ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --pt {0}/./photos/../scores.safetensors", "--pt {0}/./photos/../scores.safetensors: would replace what is read, SCORES ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --hub {0}", "--hub {0}: is the folder of what is read, MODEL ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/model.pt", "--out {0}/model.config.json: would from then on be read as a part of MODEL ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --pt {0}/config.json", "--pt {0}/config.json: would from then on be read as a part of MODEL ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/photos/a/00.jpg --correction sequential --images {0}/photos", "--out {0}/photos/a/00.jpg: would replace a file of what is read, --images ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --latency 0.5 --out {0}/out.safetensors --latency-table {0}/scores.safetensors", "--latency-table {0}/scores.safetensors: would replace what is read, SCORES ")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --latency 0.5 --out {0}/out.safetensors --latency-table {0}/out.config.json", "expected a file of its own for each output, found --out {0}/out.config.json and --latency-table {0}/out.config.json")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/model.safetensors", "--out {0}/model.safetensors: would replace what is read, MODEL ")]
    [InlineData("build {0}/model.safetensors --images {0}/photos --labels {0}/labels.txt --out {0}/labels.txt", "--out {0}/labels.txt: would replace what is read, --labels ")]
    [InlineData("build {0}/begun.unfinished --images {0}/photos --out {0}/begun", "--out {0}/begun.unfinished: would replace what is read, MODEL ")]
    [InlineData("convert {0}/model.safetensors --to timm --out {0}/model.safetensors", "--out {0}/model.safetensors: would replace what is read, MODEL ")]
    [InlineData("convert {0}/model.safetensors --to transformers-vit --out {0}/pytorch_model.bin", "--out {0}/config.json: would from then on be read as a part of MODEL ")]
    [InlineData("convert {0}/model.safetensors --scores {0}/scores.safetensors --model-type dino_vits16 --out {0}/scores.safetensors", "--out {0}/scores.safetensors: would replace what is read, --scores ")]
    [InlineData("export {0}/model.safetensors {0}/scores.safetensors --budgets 0.6 --onnx-family {0}", "--onnx-family {0}: is the folder of what is read, MODEL ")]
    [InlineData("eval {0}/model.safetensors --scores {0}/scores.safetensors --test {0}/photos --latency-table {0}/photos/b/01.jpg", "--latency-table {0}/photos/b/01.jpg: would replace a file of what is read, --test ")]
    public async Task An_output_that_is_an_input_is_refused(string line, string fault)
    {
        _work.Put("labels.txt", "a ant\nb bee\nc cat\n");
        File.Copy(_work.ModelPath, _work.In("begun.unfinished"));
        await Refused(In(line), In(fault));
    }

    [Theory]
    [InlineData("cut {0}/modle.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/out.safetensors", "cannot read {0}/modle.safetensors: there is no such file; did you mean {0}/model.safetensors?")]
    [InlineData("cut {0}/model.safetensors {0}/score.safetensors --flops 0.6 --out {0}/out.safetensors", "cannot read {0}/score.safetensors: there is no such file; did you mean {0}/scores.safetensors?")]
    [InlineData("build {0}/model.safetensors --images {0}/phtoos --out {0}/out.safetensors", "{0}/phtoos: there is no such folder; did you mean {0}/photos?")]
    [InlineData("eval {0}/model --test {0}/photos", "cannot read {0}/model: there is no such file; did you mean {0}/model.safetensors?")]
    [InlineData("eval {0}/model.safetensors --test {0}/photos --labels {0}/labels.txt", "cannot read {0}/labels.txt: there is no such file")]
    public Task An_input_that_is_not_there_is_told_with_the_nearest_that_is(string line, string fault) => Refused(In(line), In(fault));

    [Fact]
    public async Task Links_to_a_file_or_to_its_folder_are_the_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need rights there");
        File.CreateSymbolicLink(_work.In("link.safetensors"), _work.ModelPath);
        Directory.CreateSymbolicLink(_work.In("folder"), _work.Root);
        foreach (string spelling in new[] { "link.safetensors", "folder/model.safetensors", "folder/folder/link.safetensors" })
        {
            await Refused(In($"cut {{0}}/model.safetensors {{0}}/scores.safetensors --flops 0.6 --out {{0}}/{spelling}"), "would replace what is read, MODEL ");
            await Refused(In($"cut {{0}}/{spelling} {{0}}/scores.safetensors --flops 0.6 --out {{0}}/model.safetensors"), "would replace what is read, MODEL ");
        }
    }

    [Fact]
    public async Task A_hard_link_is_the_file()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs hard links and their identity");
        using (System.Diagnostics.Process link = System.Diagnostics.Process.Start("ln", [_work.ModelPath, _work.In("hard.safetensors")]))
        {
            await link.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        await Refused(In("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/hard.safetensors"), "would replace what is read, MODEL ");
    }

    [Fact]
    public async Task A_shard_and_a_file_in_a_folder_are_parts_of_the_model()
    {
        string folder = Directory.CreateDirectory(_work.In("sharded")).FullName;
        string[] shards = Shard(folder);
        foreach (string model in new[] { folder, Path.Combine(folder, "model.safetensors.index.json") })
        {
            foreach (string file in shards.Append("model.safetensors.index.json").Append("config.json"))
            {
                await Refused($"cut {model} {_work.Scores} --flops 0.6 --out {Path.Combine(folder, file)}", $"--out {Path.Combine(folder, file)}: would ", $"MODEL {model}");
            }
        }

        await Refused($"cut {folder} {_work.Scores} --flops 0.6 --pt {folder}/pytorch_model.bin", "would from then on be read as a part of MODEL ");
    }

    [Theory]
    [InlineData("folder/small.safetensors")]
    [InlineData("model2.safetensors")]
    [InlineData("photos/new.safetensors")]
    public async Task A_file_beside_what_is_read_is_written_and_written_again(string name)
    {
        Directory.CreateDirectory(_work.In("folder"));
        File.Copy(_work.ModelPath, _work.In("folder/model.safetensors"));
        foreach (string force in new[] { "", "--force" })
        {
            CommandRun run = await CommandRun.Of($"cut {_work.In("folder")} {_work.Scores} --flops 0.6 --out {_work.In(name)} {force}");
            Assert.True(run.Code == 0, run.Error);
        }
    }

    [Theory]
    [InlineData("build {0}/model.safetensors --images {0}/photos --out {0}/there", "--out {0}/there")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/there", "--out {0}/there")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/there.safetensors", "--out {0}/there.config.json")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --onnx {0}/there", "--onnx {0}/there")]
    [InlineData("cut {0}/model.safetensors {0}/scores.safetensors --flops 0.6 --out {0}/new.pt --pt {0}/there", "--pt {0}/there")]
    [InlineData("convert {0}/model.safetensors --to timm --out {0}/there", "--out {0}/there")]
    [InlineData("convert {0}/model.safetensors --to timm --out {0}/there.safetensors", "--out {0}/there.config.json")]
    [InlineData("demo --out {0}/there", "--out {0}/there")]
    public async Task A_file_that_is_there_is_replaced_only_where_that_is_asked_for(string line, string named)
    {
        string[] there = [_work.Put("there", "of somebody"), _work.Put("there.config.json", """{ "of": "somebody" }""")];
        string[] before = [.. there.Select(File.ReadAllText)];
        string asked = line.Replace("{0}", _work.Root, StringComparison.Ordinal);
        await Refused(asked, $"{named.Replace("{0}", _work.Root, StringComparison.Ordinal)}: there is such a file already; --force replaces it");
        Assert.Equal(before, there.Select(File.ReadAllText));
        if (!line.StartsWith("demo", StringComparison.Ordinal))
        {
            CommandRun run = await CommandRun.Of($"{asked} --force");
            Assert.True(run.Code == 0, run.Error);
            Assert.NotEqual(before, there.Select(File.ReadAllText));
        }
    }

    [Fact]
    public async Task A_config_beside_a_model_that_contradicts_it_is_named()
    {
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out}");
        CheckpointEdits.WithTensors(_work.ModelPath, _ => { }, keepMetadata: false);
        File.Move(_work.ModelPath, _work.Out, overwrite: true);
        await Refused($"inspect {_work.Out}", $"{_work.In("out.config.json")}: this config contradicts the model beside it", "move it away", "expected shape");
    }

    /// <summary>A new option is put into the table of paths, or into the list of those that are none.</summary>
    [Fact]
    public void Every_text_of_every_verb_is_a_path_or_known_to_be_none()
    {
        IEnumerable<string> names = SnapVitCommand.Create().Subcommands.SelectMany(verb => verb.Options.Where(IsFreeText).Select(option => option.Name)
            .Concat(verb.Arguments.Select(argument => argument.Name)));
        Assert.Empty(names.Distinct().Except(PathArguments.Uses.Keys).Except(NoPaths));

        static bool IsFreeText(Option option) => option.ValueType == typeof(string) && !option.GetCompletions(System.CommandLine.Completions.CompletionContext.Empty).Any();
    }

    private string[] Shard(string folder)
    {
        using SafetensorsReader model = SafetensorsReader.Open(_work.ModelPath);
        string[] names = [.. model.Tensors.Keys], shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        for (int shard = 0; shard < shards.Length; shard++)
        {
            SafetensorsWriter.Write(
                Path.Combine(folder, shards[shard]),
                [.. names.Where((_, i) => i % 2 == shard).Select(name => TensorToWrite.From(name, model.ReadFloats(name), model.Tensors[name].Shape))],
                new Dictionary<string, string>());
        }

        string map = string.Join(",", names.Select((name, i) => $"\"{name}\":\"{shards[i % 2]}\""));
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), $$$"""{"metadata":{},"weight_map":{{{{map}}}}}""");
        return shards;
    }

    private string In(string text) => text.Replace("{0}", _work.Root, StringComparison.Ordinal);

    private async Task Refused(string line, params string[] says)
    {
        Dictionary<string, byte[]> before = Contents();
        CommandRun run = await CommandRun.Of(line);
        Assert.Equal((1, ""), (run.Code, run.Output));
        string said = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.All(says, part => Assert.Contains(part, said, StringComparison.Ordinal));
        Assert.Equal(before, Contents());
    }

    private Dictionary<string, byte[]> Contents() =>
        Directory.EnumerateFiles(_work.Root, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .ToDictionary(path => path, File.ReadAllBytes);
}
