using System.Text.RegularExpressions;
using SnapViT.Core.Architecture;

namespace SnapViT.Loading;

/// <summary>The published name of a checkpoint that lies in the cache that all clients of the hub share: <c>models--org--name/snapshots/commit/file</c>.</summary>
internal static partial class PublishedName
{
    /// <summary>What the table of known models says of it; null for a file elsewhere, or of a name that the table lacks.</summary>
    /// <param name="checkpoint">The file with the weights.</param>
    public static PublishedModel? Known(string checkpoint) =>
        Snapshot().Match(Path.GetFullPath(checkpoint).Replace('\\', '/')) is { Success: true } match
            ? KnownModels.Named($"{match.Groups["org"].Value}/{match.Groups["name"].Value}")
            : null;

    [GeneratedRegex(@"/models--(?<org>[^/]+?)--(?<name>[^/]+)/snapshots/[0-9a-f]{40}/[^/]+\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Snapshot();
}
