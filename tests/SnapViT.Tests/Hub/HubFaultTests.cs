using SnapViT.Hub;
using SnapViT.Workflows;

namespace SnapViT.Tests.Hub;

/// <summary>Refusals, overload and answers that no hub gives: one clear line each, a wait where waiting helps, the cache where there is one.</summary>
public sealed class HubFaultTests : IDisposable
{
    private const string Token = "hf_secretSECRETsecret";
    private static readonly byte[] Weights = FakeHub.Content(10_000);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly FakeHub _hub = new();
    private readonly TemporaryCache _cache = new();

    public HubFaultTests() => _hub.Files["model.safetensors"] = Weights;

    public void Dispose()
    {
        _hub.Dispose();
        _cache.Dispose();
    }

    [Fact]
    public async Task A_missing_model_revision_or_file_of_weights_is_one_line_each()
    {
        Assert.Equal("org/none: 127.0.0.1 has no such model, or it is private and needs a token (HF_TOKEN) that may read it (401)", await MessageAsync(HubErrorKind.ModelNotFound, "org/none"));
        Assert.Equal("org/model@v9: the model has no revision 'v9'", await MessageAsync(HubErrorKind.RevisionNotFound, "org/model@v9"));
        _hub.Files.TryRemove("model.safetensors", out _);
        Assert.Equal(
            "org/model: expected model.safetensors, model.safetensors.index.json, open_clip_*.safetensors, pytorch_model.bin, pytorch_model.bin.index.json or open_clip_pytorch_model.bin, found none of them",
            await MessageAsync(HubErrorKind.FileNotFound));
    }

    [Fact]
    public async Task A_file_that_is_listed_but_missing_is_named()
    {
        _hub.Fault = asked => asked.Path.EndsWith("model.safetensors", StringComparison.Ordinal) ? FakeHub.Error(404, "EntryNotFound") : null;
        Assert.Equal("org/model: model.safetensors: the revision has no such file", await MessageAsync(HubErrorKind.FileNotFound));
    }

