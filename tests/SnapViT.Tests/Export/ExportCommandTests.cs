using System.Text.Json;
using Google.Protobuf;
using SnapViT.Cli;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Onnx;
using SnapViT.Tests.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Export;

public sealed class ExportCommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("snapvit-export-");
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _output.Dispose();
        _error.Dispose();
    }

    [Fact, LeakCheck]
    public async Task Cut_writes_every_format_asked_for_and_they_agree()
    {
        Prepare("vit");
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.6", "--out", In("small.safetensors"), "--onnx", In("small.onnx"), "--pt", In("small.pt"), "--json"));
        using JsonDocument report = JsonDocument.Parse(_output.ToString());
        Assert.Equal(
            [In("small.safetensors"), In("small.config.json"), In("small.onnx"), In("small.pt")],
            report.RootElement.GetProperty("files").EnumerateArray().Select(file => file.GetProperty("path").GetString()));
        using LoadedModel small = ModelFile.Load(In("small.safetensors"));
        using OnnxRun run = new(In("small.onnx"));
        using TorchArchiveReader state = TorchArchiveReader.Open(In("small.pt"));
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(small.Model.Architecture, 2);
        run.Run("logits", images).ShouldBeWithin(1e-4, small.Model.Logits(images));
        Assert.Equal(small.Description.Provenance["flops"], ModelConfig.FromJson(run.Metadata[ModelConfig.MetadataKey]).Provenance["flops"]);
        Assert.Equal(CostModel.Parameters(small.Model.Architecture, small.Model.Widths), state.Tensors.Values.Sum(tensor => tensor.ElementCount));
    }

    [Theory, LeakCheck]
    [InlineData("--out", "a.safetensors", "a.config.json")]
    [InlineData("--onnx", "a.onnx")]
    [InlineData("--pt", "a.pt")]
    public async Task Cut_writes_one_format_alone(string option, string file, params string[] beside)
    {
        Prepare("vit");
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--ratios", "0.5:0", option, In(file)));
        Assert.Equal(["model", "scores", .. beside, file], _folder.GetFiles().Select(info => info.Name).Order(StringComparer.Ordinal).OrderByDescending(name => name is "model" or "scores"));
    }

    [Theory, LeakCheck]
    [InlineData("small.pt")]
    [InlineData("small.bin")]
    public async Task The_name_of_the_model_file_decides_its_format_for_cut_and_convert_alike(string name)
    {
        Prepare("vit");
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.6", "--out", In("small.safetensors")));
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.6", "--out", In(name), "--force"));
        Assert.Equal(0, await Run("convert", In("small.safetensors"), "--to", "timm", "--out", In("converted-" + name)));
        using LoadedModel expected = ModelFile.Load(In("small.safetensors"));
        foreach (string file in new[] { In(name), In("converted-" + name) })
        {
            Assert.True(CheckpointArchive.IsTorch(file));
            using LoadedModel model = ModelFile.Load(file);
            Assert.Equal((expected.WeightsSha256, expected.Model.Widths, expected.Preprocessing), (model.WeightsSha256, model.Model.Widths, model.Preprocessing));
            Assert.Equal(expected.Description.Provenance, model.Description.Provenance);
        }
    }

    [Fact]
    public async Task A_converted_model_is_cut_by_the_scores_of_its_source()
    {
        Prepare("vit");
        using (LoadedModel source = ModelFile.Load(In("model")))
        {
            ElasticScores scores = ElasticScores.Load(In("scores"));
            (scores with { Provenance = new Dictionary<string, string>(scores.Provenance) { [ElasticScores.WeightsHash] = source.WeightsSha256 } }).Save(In("scores"));
        }

        Assert.Equal(0, await Run("convert", In("model"), "--to", "transformers-vit", "--out", In("converted.pt")));
        Assert.Equal(0, await Run("cut", In("converted.pt"), In("scores"), "--flops", "0.6", "--out", In("small.safetensors")));
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.6", "--out", In("expected.safetensors")));
        using LoadedModel small = ModelFile.Load(In("small.safetensors")), expected = ModelFile.Load(In("expected.safetensors"));
        Assert.Equal(expected.WeightsSha256, small.WeightsSha256);
    }

    [Fact]
    public async Task Inspect_shows_what_a_graph_of_this_program_holds()
    {
        Prepare("vit");
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.6", "--onnx", In("small.onnx"), "--fp16"));
        Assert.Equal(0, await Run("inspect", In("small.onnx")));
        Assert.Matches(@"small\.onnx: ONNX graph by snapvit \d+\.\d+\.\d+, opset 17, \d+ nodes, .* weights, most in float16\n", _output.ToString());
        Assert.Contains("input images: float32 [batch, 3, ", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("output features: float32 [batch, ", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("all: from the config in the graph", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_says_in_a_line_what_a_graph_of_another_program_is()
    {
        ModelProto other = new()
        {
            IrVersion = 8,
            ProducerName = "pytorch",
            ProducerVersion = "2.3.0",
            OpsetImport = { new OperatorSetIdProto { Version = 18 } },
            Graph = new GraphProto { Output = { new ValueInfoProto { Name = "y" } } },
        };
        await File.WriteAllBytesAsync(In("other.onnx"), other.ToByteArray(), TestContext.Current.CancellationToken);
        Assert.Equal(0, await Run("inspect", In("other.onnx")));
        string said = string.Concat(_output.ToString().Where(character => !char.IsWhiteSpace(character)));
        const string Line = "ONNXgraphbypytorch2.3.0,opset18,0nodes,0weights,mostinnone,noneof'snapvitcut'or'snapvitexport'outputy:notensor[]";
        Assert.Contains(Line, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no graph at all")]
    [InlineData("")]
    public async Task Inspect_refuses_what_is_no_graph_in_a_line(string content)
    {
        await File.WriteAllTextAsync(In("bad.onnx"), content, TestContext.Current.CancellationToken);
        Assert.Equal(1, await Run("inspect", In("bad.onnx")));
        Assert.Contains("bad.onnx: expected an ONNX graph", _error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("family")]
    [InlineData("family/family.json")]
    public async Task Inspect_shows_the_members_of_a_family(string path)
    {
        Prepare("vit");
        Assert.Equal(0, await Run("export", In("model"), In("scores"), "--onnx-family", In("family"), "--budgets", "0.8,0.5"));
        _output.GetStringBuilder().Clear();
        Assert.Equal(0, await Run("inspect", In(path), "--json"));
        using JsonDocument report = JsonDocument.Parse(_output.ToString());
        JsonElement members = report.RootElement.GetProperty("members");
        Assert.Equal(2, members.GetArrayLength());
        Assert.All(members.EnumerateArray(), member => Assert.True(member.GetProperty("blocks").GetArrayLength() > 0 && member.GetProperty("flops").GetInt64() > 0));
        File.Delete(In("family/weights.data"));
        Assert.Equal(1, await Run("inspect", In(path)));
        Assert.Contains("family.json: expected weights.data beside it, found no such file", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact, LeakCheck]
    public async Task Cut_shrinks_the_graph_and_chooses_its_outputs()
    {
        Prepare("wide");
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.9", "--onnx", In("full.onnx")));
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.9", "--onnx", In("half.onnx"), "--fp16", "--onnx-outputs", "features"));
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.9", "--onnx", In("quarter.onnx"), "--int8"));
        Assert.True(new FileInfo(In("half.onnx")).Length < 0.55 * new FileInfo(In("full.onnx")).Length);
        Assert.True(new FileInfo(In("quarter.onnx")).Length < 0.3 * new FileInfo(In("full.onnx")).Length);
        using OnnxRun run = new(In("half.onnx"));
        Assert.Equal(["features"], run.Outputs);
    }

    [Theory, LeakCheck]
    [InlineData("vit", "--fp16", 0.9999, 1.0)]
    [InlineData("vit", "--int8", 0.99, 0.9999999)]
    [InlineData("siglip", "--int8", 0.99, 0.9999999)]
    public async Task Cut_says_how_far_smaller_weights_agree_on_photos(string family, string option, double least, double most)
    {
        Prepare(family);
        using TemporaryImages photos = new();
        photos.PutMany(20);
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.8", "--onnx", In("a.onnx"), option, "--images", photos.Root, "--json"));
        using JsonDocument report = JsonDocument.Parse(_output.ToString());
        JsonElement agreement = report.RootElement.GetProperty("agreement");
        Assert.Equal(20, agreement.GetProperty("images").GetInt32());
        Assert.InRange(agreement.GetProperty("feature_cosine").GetDouble(), least, most + 1e-7);
        Assert.Equal(family == "vit", agreement.TryGetProperty("same_answer", out JsonElement same) && same.GetDouble() is >= 0.8 and <= 1);
    }

    [Fact, LeakCheck]
    public async Task Cut_writes_a_folder_with_a_card()
    {
        Prepare("vit");
        Assert.Equal(0, await Run("cut", In("model"), In("scores"), "--flops", "0.6", "--hub", In("hub")));
        Assert.Equal(["README.md", "config.json", "model.safetensors"], Directory.GetFiles(In("hub")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using LoadedModel small = ModelFile.Load(Path.Combine(In("hub"), "model.safetensors"));
        Assert.Equal(small.Model.Widths, ModelConfig.FromJson(File.ReadAllText(Path.Combine(In("hub"), "config.json"))).Widths());
        Assert.StartsWith("---\n", File.ReadAllText(Path.Combine(In("hub"), "README.md")), StringComparison.Ordinal);
    }

    [Fact, LeakCheck]
    public async Task Export_writes_a_family_of_the_budgets()
    {
        Prepare("deit3");
        Assert.Equal(0, await Run("export", In("model"), In("scores"), "--onnx-family", In("family"), "--budgets", "0.5, 0.45:0.3,1.0", "--json"));
        using JsonDocument report = JsonDocument.Parse(_output.ToString());
        Assert.Equal(
            ["flops-0.5.onnx", "removed-0.45-0.3.onnx", "flops-1.0.onnx"],
            report.RootElement.GetProperty("members").EnumerateArray().Select(member => member.GetProperty("graph").GetString()));
        using LoadedModel model = ModelFile.Load(In("model"));
        using ElasticViT elastic = ElasticViT.Open(model, ElasticScores.Load(In("scores")));
        using Subnet twin = elastic.At(Budget.Ratios(0.45, 0.3));
        using OnnxRun run = new(Path.Combine(In("family"), "removed-0.45-0.3.onnx"));
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Model.Architecture, 2);
        run.Run("features", images).ShouldBeWithin(1e-4, twin.Embed(images));
    }

    public static TheoryData<string, string> Wrong => new()
    {
        { "cut model scores --flops 0.5", "at least one file to write: --out, --onnx, --pt or --hub" },
        { "cut model scores --flops 0.5 --out a --pt a", "a file of its own for each output" },
        { "cut model scores --flops 0.5 --out a --fp16", "--onnx FILE" },
        { "cut model scores --flops 0.5 --onnx a --fp16 --int8", "one of --fp16 and --int8" },
        { "cut model scores --flops 0.5 --onnx a --images .", "--fp16 or --int8" },
        { "cut model scores --flops 0.5 --onnx a --onnx-outputs logits", "no classifier" },
        { "cut model scores --flops 0.5 --out b --pt a", "timm builds otherwise" },
        { "cut model scores --flops 0.5 --onnx nowhere/a", "nowhere" },
        { "export model scores --onnx-family family", "--budgets" },
        { "export model scores --onnx-family family --budgets 0.5,1.5", "1.5" },
        { "export model scores --onnx-family family --budgets 0.5,0.5", "twice" },
        { "export model scores --onnx-family model --budgets 0.5", "would replace what is read, MODEL" },
    };

    [Theory, LeakCheck, MemberData(nameof(Wrong))]
    public async Task Wrong_input_gives_one_line_and_no_file(string command, string expected)
    {
        Prepare("clip");
        string[] files = ["model", "scores", "a", "b", "family", "nowhere/a"];
        Assert.Equal(1, await Run([.. command.Split(' ').Select(word => files.Contains(word) ? In(word) : word)]));
        Assert.Contains(expected, Assert.Single(_error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.Equal(["model", "scores"], _folder.GetFileSystemInfos().Select(info => info.Name).Order(StringComparer.Ordinal));
    }

    private string In(string name) => Path.Combine(_folder.FullName, name);

    private Task<int> Run(params string[] args) => SnapVitCommand.RunAsync([.. args, "--threads", "1"], _output, _error, TestContext.Current.CancellationToken);

    /// <summary>A model file and its scores.</summary>
    private void Prepare(string family)
    {
        using VisionTransformer model = TinyModels.Create(family);
        ViTArchitecture a = model.Architecture;
        ModelFile.Save(In("model"), model, TinyModels.Config(a, model.Widths));
        new ElasticScores(
            TinyModels.Scores(a), ScoreCoefficients.Initial(a.FullWidths), new KeepFloors(), new Dictionary<string, string> { [ElasticScores.ModelHash] = ModelFile.Hash(In("model")) }).Save(In("scores"));
    }
}
