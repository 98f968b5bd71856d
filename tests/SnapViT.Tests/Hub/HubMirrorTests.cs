using System.IO.Compression;
using System.Text;
using SnapViT.Hub;

namespace SnapViT.Tests.Hub;

/// <summary>What mirrors and proxies make of a hub's answers: nothing wrong gets into the cache, and what is merely unusual is read.</summary>
public sealed class HubMirrorTests : IDisposable
{
    private static readonly byte[] Weights = FakeHub.Content(300_000);
    private static readonly byte[] Config = Encoding.UTF8.GetBytes($$"""{"text": "{{new string('x', 2000)}}"}""");
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly FakeHub _hub = new();
    private readonly TemporaryCache _cache = new();

    public HubMirrorTests()
    {
        _hub.Files["model.safetensors"] = Weights;
        _hub.Files["config.json"] = Config;
    }

    public void Dispose()
    {
        _hub.Dispose();
        _cache.Dispose();
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("x-gzip")]
    public async Task A_body_that_is_encoded_unasked_is_decoded(string encoding)
    {
        _hub.Fault = asked => IsConfig(asked) ? Told(new Answer(200, Encoded(Config, encoding)).With("Content-Encoding", encoding)) : null;
        _hub.StoreFault = asked => new Answer(200, Encoded(Weights, encoding)).With("Content-Encoding", encoding);
        await AssertRightAsync();
    }

    [Fact]
    public async Task A_listing_that_is_encoded_is_decoded()
    {
        byte[] listing = Encoded(Encoding.UTF8.GetBytes($$"""{"sha":"{{FakeHub.Commit}}","siblings":[{"rfilename":"config.json"},{"rfilename":"model.safetensors"}]}"""), "gzip");
        _hub.Fault = asked => asked.Path.StartsWith("/api/", StringComparison.Ordinal) ? new Answer(200, listing).With("Content-Encoding", "gzip") : null;
        await AssertRightAsync();
    }

