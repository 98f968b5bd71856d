using SnapViT.Hub;
using SnapViT.Workflows;

namespace SnapViT.Tests.Hub;

/// <summary>Transfers that are cut, cancelled, wrong or contended: what is kept, what is asked again, and that no half file ever has its final name.</summary>
public sealed class HubTransferTests : IDisposable
{
    private static readonly byte[] Weights = FakeHub.Content(3_000_000);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly FakeHub _hub = new();
    private readonly TemporaryCache _cache = new();

    public HubTransferTests() => _hub.Files["model.safetensors"] = Weights;

    public void Dispose()
    {
        _hub.Dispose();
        _cache.Dispose();
    }

    [Fact]
    public async Task A_cut_transfer_is_continued_where_it_broke_as_often_as_it_makes_progress()
    {
        // Eight cuts against three retries: only tries without a single new byte count.
        Func<Asked, Answer>[] cuts = [.. Enumerable.Repeat<Func<Asked, Answer>>(asked => Shortened(asked, 200_000), 8)];
        _hub.StoreFault = FakeHub.First(_ => true, cuts);
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(), Stop));
        long[] starts = [.. _hub.Store.Requests.Select(asked => asked.From)];
        Assert.Equal(9, starts.Length);
        Assert.Equal(Enumerable.Range(0, 9).Select(i => i * 200_000L), starts);
    }

    [Fact]
    public async Task A_server_without_ranges_sends_everything_again()
    {
        _hub.StoreFault = asked => _hub.Store.Requests.Count == 1 ? Shortened(asked, 100_000) : new Answer(200, Weights);
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(), Stop));
        Assert.Equal(100_000, _hub.Store.Requests.Last().From);
    }

    [Fact]
    public async Task A_connection_that_only_breaks_is_given_up_and_nothing_has_a_final_name()
    {
        _hub.StoreFault = asked => new Answer(200, Weights, CutAfter: 0);
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync());
        Assert.Equal(HubErrorKind.Unreachable, exception.Fault);
        Assert.StartsWith("org/model: model.safetensors: ", exception.Message, StringComparison.Ordinal);
        Assert.Equal(4, _hub.Store.Requests.Count);
        Assert.False(File.Exists(_cache.Blob(Weights)));
        Assert.DoesNotContain(_cache.Files(), file => file.StartsWith("refs", StringComparison.Ordinal) || file.EndsWith("model.safetensors", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_silent_server_is_a_cut_connection()
    {
        _hub.StoreFault = FakeHub.First(_ => true, _ => new Answer(200, Weights, CutAfter: -1));
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(options => options with { StallTimeout = TimeSpan.FromSeconds(0.5) }), Stop));
        Assert.Equal(2, _hub.Store.Requests.Count);
    }

    [Fact]
    public async Task Content_of_another_hash_is_refused_and_not_kept()
    {
        _hub.StoreFault = _ => new Answer(200, [.. Weights.Skip(1), 0]);
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync());
        Assert.Equal(HubErrorKind.Damaged, exception.Fault);
        Assert.Contains($"expected sha256 {FakeHub.Sha256(Weights)}, found ", exception.Message, StringComparison.Ordinal);
        Assert.Single(_hub.Store.Requests);
        Assert.False(File.Exists(_cache.Blob(Weights)));
        Assert.Equal(0, new FileInfo(_cache.Blob(Weights) + ".incomplete").Length);
    }

    [Fact]
    public async Task More_bytes_than_announced_are_refused()
    {
        _hub.StoreFault = _ => new Answer(200, [.. Weights, 1]);
        Assert.Equal(HubErrorKind.Damaged, (await Assert.ThrowsAsync<HubException>(() => FetchAsync())).Fault);
        Assert.False(File.Exists(_cache.Blob(Weights)));
    }

    [Theory]
    [InlineData(500)]
    [InlineData(3_000_000)]
    [InlineData(3_000_001)]
    public async Task A_spoilt_leftover_is_thrown_away_and_fetched_once_more(int length)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_cache.Blob(Weights))!);
        await File.WriteAllBytesAsync(_cache.Blob(Weights) + ".incomplete", new byte[length], Stop);
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(), Stop));
        Assert.Equal(0, _hub.Store.Requests.Last().From);
        Assert.False(File.Exists(_cache.Blob(Weights) + ".incomplete"));
    }

    [Fact]
    public async Task A_cancelled_fetch_is_continued_by_the_next()
    {
        using CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => FetchAsync(progress: new Cancelling(cancel), cancellation: cancel.Token));
        long kept = new FileInfo(_cache.Blob(Weights) + ".incomplete").Length;
        Assert.InRange(kept, 1, Weights.Length - 1);
        Assert.DoesNotContain(_cache.Files(), file => file.EndsWith("model.safetensors", StringComparison.Ordinal));
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(), Stop));
        Assert.Equal(kept, _hub.Store.Requests.Last().From);
    }

    [Fact]
    public async Task Many_at_once_download_once()
    {
        string[] paths = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Task.Run(() => FetchAsync(), Stop)));
        Assert.Single(paths.Distinct());
        Assert.Equal(Weights, await File.ReadAllBytesAsync(paths[0], Stop));
        Assert.Single(_hub.Store.Requests);
    }

    [Fact]
    public async Task A_lock_that_another_holds_is_waited_for_and_the_wait_can_be_cancelled()
    {
        string path = Path.Combine(_cache.Root, ".locks", "models--org--model", $"{FakeHub.Sha256(Weights)}.lock");
        using CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        using (await FileLock.AcquireAsync(path, Stop))
        {
            Task<string> waiting = FetchAsync(cancellation: cancel.Token);
            await Task.Delay(300, Stop);
            Assert.False(waiting.IsCompleted);
            Assert.Empty(_hub.Store.Requests);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }

        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(), Stop));
    }

    private Answer Shortened(Asked asked, int bytes)
    {
        Answer whole = _hub.AnswerOfStore(asked);
        Answer cut = whole with { CutAfter = Math.Min(bytes, whole.Body.Length) };
        return whole.Headers.Aggregate(cut, (answer, header) => answer.With(header.Key, header.Value));
    }

    private async Task<string> FetchAsync(Func<HubOptions, HubOptions>? change = null, IProgress<WorkProgress>? progress = null, CancellationToken? cancellation = null)
    {
        using HubClient client = new((change ?? (options => options))(_cache.Options(_hub.Hub.Address)));
        return await client.FetchAsync(TemporaryCache.Name, progress, cancellation ?? Stop);
    }

    private sealed class Cancelling(CancellationTokenSource cancel) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value)
        {
            if (value is { Stage: "fetching model.safetensors", Done: > 0 })
            {
                cancel.Cancel();
            }
        }
    }
}
