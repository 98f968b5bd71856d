using SnapViT.Cli.Commands;
using SnapViT.Core.Errors;
using SnapViT.Hub;

namespace SnapViT.Tests.Commands;

/// <summary>The variables and their order of precedence are those of the huggingface_hub client.</summary>
public sealed class HubEnvironmentTests
{
    [Fact]
    public void Nothing_set_means_the_home_folder_and_the_public_hub()
    {
        HubOptions options = Read();
        Assert.Equal("/home/me/.cache/huggingface/hub", options.CacheFolder);
        Assert.Equal(("huggingface.co", null, false), (options.Endpoint.Host, options.Token, options.Offline));
    }

    [Fact]
    public void The_nearer_variable_names_the_cache()
    {
        Assert.Equal("/x/huggingface/hub", Read(("XDG_CACHE_HOME", "/x")).CacheFolder);
        Assert.Equal("/h/hub", Read(("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")).CacheFolder);
        Assert.Equal("/home/me/c", Read(("HF_HOME", "/h"), ("HF_HUB_CACHE", "~/c")).CacheFolder);
        Assert.Equal("/old", Read(("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")).CacheFolder);
        Assert.Equal("/c", Read(("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")).CacheFolder);
    }

    [Theory]
    [InlineData("HF_HOME", "$SCRATCH/hf", "/scratch/me/hf/hub")]
    [InlineData("HF_HOME", "${SCRATCH}/hf", "/scratch/me/hf/hub")]
    [InlineData("HF_HOME", "~/hf", "/home/me/hf/hub")]
    [InlineData("HF_HUB_CACHE", "$SCRATCH/$USER", "/scratch/me/me")]
    [InlineData("HUGGINGFACE_HUB_CACHE", "~", "/home/me")]
    [InlineData("XDG_CACHE_HOME", "$SCRATCH", "/scratch/me/huggingface/hub")]
    [InlineData("HF_HUB_CACHE", "/a$/~b", "/a$/~b")]
    public void A_folder_may_name_home_and_other_variables(string name, string value, string folder) =>
        Assert.Equal(folder, Read((name, value), ("SCRATCH", "/scratch/me"), ("USER", "me")).CacheFolder);

    [Fact]
    public void A_variable_that_is_not_set_is_named() => Assert.Equal(
        "HF_HOME: expected the variable SCRATCH of '$SCRATCH/hf' to be set, found none",
        Assert.Throws<SnapViTException>(() => Read(("HF_HOME", "$SCRATCH/hf"))).Message);

    [Fact]
    public void The_token_is_the_variable_or_what_a_login_left()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("snapvit-hub-");
        File.WriteAllText(Path.Combine(folder.FullName, "token"), "from_file\n");
        Assert.Equal("from_file", Read(("HF_HOME", folder.FullName)).Token);
        Assert.Equal("from_variable", Read(("HF_HOME", folder.FullName), ("HF_TOKEN", " from_variable ")).Token);
        Assert.Null(Read(("HF_HOME", folder.FullName), ("HF_TOKEN_PATH", "/none")).Token);
        Assert.Equal("old", Read(("HF_HOME", folder.FullName), ("HUGGING_FACE_HUB_TOKEN", "old")).Token);
        Assert.Equal("new", Read(("HUGGING_FACE_HUB_TOKEN", "old"), ("HF_TOKEN", "new")).Token);
        Assert.Null(Read(("HF_HOME", folder.FullName), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).Token);
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("1", true)]
    [InlineData("true", true)]
    [InlineData("Yes", true)]
    [InlineData("0", false)]
    [InlineData("", false)]
    public void Offline_is_what_the_other_clients_take_for_true(string value, bool offline)
    {
        Assert.Equal(offline, Read(("HF_HUB_OFFLINE", value)).Offline);
        Assert.Equal(offline, Read(("TRANSFORMERS_OFFLINE", value)).Offline);
        Assert.False(Read(("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")).Offline);
    }

    [Fact]
    public void A_mirror_is_taken_and_anything_else_refused()
    {
        Assert.Equal("https://mirror.example/hf/", Read(("HF_ENDPOINT", "https://mirror.example/hf/")).Endpoint.AbsoluteUri);
        Assert.Equal("HF_ENDPOINT: expected an address such as https://host, found something else", Assert.Throws<SnapViTException>(() => Read(("HF_ENDPOINT", "mirror"))).Message);
    }

    private static HubOptions Read(params (string Name, string Value)[] set) =>
        HubEnvironment.Read(name => set.FirstOrDefault(pair => pair.Name == name).Value, "/home/me");
}
