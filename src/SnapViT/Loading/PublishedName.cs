using System.Text.RegularExpressions;
using SnapViT.Core.Architecture;

namespace SnapViT.Loading;

/// <summary>
/// The published name of a checkpoint that lies in the cache that all clients of the hub share:
/// <c>models--org--name/snapshots/commit/file</c>.
/// </summary>
internal static partial class PublishedName
{
    /// <summary>What the table of known models says of it; null for a file elsewhere, or of a name that the table lacks.</summary>
    /// <param name="checkpoint">The file with the weights.</param>
    internal static PublishedModel? Known(string checkpoint) =>
        Snapshot().Match(Path.GetFullPath(checkpoint).Replace('\\', '/')) is { Success: true } match
            ? KnownModels.Named($"{match.Groups["org"].Value}/{match.Groups["name"].Value}")
            : null;

    /// <summary>Parts of the names that publishers give the files of a ViT-S, and its heads per block.</summary>
    private static readonly (string Part, int Heads)[] SmallModels =
    [
        ("dino_deitsmall", 6), ("dino_vits", 6), ("dinov2_vits", 6), ("deit_small", 6), ("deit_3_small", 6),
        ("vit_small_patch", 6), ("S_16", 6), ("dino-vits", 6),
        ("vit-s-", KnownModels.MocoHeads), ("moco", KnownModels.MocoHeads),
    ];

    /// <summary>Whether a publisher's word stands in the name of the file or of its folder.</summary>
    public static bool Says(string checkpoint, string word)
    {
        string[] parts = Path.GetFullPath(checkpoint).Replace('\\', '/').Split('/');
        bool inCache = Snapshot().IsMatch(Path.GetFullPath(checkpoint).Replace('\\', '/'));
        return parts[^(inCache ? Math.Min(4, parts.Length) : Math.Min(2, parts.Length))..]
            .Any(part => part.Contains(word, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Heads per block of a ViT-S by the name of its file or folder; null where that says nothing.</summary>
    public static int? HeadsOf(string checkpoint)
    {
        int[] heads = [.. SmallModels.Where(row => Says(checkpoint, row.Part)).Select(row => row.Heads).Distinct()];
        return heads is [int only] ? only : null;
    }

    [GeneratedRegex(@"/models--(?<org>[^/]+?)--(?<name>[^/]+)/snapshots/[0-9a-f]{40}/[^/]+\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Snapshot();
}
