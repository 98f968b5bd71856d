using SnapViT.Hub;
using SnapViT.Workflows;

namespace SnapViT.Tests.Hub;

/// <summary>What a healthy hub and the shared cache are expected to give; the layout is that of the huggingface_hub client.</summary>
public sealed class HubClientTests : IDisposable
{
    private static readonly byte[] Weights = FakeHub.Content(300_000);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly FakeHub _hub = new();
    private readonly TemporaryCache _cache = new();

    public HubClientTests() => _hub.Files["model.safetensors"] = Weights;

    public void Dispose()
    {
        _hub.Dispose();
        _cache.Dispose();
    }

    [Fact]
    public async Task A_model_lands_in_the_layout_of_the_shared_cache()
    {
        string path = await FetchAsync();
        string snapshot = Path.Combine(_cache.Model, "snapshots", FakeHub.Commit);
        Assert.Equal(Path.Combine(snapshot, "model.safetensors"), path);
        Assert.Equal(Weights, await File.ReadAllBytesAsync(path, Stop));
        Assert.Equal("{}", await File.ReadAllTextAsync(Path.Combine(snapshot, "config.json"), Stop));
        Assert.Equal($"../../blobs/{FakeHub.Sha256(Weights)}", new FileInfo(path).LinkTarget);
        Assert.Equal($"../../blobs/{FakeHub.GitHash("{}"u8.ToArray())}", new FileInfo(Path.Combine(snapshot, "config.json")).LinkTarget);
        Assert.Equal(FakeHub.Commit, await File.ReadAllTextAsync(Path.Combine(_cache.Model, "refs", "main"), Stop));
        Assert.Equal(
            new[]
            {
                $".no_exist/{FakeHub.Commit}/open_clip_config.json", $".no_exist/{FakeHub.Commit}/preprocessor_config.json",
                $".no_exist/{FakeHub.Commit}/processor_config.json", $"blobs/{FakeHub.GitHash("{}"u8.ToArray())}", $"blobs/{FakeHub.Sha256(Weights)}",
                "refs/main", $"snapshots/{FakeHub.Commit}/config.json", $"snapshots/{FakeHub.Commit}/model.safetensors",
            }.Order(StringComparer.Ordinal),
            _cache.Files());
        Assert.True(File.Exists(Path.Combine(_cache.Root, ".locks", "models--org--model", $"{FakeHub.Sha256(Weights)}.lock")));
    }

    [Fact]
    public async Task A_second_fetch_asks_for_the_commit_and_for_nothing_else()
    {
        string first = await FetchAsync();
        _hub.Hub.Requests.Clear();
        _hub.Store.Requests.Clear();
        Assert.Equal(first, await FetchAsync());
        Assert.Equal("/api/models/org/model/revision/main", Assert.Single(_hub.Hub.Requests).Path);
        Assert.Empty(_hub.Store.Requests);
    }

    [Fact]
    public async Task A_commit_in_the_cache_needs_no_network()
    {
        string first = await FetchAsync($"org/model@{FakeHub.Commit}");
        int requests = _hub.Hub.Requests.Count;
        Assert.Equal(first, await FetchAsync($"org/model@{FakeHub.Commit}"));
        Assert.Equal(requests, _hub.Hub.Requests.Count);
        Assert.False(Directory.Exists(Path.Combine(_cache.Model, "refs")));
    }

    [Fact]
    public async Task A_cache_that_another_client_filled_is_used_and_completed()
    {
        Directory.CreateDirectory(Path.Combine(_cache.Model, "blobs"));
        Directory.CreateDirectory(Path.Combine(_cache.Model, "refs"));
        string snapshot = Directory.CreateDirectory(Path.Combine(_cache.Model, "snapshots", FakeHub.Commit)).FullName;
        await File.WriteAllBytesAsync(_cache.Blob(Weights), Weights, Stop);
        await File.WriteAllTextAsync(Path.Combine(_cache.Model, "refs", "main"), FakeHub.Commit, Stop);
        File.CreateSymbolicLink(Path.Combine(snapshot, "model.safetensors"), $"../../blobs/{FakeHub.Sha256(Weights)}");
        Assert.Equal(Path.Combine(snapshot, "model.safetensors"), await FetchAsync());
        Assert.Empty(_hub.Store.Requests);
        Assert.True(File.Exists(Path.Combine(snapshot, "config.json")));
    }

    [Fact]
    public async Task The_same_content_of_a_new_commit_is_linked_not_fetched()
    {
        await FetchAsync();
        _hub.Head = new string('f', 40);
        string path = await FetchAsync();
        Assert.Contains(_hub.Head, path, StringComparison.Ordinal);
        Assert.Equal(Weights, await File.ReadAllBytesAsync(path, Stop));
        Assert.Single(_hub.Store.Requests);
        Assert.Equal(_hub.Head, await File.ReadAllTextAsync(Path.Combine(_cache.Model, "refs", "main"), Stop));
    }

    [Fact]
    public async Task A_link_whose_content_was_deleted_is_fetched_again()
    {
        string path = await FetchAsync();
        File.Delete(_cache.Blob(Weights));
        Assert.Equal(path, await FetchAsync());
        Assert.Equal(Weights, await File.ReadAllBytesAsync(path, Stop));
    }

