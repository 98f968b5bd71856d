using SnapViT.Cli;
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

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = await SnapVitCommand.RunAsync(args, output, error, Stop);
        return (code, output.ToString(), error.ToString());
    }
}
