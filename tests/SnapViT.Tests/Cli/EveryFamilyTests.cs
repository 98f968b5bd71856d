using SnapViT.Cli;
using SnapViT.Core.Planning;
using SnapViT.Elastic;
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
        string[] hints = ["--num-heads", family == "timm_vit" ? "4" : "6", "--image-size", "32", .. family == "siglip2" ? new[] { "--activation", "gelu-erf" } : []];
        _images.PutMany(4, width: 40, height: 36);
        await Run(["build", golden, .. hints, "--images", _images.Root, "--evaluations", "1", "--preset", "reference", "--precision", "fp32", "--out", scores]);
        await Run(["cut", golden, scores, .. hints, "--mlp", Ratios.Split(':')[0], "--heads", Ratios.Split(':')[1], "--out", cut]);

        using LoadedModel model = Golden.Model(family), pruned = ModelFile.Load(cut);
        using ElasticViT elastic = ElasticViT.Create(model, SnapViT.Core.Scores.ElasticScores.Load(scores));
        using Subnet subnet = elastic.At(Budget.Parse(Ratios));
        Assert.True(pruned.IsPruned);
        Assert.Equal(subnet.Plan.Widths, pruned.Model.Widths);
        Assert.Equal(model.Model.Architecture, pruned.Model.Architecture);
        using var scope = NewDisposeScope();
        using Golden io = Golden.Open(family, "io.safetensors");
        pruned.Model.Embed(io.Float("images")).ShouldBeWithin(0, subnet.Embed(io.Float("images")));
    }

    private static async Task Run(string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int code = await SnapVitCommand.RunAsync(arguments, output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, $"exit {code}: {error}");
    }
}