    [Theory]
    [InlineData(404, null, HubErrorKind.ModelNotFound)]
    [InlineData(403, "GatedRepo", HubErrorKind.AccessDenied)]
    [InlineData(401, "GatedRepo", HubErrorKind.AccessDenied)]
    [InlineData(403, null, HubErrorKind.AccessDenied)]
    [InlineData(418, null, HubErrorKind.Malformed)]
    [InlineData(500, null, HubErrorKind.Unreachable)]
    [InlineData(429, null, HubErrorKind.RateLimited)]
    public async Task Every_refusal_is_one_line_with_its_status_and_without_the_token(int status, string? code, HubErrorKind fault)
    {
        _hub.Fault = _ => FakeHub.Error(status, code);
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync(change: options => options with { Token = Token }));
        Assert.Equal(fault, exception.Fault);
        Assert.Contains($"({status})", exception.Message.Replace($"status {status}", $"({status})", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
        Assert.DoesNotContain(Token, exception.ToString(), StringComparison.Ordinal);
        Assert.Equal(exception.MayPass ? 4 : 1, _hub.Hub.Requests.Count);
    }

    [Fact]
    public async Task A_refused_token_is_said_and_not_shown()
    {
        _hub.Fault = _ => FakeHub.Error(401);
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync(change: options => options with { Token = Token }));
        Assert.Equal("org/model: 127.0.0.1 has no such model for this token, or does not accept the token (401)", exception.Message);
        Assert.DoesNotContain(Token, exception.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Overload_is_waited_out_for_as_long_as_the_hub_asks_and_else_by_the_options()
    {
        _hub.Fault = FakeHub.First(_ => true, _ => FakeHub.Error(429).With("Retry-After", "7"), _ => FakeHub.Error(503), _ => FakeHub.Error(500));
        InstantTime time = new();
        await FetchAsync(change: options => options with { Time = time, RetryDelays = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(4)] });
        Assert.Equal([7, 2, 4], time.Waits.Select(wait => wait.TotalSeconds));
    }

    [Fact]
    public async Task A_wait_beyond_the_longest_is_not_begun()
    {
        _hub.Fault = _ => FakeHub.Error(429).With("Retry-After", "301");
        Assert.Equal("org/model: 127.0.0.1 asks for fewer requests (429) and to wait 301 s", await MessageAsync(HubErrorKind.RateLimited));
        Assert.Single(_hub.Hub.Requests);
    }

    [Fact]
    public async Task A_download_address_that_has_expired_is_asked_for_anew()
    {
        _hub.StoreFault = FakeHub.First(_ => true, _ => FakeHub.Error(403));
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(), Stop));
        Assert.Equal(2, _hub.Hub.Requests.Count(asked => asked.Method == "GET" && asked.Path.EndsWith("model.safetensors", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Offline_asks_nobody_and_lives_on_the_cache()
    {
        static HubOptions Offline(HubOptions options) => options with { Offline = true };
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync(change: Offline));
        Assert.Equal(HubErrorKind.Offline, exception.Fault);
        Assert.Empty(_hub.Hub.Requests);
        string path = await FetchAsync();
        int requests = _hub.Hub.Requests.Count;
        Assert.Equal(path, await FetchAsync(change: Offline));
        Assert.Equal(requests, _hub.Hub.Requests.Count);
    }

    [Fact]
    public async Task Without_a_connection_the_cache_is_used_and_that_is_said()
    {
        string path = await FetchAsync();
        _hub.Hub.Dispose();
        List<WorkProgress> reports = [];
        using HubClient client = new(_cache.Options(_hub.Hub.Address));
        Assert.Equal(path, await client.FetchAsync(TemporaryCache.Name, new Collected(reports), Stop));
        Assert.StartsWith("the copy in the cache is used: org/model: the connection failed", Assert.Single(reports).Note, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("""{"sha":"../../x","siblings":[]}""")]
    [InlineData("""{"siblings":[]}""")]
    public async Task An_answer_that_no_hub_gives_is_refused(string body)
    {
        _hub.Fault = _ => new Answer(200, System.Text.Encoding.UTF8.GetBytes(body));
        Assert.StartsWith("org/model: expected a hub's description of a model from 127.0.0.1", await MessageAsync(HubErrorKind.Malformed), StringComparison.Ordinal);
        Assert.Empty(_cache.Files());
    }

    [Fact]
    public async Task An_answer_without_an_ETag_is_refused()
    {
        _hub.Fault = asked => asked.Path.EndsWith("config.json", StringComparison.Ordinal) ? new Answer(200, "{}"u8.ToArray()).With("ETag", "\"\"") : null;
        Assert.Equal("org/model: config.json: expected an ETag from 127.0.0.1, found none", await MessageAsync(HubErrorKind.Malformed));
        Assert.DoesNotContain(_cache.Files(), file => file.StartsWith("blobs", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_network_nothing_is_waited_for()
    {
        InstantTime time = new();
        HubException exception = await Assert.ThrowsAsync<HubException>(
            () => FetchAsync(change: options => options with { Time = time, Endpoint = new Uri("http://hub.invalid"), RetryDelays = [TimeSpan.FromDays(1)] }));
        Assert.Equal(("org/model: there is no host hub.invalid (is there a network?)", HubErrorKind.Unreachable), (exception.Message, exception.Fault));
        Assert.Empty(time.Waits);
    }

    [Fact]
    public async Task A_complete_cache_that_cannot_be_written_is_used()
    {
        // As another client leaves it, on a disk that takes nothing more: files stand where folders would have to be made.
        string path = await FetchAsync();
        Directory.Delete(Path.Combine(_cache.Model, ".no_exist"), recursive: true);
        Directory.Delete(Path.Combine(_cache.Root, ".locks"), recursive: true);
        Directory.Delete(Path.Combine(_cache.Model, "refs"), recursive: true);
        foreach (string closed in new[] { Path.Combine(_cache.Model, ".no_exist"), Path.Combine(_cache.Root, ".locks"), Path.Combine(_cache.Model, "refs") })
        {
            await File.WriteAllTextAsync(closed, "", Stop);
        }

        Assert.Equal(path, await FetchAsync());
        Assert.Equal(path, await FetchAsync($"org/model@{FakeHub.Commit}"));
        Assert.Equal(path, await FetchAsync($"org/model@{FakeHub.Commit}", options => options with { Offline = true }));
    }

    [Fact]
    public async Task A_file_that_a_cache_lacks_and_cannot_take_is_named()
    {
        await File.WriteAllTextAsync(Path.Combine(_cache.Root, ".locks"), "", Stop);
        IOException exception = await Assert.ThrowsAnyAsync<IOException>(() => FetchAsync());
        Assert.StartsWith($"org/model: config.json: expected it in the cache {_cache.Root} or a cache that can be written, found neither: ", exception.Message, StringComparison.Ordinal);
    }

    private async Task<string> MessageAsync(HubErrorKind fault, string name = FakeHub.Repository)
    {
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync(name));
        Assert.Equal(fault, exception.Fault);
        return exception.Message;
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
