using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using SnapViT.Core.Errors;
using SnapViT.Hub;

namespace SnapViT.Tests.Hub;

/// <summary>What is sent to whom: the token goes to the hub alone, redirects lead nowhere strange, certificates are checked.</summary>
public sealed class HubTrustTests : IDisposable
{
    private const string Token = "hf_secretSECRETsecret";
    private static readonly byte[] Weights = FakeHub.Content(10_000);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly FakeHub _hub = new();
    private readonly TemporaryCache _cache = new();

    public HubTrustTests() => _hub.Files["model.safetensors"] = Weights;

    public void Dispose()
    {
        _hub.Dispose();
        _cache.Dispose();
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_never_to_another_host()
    {
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync(change: options => options with { Token = Token }), Stop));
        Assert.All(_hub.Hub.Requests, asked => Assert.Equal($"Bearer {Token}", asked.Token));
        Assert.Null(Assert.Single(_hub.Store.Requests).Token);
    }

    [Fact]
    public async Task A_renamed_model_is_followed_on_the_hub_with_the_token()
    {
        string Renamed(Asked asked) => asked.Path.Replace("/old/", "/org/", StringComparison.Ordinal);
        _hub.Fault = asked => asked.Path.Contains("/old/", StringComparison.Ordinal) ? new Answer(307, []).With("Location", Renamed(asked)) : null;
        Assert.Equal(Weights, await File.ReadAllBytesAsync(await FetchAsync("old/model", options => options with { Token = Token }), Stop));
        Assert.All(_hub.Hub.Requests, asked => Assert.Equal($"Bearer {Token}", asked.Token));
        Assert.True(Directory.Exists(Path.Combine(_cache.Root, "models--old--model")));
    }

    [Fact]
    public async Task A_redirect_to_anything_but_the_web_is_refused()
    {
        _hub.Location = _ => "file:///etc/passwd";
        Assert.Contains("redirects to file://, expected https", await MessageAsync(HubErrorKind.Untrusted), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redirects_without_end_are_refused()
    {
        _hub.Fault = asked => new Answer(302, []).With("Location", asked.Path);
        Assert.Equal("org/model: expected at most 10 redirects, found more", await MessageAsync(HubErrorKind.Untrusted));
    }

    [Fact]
    public async Task A_certificate_that_nobody_vouches_for_is_refused_at_once()
    {
        using RSA key = RSA.Create(2048);
        using X509Certificate2 signed = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        using LoopbackServer encrypted = new(_ => new Answer(200, []), X509CertificateLoader.LoadPkcs12(signed.Export(X509ContentType.Pkcs12), null));
        HubException exception = await Assert.ThrowsAsync<HubException>(() => FetchAsync(change: options => options with { Endpoint = encrypted.Address, Token = Token }));
        Assert.Equal(HubErrorKind.Untrusted, exception.Fault);
        Assert.Empty(encrypted.Requests);
    }

    [Fact]
    public void Options_never_show_the_token_and_say_all_that_is_wrong()
    {
        HubOptions options = _cache.Options(_hub.Hub.Address) with { Token = $"{Token}\r\nX: y", StallTimeout = TimeSpan.Zero, Endpoint = new Uri("https://user:password@host") };
        Assert.DoesNotContain(Token, options.ToString(), StringComparison.Ordinal);
        string message = Assert.Throws<SnapViTException>(() => new HubClient(options)).Message;
        Assert.Equal(3, message.Split(';').Length);
        Assert.DoesNotContain(Token, message, StringComparison.Ordinal);
        Assert.DoesNotContain("password", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://hub", "http://store")]
    [InlineData("https://hub", "ftp://store")]
    [InlineData("http://hub", "file:///etc/passwd")]
    public void Encryption_once_begun_is_not_left(string from, string target) =>
        Assert.Equal(HubErrorKind.Untrusted, Assert.Throws<HubException>(() => HubConnection.Allowed(new Uri(target), new Uri(from), new HubRequest(TemporaryCache.Name))).Fault);

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
}
