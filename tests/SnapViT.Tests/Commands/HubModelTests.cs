using System.Text.Json;
using SnapViT.Cli;
using SnapViT.Core.Checkpoints;
using SnapViT.Tests.Hub;

namespace SnapViT.Tests.Commands;

/// <summary>The command from a name to a result, over a real connection to a loopback hub.</summary>
public sealed class HubModelTests : IDisposable
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly FakeHub _hub = new();
    private readonly TemporaryCache _cache = new();

    public HubModelTests()
    {
        Environment.SetEnvironmentVariable("HF_ENDPOINT", _hub.Hub.Address.AbsoluteUri);
        Environment.SetEnvironmentVariable("HF_HUB_CACHE", _cache.Root);
        Environment.SetEnvironmentVariable("HF_TOKEN", "hf_secret");
    }

    public void Dispose()
    {
        foreach (string name in new[] { "HF_ENDPOINT", "HF_HUB_CACHE", "HF_TOKEN" })
        {
            Environment.SetEnvironmentVariable(name, null);
        }

        _hub.Dispose();
        _cache.Dispose();
    }

    [Fact]
    public async Task A_model_is_inspected_by_its_name()
    {
        _hub.Files["model.safetensors"] = await File.ReadAllBytesAsync(SharedFolder.Require("golden", "timm_vit", "model.safetensors"), Stop);
        (int code, string output, string error) = await RunAsync("inspect", FakeHub.Repository, "--num-heads", "4", "--json");
        Assert.Equal((0, true), (code, output.StartsWith('{')));
        Assert.Contains("fetching model.safetensors", error, StringComparison.Ordinal);
        Assert.All(_hub.Hub.Requests, asked => Assert.Equal("Bearer hf_secret", asked.Token));
        Assert.DoesNotContain("hf_secret", error + output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_in_shards_of_pytorch_is_inspected_by_its_name()
    {
        using SafetensorsReader model = SafetensorsReader.Open(SharedFolder.Require("golden", "timm_vit", "model.safetensors"));
        string[] names = [.. model.Tensors.Keys], shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
        for (int shard = 0; shard < 2; shard++)
        {
            string file = Path.Combine(_cache.Root, shards[shard]);
            TorchArchiveWriter.WriteStateDict(file, names.Where((_, i) => i % 2 == shard).Select(name => TensorToWrite.From(name, model.ReadFloats(name), model.Tensors[name].Shape)));
            _hub.Files[shards[shard]] = await File.ReadAllBytesAsync(file, Stop);
        }

        _hub.Files["pytorch_model.bin.index.json"] = JsonSerializer.SerializeToUtf8Bytes(new { weight_map = names.Select((name, i) => (name, i)).ToDictionary(pair => pair.name, pair => shards[pair.i % 2]) });
        using JsonDocument found = await InspectAsync("--num-heads", "4");
        Assert.Equal(123_802, found.RootElement.GetProperty("parameters").GetInt64());
    }

    // timm/ViT-B-16-SigLIP2 and its like: no config.json, open_clip's own names of files.
    [Theory]
    [InlineData("open_clip_model.safetensors")]
    [InlineData("open_clip_pytorch_model.bin")]
    public async Task A_model_of_open_clip_is_understood_by_its_own_config(string weights)
    {
        string golden = SharedFolder.Require("golden", "siglip2", "model.safetensors"), pickled = Path.Combine(_cache.Root, "pickled");
        using (SafetensorsReader model = SafetensorsReader.Open(golden))
        {
            TorchArchiveWriter.WriteStateDict(pickled, model.Tensors.Values.Select(entry => TensorToWrite.From("visual." + entry.Name, model.ReadFloats(entry.Name), entry.Shape)));
        }

        _hub.Files.TryRemove("config.json", out _);
        _hub.Files[weights] = await File.ReadAllBytesAsync(weights.EndsWith(".bin", StringComparison.Ordinal) ? pickled : golden, Stop);
        _hub.Files["open_clip_config.json"] = """
            {"model_cfg": {"embed_dim": 48, "vision_cfg": {"image_size": 32, "timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map"}},
             "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "squash"}}
            """u8.ToArray();
        using JsonDocument found = await InspectAsync("--num-heads", "6");
        JsonElement sources = found.RootElement.GetProperty("sources");
        Assert.Equal("open_clip_config.json", sources.GetProperty("activation gelu-erf").GetString());
        Assert.Contains(sources.EnumerateObject(), source => source.Name.StartsWith("preprocessing", StringComparison.Ordinal) && source.Value.GetString() == "open_clip_config.json");
    }

    [Fact]
    public async Task A_name_that_the_hub_does_not_know_is_one_line_and_wrong_input()
    {
        (int code, _, string error) = await RunAsync("inspect", "org/none");
        Assert.Equal(ExitCode.WrongInput, code);
        Assert.Equal("snapvit: org/none: 127.0.0.1 has no such model for this token, or does not accept the token (401)", error.TrimEnd());
    }

    [Fact]
    public async Task A_mistyped_path_asks_nobody()
    {
        (int code, _, string error) = await RunAsync("inspect", "models/none.safetensors");
        Assert.Equal(ExitCode.WrongInput, code);
        Assert.Contains("none.safetensors", error, StringComparison.Ordinal);
        Assert.Empty(_hub.Hub.Requests);
    }

    [Fact]
    public async Task A_name_of_timm_needs_no_publisher_where_the_table_of_published_models_has_it()
    {
        await RunAsync("inspect", "vit_small_patch16_224.dino");
        Assert.Equal("/api/models/timm/vit_small_patch16_224.dino/revision/main", _hub.Hub.Requests.First().Path);
        _hub.Hub.Requests.Clear();
        (int code, _, string error) = await RunAsync("inspect", "vit_small_patch16_224.none");
        Assert.Equal((ExitCode.WrongInput, "snapvit: cannot read vit_small_patch16_224.none: there is no such file"), (code, error.TrimEnd()));
        Assert.Empty(_hub.Hub.Requests);
    }

    [Theory]
    [InlineData("models/deit_tny", "; did you mean {0}/models/deit_tiny?")]
    [InlineData("models/deit_tiny/model.safetensor", "; did you mean {0}/models/deit_tiny/model.safetensors?")]
    [InlineData("modles/deit_tiny", "; did you mean {0}/models/deit_tiny?")]
    [InlineData("models/dite_tiny/model.safetensors", "; did you mean {0}/models/deit_tiny/model.safetensors?")]
    [InlineData("models/quite_another", "")]
    [InlineData("nowhere/none.safetensors", "")]
    public async Task A_path_that_was_meant_asks_nobody_and_the_nearest_is_named(string path, string meant)
    {
        Directory.CreateDirectory(Path.Combine(_cache.Root, "models", "deit_tiny"));
        await File.WriteAllTextAsync(Path.Combine(_cache.Root, "models", "deit_tiny", "model.safetensors"), "", Stop);
        string full = Path.Combine(_cache.Root, path);
        (int code, _, string error) = await RunAsync("inspect", full);
        Assert.Equal((ExitCode.WrongInput, $"snapvit: cannot read {full}: there is no such file{meant.Replace("{0}", _cache.Root, StringComparison.Ordinal)}"), (code, error.TrimEnd()));
        Assert.Empty(_hub.Hub.Requests);
    }

    // Relative to the folder of the tests, which holds other folders: what has the form org/name is a path where the first part is there.
    [Fact]
    public async Task A_name_below_a_folder_that_is_there_asks_nobody_and_its_spelling_for_the_hub_is_told()
    {
        string folder = Directory.CreateDirectory($"models{Guid.NewGuid():N}").Name;
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, "deit_tiny"));
            (_, _, string near) = await RunAsync("inspect", $"{folder}/deit_tny");
            Assert.Equal($"snapvit: cannot read {folder}/deit_tny: there is no such file; did you mean {folder}/deit_tiny? (the model of that name on the hub is hf-hub:{folder}/deit_tny)", near.TrimEnd());
            (_, _, string mistyped) = await RunAsync("inspect", $"{folder}x/deit_tiny");
            Assert.Contains($"did you mean {folder}/deit_tiny?", mistyped, StringComparison.Ordinal);
            Assert.Empty(_hub.Hub.Requests);
            await RunAsync("inspect", $"hf-hub:{folder}/deit_tny");
            Assert.Single(_hub.Hub.Requests);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("https://huggingface.co/org/model/blob/main/model.safetensors")]
    [InlineData("https://example.org/org/model")]
    [InlineData("hf-hub:model")]
    public async Task An_address_of_anything_but_a_model_is_told_so(string address)
    {
        (int code, _, string error) = await RunAsync("inspect", address);
        Assert.Equal(ExitCode.WrongInput, code);
        Assert.StartsWith($"snapvit: {address}: expected a model as in hf-hub:org/name, ", error, StringComparison.Ordinal);
        Assert.Empty(_hub.Hub.Requests);
    }

    private static async Task<JsonDocument> InspectAsync(params string[] hints)
    {
        (int code, string output, string error) = await RunAsync(["inspect", FakeHub.Repository, "--json", .. hints]);
        Assert.True(code == 0, error);
        return JsonDocument.Parse(output);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = await SnapVitCommand.RunAsync([.. args, "--threads", "1"], output, error, Stop);
        return (code, output.ToString(), error.ToString());
    }
}
