using System.Text.Json;
using SnapViT.Cli;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Tests.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Cli;

/// <summary>Every golden family, from its checkpoint with the original names, through build, cut and back.</summary>
public sealed class EveryFamilyTests : IDisposable
{
    private const string Ratios = "0.35:0.2";

    private readonly TemporaryImages _images = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-family-").FullName;

    public void Dispose()
    {
        _images.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public async Task A_family_goes_through_the_whole_main_job(string family)
    {
        string golden = SharedFolder.Require("golden", family, "model.safetensors"), scores = Path.Combine(_folder, "scores"), cut = Path.Combine(_folder, "cut.safetensors");
        string[] hints = Hints(family);
        _images.PutMany(4, width: 40, height: 36);
        await Run(["build", golden, .. hints, "--images", _images.Root, "--evaluations", "1", "--preset", "reference", "--precision", "fp32", "--out", scores]);
        await Run(["cut", golden, scores, .. hints, "--ratios", Ratios, "--out", cut]);

        using LoadedModel model = Golden.Model(family), pruned = ModelFile.Load(cut);
        using ElasticViT elastic = ElasticViT.Open(model, SnapViT.Core.Scores.ElasticScores.Load(scores));
        using Subnet subnet = elastic.At(Budget.Parse(Ratios));
        Assert.True(pruned.IsPruned);
        Assert.Equal(subnet.Plan.Widths, pruned.Model.Widths);
        Assert.Equal(model.Model.Architecture, pruned.Model.Architecture);
        using var scope = NewDisposeScope();
        using Golden io = Golden.Open(family, "io.safetensors");
        pruned.Model.Embed(io.Float("images")).ShouldBeWithin(0, subnet.Embed(io.Float("images")));
    }

    // golden/<family>: importance-scores.pt as the reference saved it, prune.json and prune.safetensors as its elastic path cuts by it.
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public async Task Scores_of_the_reference_are_inspected_cut_and_measured_by_as_they_are(string family)
    {
        string golden = SharedFolder.Require("golden", family, "model.safetensors"), scores = SharedFolder.Require("golden", family, "importance-scores.pt"), cut = Path.Combine(_folder, "cut.safetensors");
        string[] hints = Hints(family);
        Assert.Contains("model_type: dino_vitb16", await Run(["inspect", scores]), StringComparison.Ordinal);
        await Run(["cut", golden, scores, .. hints, "--ratios", "0.35:0.2", "--out", cut]);

        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", family, "prune.json")));
        JsonElement kept = json.RootElement.GetProperty("ratios").EnumerateArray().First(pair => pair.GetProperty("mlp_ratio").GetDouble() == 0.35).GetProperty("elastic");
        using LoadedModel pruned = ModelFile.Load(cut);
        Assert.Equal(Counts("mlp_keep_counts"), pruned.Model.Widths.Select(block => block[Axis.Neurons]));
        Assert.Equal(Counts("head_keep_counts"), pruned.Model.Widths.Select(block => block[Axis.Heads]));
        using (var scope = NewDisposeScope())
        {
            using Golden io = Golden.Open(family, "io.safetensors"), features = Golden.Open(family, "prune.safetensors");
            pruned.Model.Embed(io.Float("images")).ShouldBeWithin(1e-5, features.Float("elastic.features.0.35-0.2"));
        }

        _images.Put("test/n0_a.png", TemporaryImages.Random(40, 36));
        File.WriteAllText(Path.Combine(_folder, "labels"), "n0 thing");
        string[] measure = ["eval", golden, .. hints, "--scores", scores, "--budgets", "0.35:0.2", "--test", Path.Combine(_images.Root, "test"), "--labels", Path.Combine(_folder, "labels"), "--precision", "fp32", "--json"];
        using JsonDocument table = JsonDocument.Parse(await Run([.. measure, "--preprocess", "reference"]));
        Assert.Equal(Preprocessing.Named("reference", 32).Describe(), table.RootElement.GetProperty("preprocessing").GetString());
        Assert.Equal(CostModel.Parameters(pruned.Model.Architecture, pruned.Model.Widths), table.RootElement.GetProperty("rows")[0].GetProperty("parameters").GetInt64());

        IEnumerable<int> Counts(string key) => kept.GetProperty(key).EnumerateArray().Select(count => count.GetInt32());
    }

    private static string[] Hints(string family) =>
        ["--num-heads", family == "timm_vit" ? "4" : "6", "--image-size", "32", .. family == "siglip2" ? new[] { "--activation", "gelu-erf" } : []];

    private static async Task<string> Run(string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int code = await SnapVitCommand.RunAsync([.. arguments, "--threads", "1"], output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, $"exit {code}: {error}");
        return output.ToString();
    }
}