    [Fact]
    public async Task A_revision_with_slashes_is_one_segment_of_the_address_and_a_path_in_refs()
    {
        await FetchAsync("org/model@refs/pr/1");
        Assert.Equal("/api/models/org/model/revision/refs%2Fpr%2F1", _hub.Hub.Requests.First().Path);
        Assert.Equal(FakeHub.Commit, await File.ReadAllTextAsync(Path.Combine(_cache.Model, "refs", "refs", "pr", "1"), Stop));
    }

    [Theory]
    [InlineData("model", "safetensors")]
    [InlineData("pytorch_model", "bin")]
    public async Task Shards_are_fetched_with_their_index(string name, string end)
    {
        byte[] other = FakeHub.Content(1000);
        string index = $"{name}.{end}.index.json", first = $"{name}-00001-of-00002.{end}", second = $"{name}-00002-of-00002.{end}";
        _hub.Files.TryRemove("model.safetensors", out _);
        _hub.Files[first] = Weights;
        _hub.Files[second] = other;
        _hub.Files[index] = System.Text.Encoding.UTF8.GetBytes($$$"""{"metadata":{},"weight_map":{"a":"{{{first}}}","b":"{{{second}}}","c":"{{{first}}}"}}""");
        string path = await FetchAsync();
        Assert.Equal(index, Path.GetFileName(path));
        Assert.Equal(other, await File.ReadAllBytesAsync(Path.Combine(Path.GetDirectoryName(path)!, second), Stop));
        Assert.Equal(path, await FetchAsync(change: options => options with { Offline = true }));
        File.Delete(_cache.Blob(other));
        await Assert.ThrowsAsync<HubException>(() => FetchAsync(change: options => options with { Offline = true }));
    }

    [Theory]
    [InlineData("model.safetensors", "../../escape.safetensors")]
    [InlineData("model.safetensors", "/etc/x.safetensors")]
    [InlineData("model.safetensors", "a/b.safetensors")]
    [InlineData("model.safetensors", "weights.bin")]
    [InlineData("pytorch_model.bin", "../escape.bin")]
    [InlineData("pytorch_model.bin", "weights.safetensors")]
    public async Task An_index_that_names_anything_but_files_of_its_kind_beside_it_is_refused(string weights, string shard)
    {
        _hub.Files.TryRemove("model.safetensors", out _);
        _hub.Files[$"{weights}.index.json"] = System.Text.Encoding.UTF8.GetBytes($$$"""{"weight_map":{"a":"{{{shard}}}"}}""");
        Assert.Equal(HubErrorKind.Malformed, (await Assert.ThrowsAsync<HubException>(() => FetchAsync())).Fault);
    }

    [Fact]
    public async Task All_descriptions_come_with_the_weights()
    {
        string[] descriptions = ["config.json", "open_clip_config.json", "preprocessor_config.json", "processor_config.json"];
        foreach (string name in descriptions)
        {
            _hub.Files[name] = System.Text.Encoding.UTF8.GetBytes($$"""{"name":"{{name}}"}""");
        }

        string folder = Path.GetDirectoryName(await FetchAsync($"org/model@{FakeHub.Commit}"))!;
        Assert.All(descriptions, name => Assert.Contains(name, File.ReadAllText(Path.Combine(folder, name)), StringComparison.Ordinal));
        int requests = _hub.Hub.Requests.Count;
        await FetchAsync($"org/model@{FakeHub.Commit}");
        Assert.Equal(requests, _hub.Hub.Requests.Count);
    }

    [Theory]
    [InlineData("open_clip_model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin")]
    [InlineData("open_clip_vit.safetensors", "open_clip_pytorch_model.bin", "flax_model.msgpack")]
    [InlineData("pytorch_model.bin", "open_clip_pytorch_model.bin", "tf_model.h5")]
    [InlineData("open_clip_pytorch_model.bin", "pytorch_model.pth", "sub/model.safetensors")]
    public async Task Other_forms_of_weights_are_taken_in_their_order(string expected, params string[] others)
    {
        _hub.Files.TryRemove("model.safetensors", out _);
        foreach (string name in others.Prepend(expected))
        {
            _hub.Files[name] = System.Text.Encoding.UTF8.GetBytes(name);
        }

        string path = await FetchAsync();
        Assert.Equal(expected, Path.GetFileName(path));
        Assert.Equal(expected, await File.ReadAllTextAsync(path, Stop));
    }

    [Fact]
    public async Task Progress_counts_bytes_of_each_file_up_to_all()
    {
        List<WorkProgress> reports = [];
        using HubClient client = new(_cache.Options(_hub.Hub.Address));
        await client.FetchAsync(TemporaryCache.Name, new Collected(reports), Stop);
        Assert.Equal(new WorkProgress("fetching model.safetensors", Weights.Length, Weights.Length, "bytes") { TimeLeft = TimeSpan.Zero }, reports[^1]);
        Assert.Contains(reports, report => report is { Stage: "fetching config.json", Done: 2, Total: 2 });
    }

    private async Task<string> FetchAsync(string name = FakeHub.Repository, Func<HubOptions, HubOptions>? change = null)
    {
        using HubClient client = new((change ?? (options => options))(_cache.Options(_hub.Hub.Address)));
        return await client.FetchAsync(TemporaryCache.Named(name), cancellation: Stop);
    }

    private sealed class Collected(List<WorkProgress> reports) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value) => reports.Add(value);
    }
}
