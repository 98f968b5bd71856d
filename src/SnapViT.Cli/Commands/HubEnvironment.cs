using SnapViT.Hub;

namespace SnapViT.Cli.Commands;

/// <summary>The variables by which all clients of the hub are set.</summary>
internal static class HubEnvironment
{
    private static readonly string[] True = ["1", "ON", "YES", "TRUE"];

    /// <summary>
    /// Reads HF_HUB_CACHE (else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub), HF_ENDPOINT,
    /// HF_TOKEN (else the file HF_TOKEN_PATH, else HF_HOME/token, as a login leaves it) and HF_HUB_OFFLINE.
    /// </summary>
    /// <param name="variable">The value of a variable; null where it is not set.</param>
    /// <param name="home">The user's own folder.</param>
    /// <exception cref="FormatException">HF_ENDPOINT is no address.</exception>
    public static HubOptions Read(Func<string, string?> variable, string home)
    {
        string hubHome = Folder("HF_HOME") ?? Path.Combine(Folder("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache"), "huggingface");
        string tokenFile = Folder("HF_TOKEN_PATH") ?? Path.Combine(hubHome, "token");
        HubOptions options = new()
        {
            CacheFolder = Folder("HF_HUB_CACHE") ?? Path.Combine(hubHome, "hub"),
            Token = Text("HF_TOKEN") ?? (File.Exists(tokenFile) ? Cleaned(File.ReadAllText(tokenFile)) : null),
            Offline = True.Contains(Text("HF_HUB_OFFLINE")?.ToUpperInvariant()),
        };
        return Text("HF_ENDPOINT") is not string endpoint ? options
            : Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? address) ? options with { Endpoint = address }
            : throw new FormatException("HF_ENDPOINT: expected an address such as https://host, found something else");

        string? Text(string name) => Cleaned(variable(name));

        string? Folder(string name) => Text(name) is string path ? path == "~" || path.StartsWith("~/", StringComparison.Ordinal) ? home + path[1..] : path : null;
    }

    private static string? Cleaned(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
