using System.Text.RegularExpressions;

namespace SnapViT.Hub;

/// <summary>A model on a hub: <c>org/name</c>, with <c>@revision</c> where it is not the main branch.</summary>
public sealed partial record HubModelName
{
    /// <summary>The branch that is meant when no revision is given.</summary>
    public const string MainRevision = "main";

    private const int LongestRepository = 96;
    private static readonly string[] FileEndings = [".safetensors", ".pt", ".pth", ".bin", ".json", ".onnx", ".git"];

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

    /// <summary>Reads <c>org/name</c> or <c>org/name@revision</c>, by the hub's own rules for names.</summary>
    /// <param name="text">What the user wrote.</param>
    /// <param name="name">The name; null where it is none.</param>
    /// <returns>False for anything else; also for a name that ends as a checkpoint file does, which is a mistyped path.</returns>
    public static bool TryParse(string? text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out HubModelName? name)
    {
        Match match = Pattern().Match(text ?? "");
        string[] parts = [match.Groups["org"].Value, match.Groups["name"].Value];
        bool valid = match.Success && parts.All(IsPart) && parts.Sum(part => part.Length) < LongestRepository && !LooksLikeFile(parts[1]);
        string revision = match.Groups["revision"].Success ? match.Groups["revision"].Value : MainRevision;
        name = valid && IsRevision(revision) ? new HubModelName(parts[0], parts[1], revision) : null;
        return name is not null;
    }

    /// <summary>Whether a revision is a full commit, which names the same content for ever.</summary>
    public static bool IsCommit(string revision) => CommitPattern().IsMatch(revision);

    /// <inheritdoc/>
    public override string ToString() => Revision == MainRevision ? Repository : $"{Repository}@{Revision}";

    private static bool IsPart(string part) =>
        part[0] is not ('-' or '.') && part[^1] is not ('-' or '.') && !part.Contains("--", StringComparison.Ordinal) && !part.Contains("..", StringComparison.Ordinal);

    // A revision becomes a path below refs: no segment may climb, and git allows no such names either.
    private static bool IsRevision(string revision) =>
        revision.Split('/').All(segment => segment.Length > 0 && segment[0] is not ('.' or '-') && segment[^1] != '.' && !segment.Contains("..", StringComparison.Ordinal));

    private static bool LooksLikeFile(string name) =>
        FileEndings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    [GeneratedRegex(@"\A(?<org>[A-Za-z0-9_.-]+)/(?<name>[A-Za-z0-9_.-]+)(@(?<revision>[A-Za-z0-9_.+/-]{1,200}))?\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();

    [GeneratedRegex(@"\A[0-9a-f]{40}\z")]
    private static partial Regex CommitPattern();
}
