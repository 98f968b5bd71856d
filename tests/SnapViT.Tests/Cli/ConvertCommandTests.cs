using System.Text.Json;
using SnapViT.Cli;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Tests.Export;

namespace SnapViT.Tests.Cli;

public sealed class ConvertCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-convert-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, LeakCheck]
    [InlineData("timm_vit", "--num-heads 4", "transformers-vit", "a.safetensors")]
    [InlineData("timm_vit", "--num-heads 4", "transformers-vit", "a.pth")]
    [InlineData("dinov3_swiglu", "--num-heads 6", "transformers-dinov3-gated", "a.bin")]
    [InlineData("dinov3_mlp", "--num-heads 6", "transformers-dinov3", "a.pt")]
    [InlineData("dinov3_mlp", "--num-heads 6", "timm-eva", "a.safetensors")]
    [InlineData("dinov3_mlp", "--num-heads 6", "dinov3", "a.pth")]
    [InlineData("dinov3_swiglu", "--num-heads 6", "timm-eva-gated", "a.safetensors")]
    [InlineData("deit_distilled", "--num-heads 6", "transformers-deit", "a.bin")]
    [InlineData("deit3", "--num-heads 6", "timm", "a.pth")]
    [InlineData("siglip2", "--num-heads 6 --activation gelu-erf", "transformers-siglip", "a.pt")]
    [InlineData("siglip2", "--num-heads 6 --activation gelu-erf", "open_clip-trunk", "a.safetensors")]
    public async Task A_model_converted_and_back_has_the_same_bytes(string family, string flags, string format, string name)
    {
        string golden = SharedFolder.Require("golden", family, "model.safetensors");
        await Run(0, ["convert", golden, .. flags.Split(' '), "--to", "timm", "--out", At("first.safetensors")]);
        await Run(0, ["convert", golden, .. flags.Split(' '), "--to", format, "--out", At(name)]);
        await Run(0, ["convert", At(name), .. flags.Split(' '), "--to", "timm", "--out", At("again.safetensors")]);
        Assert.Equal(File.ReadAllBytes(At("first.safetensors")), File.ReadAllBytes(At("again.safetensors")));
    }

    [Theory]
    [InlineData("transformers-vit", "a.safetensors")]
    [InlineData("timm", "a.pth")]
    public async Task A_model_of_a_known_size_needs_no_flags_and_converted_and_back_has_the_same_bytes(string format, string name)
    {
        string model = PublishedDeitTiny();
        await Run(0, ["convert", model, "--to", "timm", "--out", At("first.safetensors")]);
        await Run(0, ["convert", model, "--to", format, "--out", At(name)]);
        await Run(0, ["convert", At(name), "--to", "timm", "--out", At("again.safetensors")]);
        Assert.Equal(File.ReadAllBytes(At("first.safetensors")), File.ReadAllBytes(At("again.safetensors")));
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("pytorch_model.bin")]
    public async Task A_folder_for_transformers_has_its_config_and_opens_by_it(string name)
    {
        string model = PublishedDeitTiny(), folder = At("vit");
        Directory.CreateDirectory(folder);
        await Run(0, ["convert", model, "--to", "timm", "--out", At("first.safetensors")]);
        string said = await Run(0, ["convert", model, "--to", "transformers-vit", "--out", Path.Combine(folder, name)]);
        Assert.Contains("and config.json, as transformers reads them", InOneLine(said), StringComparison.Ordinal);
        Assert.Equal(
            new[] { "config.json", name, Path.ChangeExtension(name, ".config.json") }.Order(StringComparer.Ordinal),
            Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));

        // What this program keeps of it is taken away: transformers' own config is enough.
        File.Delete(Path.Combine(folder, Path.ChangeExtension(name, ".config.json")));
        using JsonDocument found = JsonDocument.Parse(await Run(0, ["inspect", folder, "--json"]));
        Assert.Equal(3, found.RootElement.GetProperty("architecture").GetProperty("heads").GetInt32());
        await Run(0, ["convert", folder, "--to", "timm", "--out", At("again.safetensors")]);
        Assert.Equal(File.ReadAllBytes(At("first.safetensors")), File.ReadAllBytes(At("again.safetensors")));
    }

    [Fact]
    public async Task A_config_of_another_model_is_not_replaced_and_another_name_gets_none()
    {
        string model = PublishedDeitTiny();
        Directory.CreateDirectory(At("vit"));
        string said = await Run(0, ["convert", model, "--to", "transformers-vit", "--out", At("vit/small.safetensors")]);
        Assert.Contains("named model.safetensors in a folder of its own", InOneLine(said), StringComparison.Ordinal);
        Assert.False(File.Exists(At("vit/config.json")));
        File.WriteAllText(At("vit/config.json"), "{}");
        string error = await Run(1, ["convert", model, "--to", "transformers-vit", "--out", At("vit/model.safetensors")]);
        Assert.Contains("config.json: there is such a file already; --force replaces it", error, StringComparison.Ordinal);
        Assert.Equal("{}", File.ReadAllText(At("vit/config.json")));
    }

    [Fact]
    public async Task Scores_go_from_the_reference_s_format_to_this_one_s_and_back()
    {
        string model = PublishedDeitTiny(), scores = SharedFolder.Require("official", "deit_tiny_reference_scores.pt");
        await Run(0, ["convert", model, "--scores", scores, "--out", At("own.safetensors")]);
        await Run(0, ["convert", model, "--scores", At("own.safetensors"), "--model-type", "deit-vit-b-16", "--out", At("again.pt")]);
        using TorchArchiveReader original = TorchArchiveReader.Open(scores), again = TorchArchiveReader.Open(At("again.pt"));
        Assert.Equal(original.ReadFloats("mlp_scores"), again.ReadFloats("mlp_scores"));
        Assert.Equal(original.ReadFloats("head_scores"), again.ReadFloats("head_scores"));
    }

    [Fact, LeakCheck]
    public async Task Scores_of_the_reference_are_cut_by_as_they_are()
    {
        string model = PublishedDeitTiny(), scores = SharedFolder.Require("official", "deit_tiny_reference_scores.pt");
        await Run(0, ["cut", model, scores, "--ratios", "0.35:0.2", "--out", At("small.safetensors")]);
        using JsonDocument small = JsonDocument.Parse(await Run(0, ["inspect", At("small.safetensors"), "--json"]));
        Assert.Equal(9216 - 3225, small.RootElement.GetProperty("blocks").EnumerateArray().Sum(block => block.GetProperty("neurons").GetInt32()));
        Assert.Equal(36 - 7, small.RootElement.GetProperty("blocks").EnumerateArray().Sum(block => block.GetProperty("heads").GetInt32()));
    }

    [Fact]
    public async Task Inspect_shows_what_a_score_file_of_the_reference_says()
    {
        string text = await Run(0, ["inspect", SharedFolder.Require("official", "scores", "imagenet-1k", "dino_vitb16.pt")]);
        Assert.Contains("model_type: dino_vitb16", text, StringComparison.Ordinal);
        Assert.Contains("metadata.ga_max_function_evaluations: 50", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_says_where_each_fact_came_from_and_counts_as_the_reference_on_demand()
    {
        string[] arguments = ["inspect", SharedFolder.Require("golden", "dinov3_mlp", "model.safetensors"), "--num-heads", "6", "--image-size", "32", "--json"];
        using JsonDocument found = JsonDocument.Parse(await Run(0, arguments)), counted = JsonDocument.Parse(await Run(0, [.. arguments, "--reference-flops"]));
        Assert.Equal("format dinov3", found.RootElement.GetProperty("sources").GetProperty("names").GetString());
        Assert.Equal("--num-heads", found.RootElement.GetProperty("sources").GetProperty("heads 6").GetString());
        Assert.Equal(["mask_token", "rope_embed.periods"], found.RootElement.GetProperty("unused_tensors").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal(4_297_800, counted.RootElement.GetProperty("flops").GetInt64());
        Assert.True(found.RootElement.GetProperty("flops").GetInt64() > 4_297_800);
    }

    [Theory]
    [InlineData("convert: expected one of --to FORMAT and --scores FILE")]
    [InlineData("--to: Argument 'keras' not recognized", "--to", "keras")]
    [InlineData("models of format open_clip have none like it", "--to", "open_clip")]
    public async Task What_cannot_be_converted_is_one_line(string fault, params string[] arguments)
    {
        string golden = SharedFolder.Require("golden", "timm_vit", "model.safetensors");
        string error = await Run(1, ["convert", golden, "--num-heads", "4", "--out", At("x.safetensors"), .. arguments]);
        Assert.Contains(fault, error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(_folder));
    }

    /// <summary>DeiT-Ti as timm publishes it, names and shapes without a config, with random weights.</summary>
    private string PublishedDeitTiny()
    {
        Random random = new(1);
        ParameterTable table = ParameterTable.For(TinyModels.DeitTiny, TinyModels.DeitTiny.FullWidths);
        SafetensorsWriter.Write(At("deit_tiny.safetensors"), table.Select(parameter => TensorToWrite.From(parameter.Name, Values(parameter), [.. parameter.Shape])));
        return At("deit_tiny.safetensors");

        float[] Values(ParameterSpec parameter) => [.. Enumerable.Range(0, (int)parameter.Elements).Select(_ => random.NextSingle() - 0.5f)];
    }

    private static string InOneLine(string wrapped) => string.Join(' ', wrapped.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private string At(string name) => Path.Combine(_folder, name);

    private static async Task<string> Run(int code, string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int found = await SnapVitCommand.RunAsync([.. arguments, "--threads", "1"], output, error, TestContext.Current.CancellationToken);
        Assert.True(code == found, $"exit {found}: {error}");
        return code == 0 ? output.ToString() : error.ToString();
    }
}