    [Theory]
    [InlineData("zstd", HubErrorKind.Malformed, "expected plain bytes, found them encoded as 'zstd'")]
    [InlineData("gzip", HubErrorKind.Damaged, "expected content in the encoding that the server names, found other bytes")]
    public async Task A_body_that_cannot_be_decoded_is_refused_and_not_kept(string encoding, HubErrorKind fault, string says)
    {
        _hub.Fault = asked => IsConfig(asked) ? Told(new Answer(200, Config).With("Content-Encoding", encoding)) : null;
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync());
        Assert.Equal((fault, $"org/model: config.json: {says}"), (exception.Fault, exception.Message));
        Assert.DoesNotContain(_cache.Files(), file => file.EndsWith(FakeHub.GitHash(Config), StringComparison.Ordinal));
        _hub.Fault = _ => null;
        await AssertRightAsync();
    }

    [Fact]
    public async Task An_encoded_download_that_was_cut_begins_anew()
    {
        byte[] gzip = Encoded(Weights, "gzip");
        _hub.StoreFault = FakeHub.First(_ => true, asked => new Answer(200, Weights, CutAfter: 100_000));
        Func<Asked, Answer?> cut = _hub.StoreFault;
        _hub.StoreFault = asked => cut(asked) ?? new Answer(asked.From > 0 ? 206 : 200, gzip[(int)asked.From..]).With("Content-Encoding", "gzip");
        await AssertRightAsync();
        Assert.Equal([0, 100_000, 0], _hub.Store.Requests.Select(asked => asked.From));
    }

    [Fact]
    public async Task A_small_file_of_another_hash_is_refused_and_not_kept()
    {
        _hub.Fault = asked => IsConfig(asked) ? Told(new Answer(200, [.. Config.Reverse()])) : null;
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync());
        Assert.Equal(HubErrorKind.Damaged, exception.Fault);
        Assert.StartsWith($"org/model: config.json: expected git hash {FakeHub.GitHash(Config)}, found ", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(_cache.Files(), file => file.EndsWith(FakeHub.GitHash(Config), StringComparison.Ordinal));
        _hub.Fault = _ => null;
        await AssertRightAsync();
    }

    [Fact]
    public async Task A_small_file_that_another_client_spoilt_in_the_cache_is_fetched_again()
    {
        string path = await FetchAsync();
        await File.WriteAllBytesAsync(Path.Combine(_cache.Model, "blobs", FakeHub.GitHash(Config)), Encoded(Config, "gzip"), Stop);
        Assert.Equal(path, await FetchAsync($"org/model@{FakeHub.Commit}"));
        await AssertRightAsync();
    }

    [Fact]
    public async Task A_description_without_a_length_is_enough()
    {
        _hub.Fault = asked => IsConfig(asked) ? Told(new Answer(200, Config) { HasNoLength = true }) : null;
        _hub.StoreFault = _ => new Answer(200, Weights) { HasNoLength = true };
        await AssertRightAsync();
    }

    [Fact]
    public async Task A_server_that_knows_no_HEAD_is_asked_by_GET()
    {
        _hub.Fault = asked => asked.Method == "HEAD" ? FakeHub.Error(405) : null;
        await AssertRightAsync();
    }

    [Theory]
    [InlineData("{SHA1{0123456789abcdef0123456789abcdef01234567}}")]
    [InlineData("7d0-12d687:gz")]
    [InlineData("0123456789abcdef0123456789abcdef01234567.1700000000")]
    [InlineData("../../../escape")]
    [InlineData("a/b\\c")]
    [InlineData("..")]
    [InlineData("CON")]
    [InlineData("a\"b")]
    [InlineData("long")]
    public async Task An_ETag_of_any_shape_becomes_a_safe_name(string etag)
    {
        string told = etag == "long" ? new string('e', 3000) : etag;
        _hub.Fault = asked => IsConfig(asked) ? new Answer(200, Config).With("ETag", $"W/\"{told}\"") : null;
        await AssertRightAsync();
        Assert.Single(_cache.Files(), file => System.Text.RegularExpressions.Regex.IsMatch(file, "^blobs/etag-[0-9a-f]{32}$"));
    }

    // Some servers make an ETag of size and time: two shards written in one second have the same one.
    [Fact]
    public async Task Two_files_with_one_ETag_stay_two()
    {
        byte[] other = [.. Config.Select(value => value == (byte)'x' ? (byte)'y' : value)];
        _hub.Files["preprocessor_config.json"] = other;
        _hub.Fault = asked => IsConfig(asked) || asked.Path.EndsWith("preprocessor_config.json", StringComparison.Ordinal)
            ? new Answer(200, IsConfig(asked) ? Config : other).With("ETag", "\"7d0-12d687\"")
            : null;
        string folder = await AssertRightAsync();
        Assert.Equal(other, await File.ReadAllBytesAsync(Path.Combine(folder, "preprocessor_config.json"), Stop));
    }

    [Fact]
    public async Task A_mirror_may_name_a_small_file_by_the_hash_of_its_bytes()
    {
        string sha1 = FakeHub.Sha1(Config);
        _hub.Fault = asked => IsConfig(asked) ? new Answer(200, Config).With("ETag", $"W/\"{sha1}\"") : null;
        await AssertRightAsync();
        Assert.Contains($"blobs/{sha1}", _cache.Files());
    }

    private static bool IsConfig(Asked asked) => asked.Path.EndsWith("/config.json", StringComparison.Ordinal);

    private static Answer Told(Answer answer) => answer.With("ETag", $"\"{FakeHub.GitHash(Config)}\"").With("X-Repo-Commit", FakeHub.Commit);

    private static byte[] Encoded(byte[] content, string encoding)
    {
        using MemoryStream encoded = new();
        using (Stream stream = encoding switch
        {
            "br" => new BrotliStream(encoded, CompressionLevel.Fastest),
            "deflate" => new ZLibStream(encoded, CompressionLevel.Fastest),
            _ => new GZipStream(encoded, CompressionLevel.Fastest),
        })
        {
            stream.Write(content);
        }

        return encoded.ToArray();
    }

    /// <summary>The folder of the files, after both were compared with what they should be.</summary>
    private async Task<string> AssertRightAsync()
    {
        string path = await FetchAsync(), folder = Path.GetDirectoryName(path)!;
        Assert.Equal(Weights, await File.ReadAllBytesAsync(path, Stop));
        Assert.Equal(Config, await File.ReadAllBytesAsync(Path.Combine(folder, "config.json"), Stop));
        return folder;
    }

    private async Task<string> FetchAsync(string name = FakeHub.Repository)
    {
        using HubClient client = new(_cache.Options(_hub.Hub.Address));
        return await client.FetchAsync(TemporaryCache.Named(name), cancellation: Stop);
    }
}
