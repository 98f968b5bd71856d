using System.Text.RegularExpressions;
using SnapViT.Core.Errors;
using SnapViT.Hub;

namespace SnapViT.Cli.Commands;

/// <summary>The variables by which all clients of the hub are set.</summary>
internal static partial class HubEnvironment
{
    private static readonly string[] True = ["1", "ON", "YES", "TRUE"];

    /// <summary>
    /// Reads HF_HUB_CACHE (else HUGGINGFACE_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else
    /// ~/.cache/huggingface/hub), HF_ENDPOINT, HF_TOKEN (else HUGGING_FACE_HUB_TOKEN, else the file HF_TOKEN_PATH, else HF_HOME/token, as a
    /// login leaves it; none of the files where HF_HUB_DISABLE_IMPLICIT_TOKEN is set) and HF_HUB_OFFLINE (else TRANSFORMERS_OFFLINE), as
    /// the huggingface_hub client does. A folder may start with ~ and name other variables, $NAME or ${NAME}.
    /// </summary>
    /// <param name="variable">The value of a variable; null where it is not set.</param>
    /// <param name="home">The user's own folder.</param>
    /// <exception cref="SnapViTException">HF_ENDPOINT is no address, or a folder names a variable that is not set.</exception>
    public static HubOptions Read(Func<string, string?> variable, string home)
    {
        string hubHome = Folder("HF_HOME") ?? Path.Combine(Folder("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache"), "huggingface");
        HubOptions options = new()
        {
            CacheFolder = Folder("HF_HUB_CACHE") ?? Folder("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(hubHome, "hub"),
            Token = Text("HF_TOKEN") ?? Text("HUGGING_FACE_HUB_TOKEN") ?? (IsTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? null : FromLogin()),
            Offline = IsTrue(Text("HF_HUB_OFFLINE") is null ? "TRANSFORMERS_OFFLINE" : "HF_HUB_OFFLINE"),
        };
        return Text("HF_ENDPOINT") is not string endpoint ? options
            : Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? address) ? options with { Endpoint = address }
            : throw new SnapViTException(ErrorKind.Hub, "HF_ENDPOINT: expected an address such as https://host, found something else");

        string? FromLogin()
        {
            string file = Folder("HF_TOKEN_PATH") ?? Path.Combine(hubHome, "token");
            return File.Exists(file) ? Cleaned(File.ReadAllText(file)) : null;
        }

        string? Text(string name) => Cleaned(variable(name));

        bool IsTrue(string name) => True.Contains(Text(name)?.ToUpperInvariant());

        string? Folder(string name) => Text(name) is string path ? Expanded(name, path, variable, home) : null;
    }

    /// <summary>
    /// A path as the shell would read it; what is in quotes in a shell's file, a service or a container arrives as it is written.
    /// </summary>
    private static string Expanded(string name, string path, Func<string, string?> variable, string home)
    {
        string expanded = Variable().Replace(path, match => Cleaned(variable(match.Groups["name"].Value))
            ?? throw new SnapViTException(
                ErrorKind.Hub, $"{name}: expected the variable {match.Groups["name"].Value} of '{path}' to be set, found none"));
        return expanded == "~"
            || expanded.StartsWith("~/", StringComparison.Ordinal)
            || expanded.StartsWith("~\\", StringComparison.Ordinal)
            ? home + expanded[1..]
            : expanded;
    }

    private static string? Cleaned(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();

    [GeneratedRegex(@"\$(\{(?<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?<name>[A-Za-z_][A-Za-z0-9_]*))", RegexOptions.ExplicitCapture)]
    private static partial Regex Variable();
}
