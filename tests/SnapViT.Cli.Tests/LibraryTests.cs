using System.Text.Json;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Models;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Tests;
using SnapViT.Workflows;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Cli.Tests;

/// <summary>A program that calls the library with its defaults gets what the command gives.</summary>
[LeakCheck]
public sealed class LibraryTests : IDisposable
{
    private static readonly BuildOptions Short = BuildOptions.Recommended with { BatchSize = 4 };

    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_model_that_is_opened_gives_the_weights_and_logits_of_snapvit_cut()
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Scores} {Workspace.Fixed}");
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --flops 0.6 --out {_work.Out} {Workspace.Fixed}");
        using LoadedModel cut = ModelFile.Load(_work.Out);
        using ElasticViT elastic = ElasticViT.Open(_work.ModelPath, _work.Scores);
        using Subnet views = elastic.At(Budget.Flops(0.6)), own = elastic.Cut(Budget.Flops(0.6));
        using ElasticViT plain = ElasticViT.Open(_work.ModelPath, _work.Scores, new ElasticOptions { Correction = null });
        using Subnet uncorrected = plain.At(Budget.Flops(0.6));
        using DisposeScope scope = NewDisposeScope();
        Tensor images = SmallModels.Images(SmallModels.Vit, 4), expected = cut.Model.Logits(images);
        foreach (Subnet subnet in new[] { views, own })
        {
            Assert.Equal(cut.Model.Widths, subnet.Plan.Widths);
            Assert.All(cut.Model.Weights.Table, parameter => parameter.ToCheckpoint(subnet.Model.Weights[parameter.Name])
                .ShouldBeWithin(0, parameter.ToCheckpoint(cut.Model.Weights[parameter.Name])));
            subnet.Classify(images).ShouldBeWithin(1e-5, expected);
        }

        Assert.True((uncorrected.Classify(images) - expected).abs().max().item<float>() > 1e-3);
    }

    [Fact]
    public async Task What_it_writes_has_the_bytes_of_snapvit_cut()
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Scores} {Workspace.Fixed}");
        await CommandRun.Json($"cut {_work.ModelPath} {_work.Scores} --size 0.6 --out {_work.Out} {Workspace.Fixed}");
        using ElasticViT elastic = ElasticViT.Open(_work.ModelPath, _work.Scores);
        using Subnet subnet = elastic.Cut(Budget.FileSize(0.6));
        Assert.Equal([_work.In("own.safetensors"), _work.In("own.config.json")], subnet.Save(_work.In("own.safetensors")));
        Assert.Equal(File.ReadAllBytes(_work.Out), File.ReadAllBytes(_work.In("own.safetensors")));
        Assert.Equal(elastic.FileBytes(subnet.Plan), new FileInfo(_work.Out).Length);
    }

    [Fact]
    public async Task A_build_has_the_bytes_of_snapvit_build()
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Scores} --batch 4 {Workspace.Fixed}");
        using ElasticViT elastic = ElasticViT.Build(_work.ModelPath, _work.Photos, Short, cancellation: TestContext.Current.CancellationToken);
        elastic.SaveScores(_work.In("own.safetensors"));
        Assert.Equal(File.ReadAllBytes(_work.Scores), File.ReadAllBytes(_work.In("own.safetensors")));
        Assert.Empty(elastic.Doubts);
    }

    [Fact]
    public void A_model_whose_files_do_not_say_how_images_are_prepared_is_opened_with_a_doubt()
    {
        using ElasticViT elastic = Open();
        using Subnet whole = elastic.Cut(Budget.Whole);
        whole.SaveTorch(_work.In("bare.pt"));
        using LoadedModel bare = ModelFile.Load(
            _work.In("bare.pt"), new ModelHints { Heads = SmallModels.Vit.Heads, ImageSize = SmallModels.Vit.ImageSize });
        ElasticScores scores = elastic.Scores with { Provenance = new Dictionary<string, string>() };
        using ElasticViT doubtful = ElasticViT.Open(bare, scores), told = ElasticViT.Open(bare, scores, new ElasticOptions { Preprocessing = elastic.Preprocessing });
        Assert.StartsWith("preprocessing: neither", Assert.Single(doubtful.Doubts), StringComparison.Ordinal);
        Assert.Equal(Preprocessing.Named("reference", SmallModels.Vit.ImageSize), doubtful.Preprocessing);
        Assert.Empty(told.Doubts);
    }

    [Fact]
    public async Task Every_verb_says_what_had_to_be_assumed_about_a_model()
    {
        string bare = _work.In("bare.pt"), family = _work.In("family");
        using (ElasticViT elastic = Open())
        using (Subnet whole = elastic.Cut(Budget.Whole))
        {
            whole.SaveTorch(bare);
        }

        Workspace.SaveScores(bare, _work.Scores);
        string hints = $"--num-heads {SmallModels.Vit.Heads} {Workspace.Fixed} --json", files = $"{bare} {_work.Scores} {hints}";
        foreach (string line in new[]
        {
            $"plan {files} --flops 0.6",
            $"cut {files} --flops 0.6 --out {_work.Out}",
            $"export {files} --budgets 0.6 --onnx-family {family}",
            $"eval {bare} --scores {_work.Scores} {hints} --budgets 0.6 --test {_work.Photos}",
            $"eval {bare} {hints} --test {_work.Photos}",
            $"build {bare} {hints} --images {_work.Photos} --samples 2 --batch 2 --out {_work.In("new.safetensors")}",
        })
        {
            CommandRun run = await CommandRun.Of(line);
            Assert.True(run.Code == 0, run.Error);
            using JsonDocument result = JsonDocument.Parse(run.Output);
            string[] doubts = [.. result.RootElement.GetProperty("doubts").EnumerateArray().Select(doubt => doubt.GetString()!)];
            Assert.Equal(["image size", "preprocessing"], doubts.Select(doubt => doubt.Split(':')[0]));
            Assert.All(doubts, doubt => Assert.Contains($"in doubt: {doubt}", run.Error.Split(Environment.NewLine)));
        }

        JsonElement told = await CommandRun.Json($"plan {bare} {_work.Scores} --num-heads {SmallModels.Vit.Heads} --flops 0.6 --preprocess reference --image-size {SmallModels.Vit.ImageSize}");
        Assert.Equal(0, told.GetProperty("doubts").GetArrayLength());
    }

    [Fact]
    public void An_image_file_its_bytes_and_its_stream_have_the_features_that_the_folder_has()
    {
        using ElasticViT elastic = Open();
        using Subnet subnet = elastic.At(Budget.Flops(0.7));
        using ImageFeatures all = subnet.EmbedFolder(_work.Photos, batchSize: 5, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(ImageSet.FromFolder(_work.Photos).Entries.Select(entry => entry.Name), all.Names);
        using DisposeScope scope = NewDisposeScope();
        string path = Path.Combine(_work.Photos, all.Names[7]);
        using FileStream stream = File.OpenRead(path);
        Tensor expected = all.Features.narrow(0, 7, 1);
        subnet.Embed(path).ShouldBeWithin(1e-5, expected);
        subnet.Embed(File.ReadAllBytes(path)).ShouldBeWithin(1e-5, expected);
        subnet.Embed(stream).ShouldBeWithin(1e-5, expected);
        subnet.Embed(ImageSet.FromFolder(_work.Photos).Entries).ShouldBeWithin(1e-5, all.Features);
        Assert.Equal([1, SmallModels.Vit.Classes], subnet.Classify(path).shape);
    }

    [Fact]
    public void Files_that_are_no_images_are_left_out_and_listed()
    {
        _work.Put("photos/a/zz.png", "nonsense");
        using ElasticViT elastic = Open();
        using Subnet subnet = elastic.At(Budget.Whole);
        using ImageFeatures all = subnet.EmbedFolder(_work.Photos, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal("a/zz.png", Assert.Single(all.Skipped).Name);
        Assert.Equal((12, 12L), (all.Names.Count, all.Features.shape[0]));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Patch_tokens_are_those_of_the_patches_alone(string family)
    {
        using LoadedModel model = ModelFile.Load(SmallModels.Save(_work.In("family.safetensors"), SmallModels.Architecture(family)));
        ElasticScores scores = new(
            SmallModels.Scores(model.Model.Architecture), ScoreCoefficients.Equal(model.Model.Architecture.FullWidths), new KeepFloors(), new Dictionary<string, string>());
        using ElasticViT elastic = ElasticViT.Open(model, scores);
        using Subnet whole = elastic.Cut(Budget.Whole);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = SmallModels.Images(model.Model.Architecture, 2), tokens = whole.Model.Tokens(images);
        long prefix = tokens.shape[1] - model.Model.Architecture.Patches;
        whole.PatchTokens(images).ShouldBeWithin(0, tokens.narrow(1, prefix, model.Model.Architecture.Patches));
    }

    public static TheoryData<string> Families => SmallModels.Families;

    [Fact]
    public void After_the_end_of_its_life_an_object_says_so()
    {
        ElasticViT elastic = Open();
        Subnet subnet = elastic.At(Budget.Flops(0.7));
        elastic.Dispose();
        using Tensor images = SmallModels.Images(SmallModels.Vit, 1);
        subnet.Embed(images).Dispose();
        Assert.Throws<ObjectDisposedException>(() => elastic.At(Budget.Flops(0.7)));
        Assert.Throws<ObjectDisposedException>(() => elastic.Cut(subnet.Plan));
        Assert.Throws<ObjectDisposedException>(() => elastic.WarmUp(cancellation: TestContext.Current.CancellationToken));
        subnet.Dispose();
        Assert.Throws<ObjectDisposedException>(() => subnet.Embed(images));
        Assert.Throws<ObjectDisposedException>(() => subnet.PatchTokens(images));
        Assert.Throws<ObjectDisposedException>(() => subnet.Save(_work.Out));
        elastic.Dispose();
        subnet.Dispose();
    }

    [Fact]
    public async Task A_cut_before_and_after_the_first_view_and_after_the_warm_up_has_the_same_bytes()
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Scores} {Workspace.Fixed}");
        foreach (ElasticOptions options in new[] { new ElasticOptions(), new ElasticOptions { Correction = null } })
        {
            using ElasticViT elastic = ElasticViT.Open(_work.ModelPath, _work.Scores, options);
            byte[] before = Bytes(elastic);
            elastic.At(Budget.Flops(0.8)).Dispose();
            Assert.Equal(before, Bytes(elastic));
            elastic.WarmUp([Budget.Flops(0.6)], TestContext.Current.CancellationToken);
            elastic.WarmUp(cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(before, Bytes(elastic));
        }
    }

    private byte[] Bytes(ElasticViT elastic)
    {
        using Subnet subnet = elastic.Cut(Budget.Flops(0.6));
        subnet.Save(_work.Out);
        return File.ReadAllBytes(_work.Out);
    }

    private ElasticViT Open()
    {
        _work.WithScores();
        return ElasticViT.Open(_work.ModelPath, _work.Scores);
    }
}
