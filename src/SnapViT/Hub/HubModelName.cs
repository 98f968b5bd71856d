using System.Text.RegularExpressions;

namespace SnapViT.Hub;

/// <summary>A model on a hub: <c>org/name</c>, with <c>@revision</c> where it is not the main branch.</summary>
public sealed partial record HubModelName
{
    /// <summary>The branch that is meant when no revision is given.</summary>
    public const string MainRevision = "main";

    private const int LongestRepository = 96;
    private static readonly string[] Schemes = ["hf-hub:", "hf_hub:", "hf://"];
    private static readonly string[] Web = ["https://", "http://"];
    private static readonly string[] Hosts = ["huggingface.co/", "www.huggingface.co/", "hf.co/"];
    private static readonly string[] OtherPages = ["datasets", "spaces", "docs", "api", "papers", "collections"];

    private static readonly string[] FileEndings =
    [
        ".safetensors", ".pt", ".pth", ".bin", ".json", ".onnx", ".git", ".ckpt", ".npz", ".npy",
        ".pkl", ".pickle", ".h5", ".msgpack", ".tflite",
        ".zip", ".tar", ".gz", ".tgz", ".jpg", ".jpeg", ".png", ".txt", ".csv", ".yaml", ".yml", ".data", ".unfinished", ".partial",
    ];

    private HubModelName(string organisation, string name, string revision)
    {
        Organisation = organisation;
        Name = name;
        Revision = revision;
    }

    /// <summary>The user or organisation, such as <c>timm</c>.</summary>
    public string Organisation { get; }

    /// <summary>The repository's name, such as <c>vit_small_patch16_224.dino</c>.</summary>
    public string Name { get; }

    /// <summary>A branch, a tag, or a commit of 40 hexadecimal digits.</summary>
    public string Revision { get; }

    /// <summary><c>org/name</c>.</summary>
    public string Repository => $"{Organisation}/{Name}";

    /// <summary>
    /// Reads <c>org/name</c> or <c>org/name@revision</c>, by the hub's own rules for names; the same after <c>hf-hub:</c>, as timm and
    /// open_clip write it; or the address of the model's page, <c>https://huggingface.co/org/name</c>, with or without
    /// <c>/tree/revision</c>.
    /// </summary>
    /// <param name="text">What the user wrote.</param>
    /// <param name="name">The name; null where it is none.</param>
    /// <returns>False for anything else; also for a name that ends as a checkpoint file does, which is a mistyped path.</returns>
    public static bool TryParse(string? text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out HubModelName? name)
    {
        string plain = Schemes.FirstOrDefault(scheme => StartsWith(text, scheme)) is string scheme ? text![scheme.Length..]
            : OfPage(text) ?? text ?? "";
        Match match = Pattern().Match(plain);
        string[] parts = [match.Groups["org"].Value, match.Groups["name"].Value];
        bool valid = match.Success && parts.All(IsPart) && parts.Sum(part => part.Length) < LongestRepository && !LooksLikeFile(parts[1]);
        string revision = match.Groups["revision"].Success ? match.Groups["revision"].Value : MainRevision;
        name = valid && IsRevision(revision) ? new HubModelName(parts[0], parts[1], revision) : null;
        return name is not null;
    }

    /// <summary>Whether a text can mean nothing but a model on a hub: it starts with <c>hf-hub:</c> or is an address.</summary>
    /// <param name="text">What the user wrote.</param>
    public static bool IsExplicit(string text) => Schemes.Concat(Hosts).Concat(Web).Any(start => StartsWith(text, start));

    /// <summary>Whether a revision is a full commit, which names the same content for ever.</summary>
    public static bool IsCommit(string revision) => CommitPattern().IsMatch(revision);

    /// <inheritdoc/>
    public override string ToString() => Revision == MainRevision ? Repository : $"{Repository}@{Revision}";

    private static bool StartsWith(string? text, string start) => text?.StartsWith(start, StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>
    /// The name in the address of a model's page; null for another text, and for the address of one file, of a data set or a space.
    /// </summary>
    private static string? OfPage(string? text)
    {
        string? address = Web.FirstOrDefault(scheme => StartsWith(text, scheme)) is string scheme ? text![scheme.Length..] : text;
        if (Hosts.FirstOrDefault(host => StartsWith(address, host)) is not string found)
        {
            return null;
        }

        string path = address![found.Length..].Split('?', '#')[0];
        string[] segments = [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(Uri.UnescapeDataString)];
        return segments switch
        {
            [string organisation, _, ..] when OtherPages.Contains(organisation) => null,
            [string organisation, string name] => $"{organisation}/{name}",
            [string organisation, string name, "tree", .. string[] { Length: > 0 } revision] =>
                $"{organisation}/{name}@{string.Join('/', revision)}",
            _ => null,
        };
    }

    private static bool IsPart(string part) =>
        part[0] is not ('-' or '.')
        && part[^1] is not ('-' or '.')
        && !part.Contains("--", StringComparison.Ordinal)
        && !part.Contains("..", StringComparison.Ordinal);

    // A revision becomes a path below refs: no segment may climb, and git allows no such names either.
    private static bool IsRevision(string revision) =>
        revision.Split('/').All(
            segment => segment.Length > 0
                && segment[0] is not ('.' or '-')
                && segment[^1] != '.'
                && !segment.Contains("..", StringComparison.Ordinal));

    private static bool LooksLikeFile(string name) =>
        FileEndings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    [GeneratedRegex(
        @"\A(?<org>[A-Za-z0-9_.-]+)/(?<name>[A-Za-z0-9_.-]+)(@(?<revision>[A-Za-z0-9_.+/-]{1,200}))?\z",
        RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();

    [GeneratedRegex(@"\A[0-9a-f]{40}\z")]
    private static partial Regex CommitPattern();
}
